// Landlock for files, seccomp for everything else. What is asked of the kernel here it either does or the caller must
// give up; only a kernel that lacks the facility altogether is forgiven, and isolation.py tells the user so.
#include "isolation.h"
#include "platform.h"
#include "syscalls.h"

enum { PR_SET_NO_NEW_PRIVS = 38 };

// ---- Files: struct layouts and rights of linux/landlock.h

struct Ruleset { u64 files, network, scopes; };
struct Rule { u64 rights; i32 folder; } __attribute__((packed));

enum { LANDLOCK_VERSION = 1, LANDLOCK_PATH = 1 };
enum {
    EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_FOLDER = 1 << 3, REMOVE_FILE = 1 << 5,
    MAKE_FILE = 1 << 8, TRUNCATE = 1 << 14,
};
enum { AT_CWD = -100, O_PATH = 0x200000, O_CLOEXEC = 0x80000 };
#if defined(__aarch64__)
enum { O_DIRECTORY = 0x4000 };
#else
enum { O_DIRECTORY = 0x10000 };
#endif

static const u64 rights[] = {
    [ACCESS_READ] = READ_FILE | READ_FOLDER,
    [ACCESS_EXECUTE] = READ_FILE | EXECUTE,
    [ACCESS_DEVICE] = READ_FILE | WRITE_FILE,
    [ACCESS_SCRATCH] = READ_FILE | READ_FOLDER | WRITE_FILE | TRUNCATE | MAKE_FILE | REMOVE_FILE,
};

static int grant(int ruleset, const struct Grant *grant, u64 known) {
    u64 allowed = rights[grant->access] & known;
    long path = syscall(SYS_OPENAT, AT_CWD, grant->path, O_PATH | O_CLOEXEC | O_DIRECTORY, 0);
    if (path < 0) {
        path = syscall(SYS_OPENAT, AT_CWD, grant->path, O_PATH | O_CLOEXEC, 0);
        if (path < 0) return 0;
        allowed &= ~(u64)(READ_FOLDER | MAKE_FILE | REMOVE_FILE);
    }
    const struct Rule rule = {allowed, (i32)path};
    const long failed = syscall(SYS_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_PATH, &rule, 0);
    syscall(SYS_CLOSE, path);
    return failed ? -1 : 0;
}

int restrict_files(const struct Grant *grants, u32 count) {
    const long version = syscall(SYS_LANDLOCK_CREATE_RULESET, 0l, 0l, LANDLOCK_VERSION);
    if (version < 1) return 0;
    // Every right that this version knows is taken; what is granted is given back.
    const int file_rights = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
    const struct Ruleset all = {((u64)1 << file_rights) - 1, version >= 4 ? 3 : 0, version >= 6 ? 3 : 0};
    const uptr size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    const long ruleset = syscall(SYS_LANDLOCK_CREATE_RULESET, &all, size, 0);
    if (ruleset < 0) return -1;
    for (u32 i = 0; i < count; ++i) {
        if (grant((int)ruleset, &grants[i], all.files)) return -1;
    }
    if (syscall(SYS_PRCTL, PR_SET_NO_NEW_PRIVS, 1l, 0l, 0l, 0l)) return -1;
    const long failed = syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0);
    syscall(SYS_CLOSE, ruleset);
    return failed ? -1 : 0;
}

// ---- System calls: a program for the kernel's packet filter, over struct seccomp_data

struct Instruction { unsigned short code; unsigned char yes, no; u32 operand; };
struct Program { unsigned short length; const struct Instruction *instructions; };

enum { SET_FILTER = 1, ACTION_KNOWN = 2, KEEP_SPECULATION = 4 };  // the kernel's default would slow kernels down
enum { ALLOWED = 0x7fff0000, REFUSED = 0x00050000 | 1 /* EPERM */, UNKNOWN = 0x00050000 | 38 /* ENOSYS */ };
enum { NUMBER = 0, ARCHITECTURE = 4, ARGUMENTS = 16 };
enum { CLONE_THREAD = 0x10000, RLIMIT_STACK = 3, F_SETOWN = 8, F_DUPFD_CLOEXEC = 1030, FIRST_RECENT_CALL = 424 };

#define LOAD(offset) {0x20, 0, 0, (offset)}
#define IF_EQUAL(value, yes, no) {0x15, (yes), (no), (u32)(value)}
#define IF_AT_LEAST(value, yes, no) {0x35, (yes), (no), (u32)(value)}
#define IF_ANY(bits, yes, no) {0x45, (yes), (no), (u32)(bits)}
#define RETURN(action) {0x06, 0, 0, (u32)(action)}
#define ALLOW(call) IF_EQUAL(SYS_##call, 0, 1), RETURN(ALLOWED)

#define BEGIN LOAD(ARCHITECTURE), IF_EQUAL(AUDIT_ARCHITECTURE, 1, 0), RETURN(REFUSED), LOAD(NUMBER)
// The C library asks for younger calls first and knows what to do without them.
#define END IF_AT_LEAST(FIRST_RECENT_CALL, 0, 1), RETURN(UNKNOWN), RETURN(REFUSED)

// A new thread may be had and a new process not; clone3 hides its flags in memory.
#define THREADS_ONLY                                                                                                   \
    IF_EQUAL(SYS_CLONE, 0, 4), LOAD(ARGUMENTS), IF_ANY(CLONE_THREAD, 0, 1), RETURN(ALLOWED), RETURN(REFUSED)
// Not those that would have the kernel send signals, nor those that seal shared memory.
#define DESCRIPTOR_FLAGS                                                                                               \
    IF_EQUAL(SYS_FCNTL, 0, 5), LOAD(ARGUMENTS + 8), IF_EQUAL(F_DUPFD_CLOEXEC, 1, 0),                                   \
    IF_AT_LEAST(F_SETOWN, 1, 0), RETURN(ALLOWED), RETURN(REFUSED)
// Of its own stack alone: root could lift the other limits, and those of others.
#define STACK_LIMIT                                                                                                    \
    IF_EQUAL(SYS_PRLIMIT, 0, 6), LOAD(ARGUMENTS), IF_EQUAL(0, 0, 3), LOAD(ARGUMENTS + 8),                              \
    IF_EQUAL(RLIMIT_STACK, 0, 1), RETURN(ALLOWED), RETURN(REFUSED)

// RESTART_SYSCALL: what a process that waits does when it was stopped and goes on (SIGSTOP, a debugger, a freezer).
#define COMMON                                                                                                         \
    ALLOW(FUTEX), ALLOW(READ), ALLOW(WRITE), ALLOW(CLOSE), ALLOW(PPOLL), ALLOW(MMAP), ALLOW(MUNMAP), ALLOW(MPROTECT),  \
    ALLOW(MREMAP), ALLOW(MADVISE), ALLOW(BRK), ALLOW(OPENAT), ALLOW(FSTAT), ALLOW(NEWFSTATAT), ALLOW(LSEEK),           \
    ALLOW(PREAD), ALLOW(READLINKAT), ALLOW(RT_SIGACTION), ALLOW(RT_SIGPROCMASK), ALLOW(RT_SIGRETURN),                  \
    ALLOW(SIGALTSTACK), ALLOW(SCHED_YIELD), ALLOW(SCHED_GETAFFINITY), ALLOW(NANOSLEEP), ALLOW(CLOCK_GETTIME),          \
    ALLOW(CLOCK_NANOSLEEP), ALLOW(GETTIMEOFDAY), ALLOW(GETPID), ALLOW(GETTID), ALLOW(GETRANDOM),                       \
    ALLOW(SET_ROBUST_LIST), ALLOW(RSEQ), ALLOW(RESTART_SYSCALL), ALLOW(EXIT), ALLOW(EXIT_GROUP), DESCRIPTOR_FLAGS, THREADS_ONLY

#if defined(__x86_64__)
#define COMMON_OLD ALLOW(POLL), ALLOW(OPEN), ALLOW(STAT), ALLOW(LSTAT), ALLOW(ACCESS), ALLOW(READLINK)
#define COMPILER_OLD ALLOW(DUP2), ALLOW(RENAME), ALLOW(UNLINK), ALLOW(ARCH_PRCTL)
#else
#define COMMON_OLD ALLOW(FACCESSAT)
#define COMPILER_OLD ALLOW(DUP3)
#endif

static const struct Instruction compiler[] = {
    BEGIN, COMMON, COMMON_OLD, COMPILER_OLD, STACK_LIMIT,
    ALLOW(EXECVE), ALLOW(SET_TID_ADDRESS), ALLOW(READV), ALLOW(WRITEV), ALLOW(PWRITE), ALLOW(FTRUNCATE), ALLOW(IOCTL),
    ALLOW(GETDENTS), ALLOW(GETCWD), ALLOW(FACCESSAT), ALLOW(STATX), ALLOW(RENAMEAT), ALLOW(RENAMEAT2), ALLOW(UNLINKAT),
    ALLOW(FCHMOD), ALLOW(UMASK), ALLOW(DUP), ALLOW(UNAME), ALLOW(GETRUSAGE), ALLOW(GETUID), ALLOW(GETEUID), END,
};

// musl's loader stops the other threads by signals where it has no barrier for memory.
static const struct Instruction device[] = {
    BEGIN, COMMON, COMMON_OLD, ALLOW(RECVMSG), ALLOW(SENDTO), ALLOW(MEMFD_CREATE), ALLOW(MEMBARRIER), END,
};

int restrict_calls(enum Role role) {
    const u32 refuses = REFUSED & 0xffff0000;
    if (syscall(SYS_SECCOMP, ACTION_KNOWN, 0, &refuses)) return 0;
    const struct Program program = role == ROLE_COMPILER
        ? (struct Program){sizeof compiler / sizeof *compiler, compiler}
        : (struct Program){sizeof device / sizeof *device, device};
    if (syscall(SYS_PRCTL, PR_SET_NO_NEW_PRIVS, 1l, 0l, 0l, 0l)) return -1;
    return syscall(SYS_SECCOMP, SET_FILTER, KEEP_SPECULATION, &program) ? -1 : 0;
}
