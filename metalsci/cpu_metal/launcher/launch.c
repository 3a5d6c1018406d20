// launch READABLE... -- PROGRAM ARGUMENT...: becomes the program, which can then start no other, reach no network, and
// open no file but itself, those readable, and what is in the current folder.
//
// A program of its own, without a C library: it starts in a fraction of a millisecond, where an interpreter takes 15.
#include "../runtime/isolation.h"
#include "../runtime/syscalls.h"

enum { MAX_GRANTS = 32, NOT_ISOLATED = 126, NOT_STARTED = 127 };

// Six arguments, as isolation.c's calls have at most; gives what the kernel gives, an error as a negative number.
#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  xorl %ebp, %ebp\n  movq %rsp, %rdi\n  andq $-16, %rsp\n  callq launch\n  hlt\n"
    ".globl syscall\n"
    "syscall:\n"
    "  movq %rdi, %rax\n  movq %rsi, %rdi\n  movq %rdx, %rsi\n  movq %rcx, %rdx\n  movq %r8, %r10\n  movq %r9, %r8\n"
    "  movq 8(%rsp), %r9\n  syscall\n  retq\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  bl launch\n  brk #0\n"
    ".globl syscall\n"
    "syscall:\n"
    "  mov x8, x0\n  mov x0, x1\n  mov x1, x2\n  mov x2, x3\n  mov x3, x4\n  mov x4, x5\n  mov x5, x6\n"
    "  svc #0\n  ret\n");
#endif

extern long syscall(long, ...);

static void leave(int status) {
    for (;;) syscall(SYS_EXIT_GROUP, status);
}

static int is_separator(const char *text) { return text[0] == '-' && text[1] == '-' && !text[2]; }

// `stack`: as the kernel leaves it, the number of arguments, they, a null, and the environment.
__attribute__((used)) void launch(const uptr *stack) {
    const char *const *arguments = (const char *const *)(stack + 1) + 1;
    const char *const *environment = (const char *const *)(stack + 1) + stack[0] + 1;
    struct Grant grants[MAX_GRANTS];
    u32 count = 0;
    grants[count++] = (struct Grant){".", ACCESS_SCRATCH};
    grants[count++] = (struct Grant){"/dev/null", ACCESS_DEVICE};
    for (; *arguments && !is_separator(*arguments); ++arguments) {
        if (count == MAX_GRANTS - 1) leave(NOT_ISOLATED);
        grants[count++] = (struct Grant){*arguments, ACCESS_READ};
    }
    if (!*arguments || !*++arguments) leave(NOT_STARTED);
    grants[count++] = (struct Grant){*arguments, ACCESS_EXECUTE};
    if (restrict_files(grants, count) || restrict_calls(ROLE_COMPILER)) leave(NOT_ISOLATED);
    syscall(SYS_EXECVE, *arguments, arguments, environment);
    leave(NOT_STARTED);
}
