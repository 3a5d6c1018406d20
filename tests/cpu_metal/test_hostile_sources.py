"""Source is untrusted. It reads no file, calls nothing of the host, blocks nothing, and leaves a usable device.

Each case gives the expected exception, its words, and the seconds allowed; `test_isolation.py` tries by machine code
what no source can do.
"""

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from metalsci.cpu_metal import CompileError, Device, DeviceCrash, DeviceTimeout, Dispatch, DispatchError, PipelineError
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.execute.host import Limits

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
SECRET = "/tmp/SECRET"  # stands for a file that is there
COMPILER_SECONDS = 2.0
RUN_SECONDS = 1.0


@dataclass(frozen=True)
class Hostile:
    source: str
    raised: type[Exception]
    says: str
    """A regular expression."""
    seconds: float = 30.0
    """Generous: the machine may have other things to do."""
    is_bomb: bool = False
    """To be stopped by the compiler's limits, so those are tight."""


def kernel(statements: str, before: str = "") -> str:
    signature = "kernel void k(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]])"
    return f"{HEADER}{before}\n{signature} {{\n{statements}\n}}\n"


def refused(before: str, says: str, statements: str = "x[i] = 1;") -> Hostile:
    return Hostile(kernel(statements, before), CompileError, says)


def bomb(
    before: str, says: str = r"needed more than|bytes to say|ended by signal", statements: str = "x[i] = 1;"
) -> Hostile:
    return Hostile(kernel(statements, before), CompileError, says, is_bomb=True)


def crash(statements: str, says: str = "k, dispatch 0: ", before: str = "") -> Hostile:
    return Hostile(kernel(statements, before), DeviceCrash, says)


def endless(statements: str) -> Hostile:
    return Hostile(kernel(statements), DeviceTimeout, "k, dispatch 0: not finished after 1 s")


def chain(count: int, line: str) -> str:
    """Write `line` for 0, 1, …: each made of the one before."""
    return "".join(line.replace("NEXT", str(n + 1)).replace("THIS", str(n)) for n in range(count))


METALS = "only Metal's own headers can be included"
ITSELF = "source must stand by itself"
MACHINE = "must not depend on the files of a machine"
PASTE = "#define P(a, b) a##b\n"

FILES = {
    "quoted": refused(f'#include "{SECRET}"', METALS),
    "angled": refused(f"#include <{SECRET}>", METALS),
    "comments": refused(f'/* */ # /* */ include /* */ "{SECRET}"', METALS),
    "splice": refused(f'#inc\\\nlude "{SECRET}"', METALS),
    "splice with space": refused(f'#include \\ \n"{SECRET}"', METALS),
    "splice with form feed": refused(f'#inc\\\f\nlude "{SECRET}"', METALS),
    "digraph": refused(f'%:include "{SECRET}"', METALS),
    "trigraph": refused(f'??=include "{SECRET}"', METALS),
    "trigraph splice": refused(f'#inc??/\nlude "{SECRET}"', "invalid preprocessing directive"),
    "carriage return": refused(f'#define A \r#include "{SECRET}"\r', METALS),
    "zero byte": refused(f'\x00#include "{SECRET}"', METALS),
    "byte order mark": refused(f'\ufeff#include "{SECRET}"', METALS),
    "no-break space": refused(f'\u00a0#include "{SECRET}"', METALS),
    "character that is dropped": refused(f'\U0001f980#include "{SECRET}"', METALS),
    "byte that is dropped": refused(f'\udcff#include "{SECRET}"', METALS),
    "universal character name": refused(f'#\\u0069nclude "{SECRET}"', "cannot be specified by a universal character"),
    "after an open string": refused(f'constant char c[] = "\n#include "{SECRET}"', METALS),
    "after a raw string": refused(f'constant char c[] = R"x(";)x";\n#include "{SECRET}"\n//"', METALS),
    "in a skipped branch": refused(f'#if 0\n#include "{SECRET}"\n#endif', METALS),
    "computed": refused(f'#define FILE "{SECRET}"\n#include FILE', "expected \"FILENAME\""),
    "out of a macro": refused(
        f'#define I(...) __VA_OPT__(#include "{SECRET}")\nI(1)', "not followed by a macro parameter"
    ),
    "include_next": refused(f'#include_next "{SECRET}"', METALS),
    "import": refused(f'#import "{SECRET}"', METALS),
    "module": refused("import std;", "unknown type name 'import'"),
    "up from a header": refused("#include <simd/../../../secret>", METALS),
    "itself": refused('#ifndef O\n#define O\n#include "kernel.metal"\n#endif', METALS),
    "its own translation unit": refused('#ifndef O\n#define O\n#include "0.cl"\n#endif', METALS),
    "under another name": refused(f'#line 1 "{SECRET}"\n#include "{SECRET}"', METALS),
    "embed": refused(f'constant char data[] = {{\n#embed "{SECRET}"\n}};', ITSELF),
    "embed, limited": refused(f'constant char data[] = {{\n#embed "{SECRET}" limit(1) prefix(0,)\n}};', ITSELF),
    "has_include": refused(f'#if __has_include("{SECRET}")\n#error it is there\n#endif', MACHINE),
    "has_include_next": refused(f'#if __has_include_next("{SECRET}")\n#error it is there\n#endif', MACHINE),
    "has_embed": refused(f'#if __has_embed("{SECRET}")\n#error it is there\n#endif', MACHINE),
    "has_include by pasting": refused(
        f'{PASTE}#if P(__has_inc, lude)("{SECRET}")\n#error it is there\n#endif', MACHINE
    ),
    "has_embed by pasting": refused(f'{PASTE}#if P(__has_em, bed)("{SECRET}")\n#error it is there\n#endif', MACHINE),
    "dependency": refused(f'#pragma GCC dependency "{SECRET}"', ITSELF),
    "dependency by operator": refused(f'_Pragma("GCC dependency \\"{SECRET}\\"")', ITSELF),
    "dependency by macro": refused(f'#define D "GCC dependency \\"{SECRET}\\""\n_Pragma(D)', ITSELF),
    "dependency by pasting": refused(f'{PASTE}P(_Prag, ma)("GCC dependency \\"{SECRET}\\"")', ITSELF),
    "clang module": refused("#pragma clang module import x", ITSELF),
}  # fmt: skip

NO_ASSEMBLY = "inline assembly is not supported in Metal"
ATTRIBUTE = f"attribute cannot be used here: {ITSELF}"
BUILTIN = "use of undeclared identifier '__builtin_"
UNKNOWN = "undefined symbol"
POINTERS = "pointers to functions are not allowed"
BEHIND = "#define A(x) __attribute__((x))\n"  # an attribute that only the compiler sees

REACHING = {
    "asm": refused("", NO_ASSEMBLY, 'asm("nop");'),
    "__asm__ volatile": refused("", NO_ASSEMBLY, '__asm__ volatile("syscall");'),
    "Microsoft's asm": refused("", NO_ASSEMBLY, "__asm nop"),
    "asm by macro": refused("#define A asm", NO_ASSEMBLY, 'A("nop");'),
    "asm by pasting": refused(PASTE, "GNU-style inline assembly is disabled", 'P(as, m)("nop");'),
    "asm at file scope": refused('asm(".globl metal_stop");', NO_ASSEMBLY),
    "asm by pasting at file scope": refused(PASTE + 'P(as, m)(".globl x");', "inline assembly is disabled"),
    "asm goto": refused("", NO_ASSEMBLY, 'asm goto("" :::: out); out:;'),
    "register": refused("", NO_ASSEMBLY, 'register ulong r asm("rsp"); x[i] = r;'),
    "symbol by label": refused('extern "C" void f() asm("system");', NO_ASSEMBLY, "f();"),
    "symbol by pasted label": refused(PASTE + 'extern "C" void f() P(as, m)("system");', f"{UNKNOWN} 'system'", "f();"),
    "symbol by pragma": refused('#pragma redefine_extname f system\nextern "C" void f();', ITSELF, "f();"),
    "weak symbol by pragma": refused("#pragma weak metal_run", ITSELF),
    "function of the C library": refused('extern "C" int system(ulong);', UNKNOWN, "x[i] = system(0);"),
    "its variable": refused("extern constant int environ;", UNKNOWN, "x[i] = environ;"),
    "the runtime's functions": refused('extern "C" void metal_stop();', UNKNOWN, "metal_stop();"),
    "a barrier of another type": refused(
        'extern "C" void metal_threadgroup_barrier(float);', UNKNOWN, "metal_threadgroup_barrier(1.0f);"
    ),
    "the barrier of another result": refused(
        'extern "C" int metal_threadgroup_barrier(unsigned);', UNKNOWN, "x[i] = metal_threadgroup_barrier(1);"
    ),
    "an exchange of another type": refused(
        'extern "C" ulong metal_exchange(ulong);', UNKNOWN, "x[i] = metal_exchange(1);"
    ),
    "memcpy of integers": refused('extern "C" void memcpy(ulong, ulong, ulong);', UNKNOWN, "memcpy(8, 16, 1000);"),
    "the global offset table": refused(
        'extern "C" constant ulong _GLOBAL_OFFSET_TABLE_[];', "must be initialized", "x[i] = _GLOBAL_OFFSET_TABLE_[3];"
    ),
    "builtin": refused("", BUILTIN, "__builtin_trap();"),
    "builtin by splice": refused("", BUILTIN, "__built\\\nin_trap();"),
    "builtin by pasting": refused(PASTE, BUILTIN, "P(__built, in_trap)();"),
    "frame address": refused("", BUILTIN, "x[i] = (ulong)__builtin_frame_address(0);"),
    "return address": refused("", BUILTIN, "x[i] = (ulong)__builtin_return_address(0);"),
    "setjmp": refused("", BUILTIN, "thread void *b[5]; __builtin_setjmp(b);"),
    "alloca": refused("", BUILTIN, "__builtin_alloca(1ul << 40);"),
    "printf": refused("", BUILTIN, '__builtin_printf("%d", 1);'),
    "variable arguments": refused("void f(int n, ...) {}", "variadic arguments are not allowed|variadic"),
    "constructor": refused("__attribute__((constructor)) void f() { while (true); }", ATTRIBUTE),
    "constructor behind a macro": refused(
        BEHIND + "A(constructor) A(used) void f() { while (true); }", "initialized by a constant expression"
    ),
    "initialisation array": refused(
        BEHIND + 'constant ulong f A(section(".init_array")) A(used) = 4660;', "initialized by a constant expression"
    ),
    "array before that": refused(
        BEHIND + 'constant ulong f A(section(".preinit_array")) A(used) = 4660;', "initialized by a constant expression"
    ),
    "section of the linker": refused(
        BEHIND + 'constant char c A(section(".dynamic")) A(used) = 1;', "section type mismatch|dynamic"
    ),
    "section": refused('constant ulong c __attribute__((section(".text"))) = 4660;', ATTRIBUTE),
    "C++ attribute": refused('[[gnu::section(".text")]] constant ulong c = 4660;', ATTRIBUTE),
    "alias": refused('extern "C" void f() __attribute__((alias("system")));', ATTRIBUTE),
    "alias behind a macro": refused(BEHIND + 'extern "C" void f() A(alias("system"));', "alias must point to"),
    "ifunc": refused('extern "C" void f() __attribute__((ifunc("g")));', ATTRIBUTE),
    "weak": refused('extern "C" void f() __attribute__((weak));', ATTRIBUTE),
    "weak reference behind a macro": refused(
        BEHIND + 'static void f() A(weakref("system"));', f"{UNKNOWN} 'system'", "f();"
    ),
    "cleanup": refused("void c(thread int *p) { *p = 1; }", ATTRIBUTE, "__attribute__((cleanup(c))) int n = 0;"),
    "naked": refused("__attribute__((naked, noinline)) void f() {}", ATTRIBUTE, "f();"),
    "used": refused("__attribute__((used, visibility(\"default\"))) void metal_start() {}", ATTRIBUTE),
    "interrupt": refused("__attribute__((interrupt)) void f(thread void *p) {}", ATTRIBUTE),
    "function pointer": refused("", POINTERS, "void (*f)(float) = (void (*)(float))4660; f(1);"),
    "function reference": refused("typedef void F(float);", "functions are not allowed", "F &f = *(F *)4660; f(1);"),
    "function pointers by pragma": refused(
        "#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable", ITSELF, "void (*f)() = (void (*)())4660; f();"
    ),
    "data as code": refused("typedef void F();", POINTERS, "F *f = (F *)x; f();"),
    "thread-local variable": refused("static thread_local int t;", "'thread_local'"),
    "dynamic initialisation": refused("int f();\nconstant int c = f();", "constant expression|undefined symbol"),
    "new": refused("", "new' is not supported", "thread int *p = new int[100]; x[i] = p[0];"),
    "exception": refused("", "throw", "throw 1;"),
    "jump": refused("", "goto", "a: goto a;"),
    "compiler's crash": refused("#pragma clang __debug crash", ITSELF),
}  # fmt: skip

PAIRS = "template <typename A, typename B> struct P {};\ntypedef P<int, int> A0;\n"
TOO_LONG = "bytes to say|needed more than"

BOMBS = {
    "endless template": refused(
        "template <int N> struct S { typename S<N - 1>::type a; typedef S<N> type; };\n"
        "constant int v = sizeof(S<100000>);",
        "recursive template instantiation exceeded maximum depth of 256",
    ),
    "template that doubles": bomb(
        "template <int D, long N>\n"
        "struct T { enum { v = (T<D - 1, 2 * N>::v + T<D - 1, 2 * N + 1>::v) & 1 }; };\n"
        "template <long N> struct T<0, N> { enum { v = 1 }; };\nconstant int v = T<30, 0>::v;"
    ),
    "constexpr": refused(
        "constexpr int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\nconstant int v = f(60);",
        "constant expression|needed more than",
    ),
    "billion laughs": bomb(
        "#define A0 1+1+1+1+1+1+1+1\n" + chain(9, "#define ANEXT ATHIS+ATHIS+ATHIS+ATHIS+ATHIS+ATHIS+ATHIS+ATHIS\n"),
        statements="x[i] = A9;",
    ),
    "macro with arguments": bomb("#define A(x) x x x x x x x x x x\nint a = A(A(A(A(A(A(A(A(A(1 +))))))))) 0;"),
    "functions that double": bomb(
        "float f0(float v) { return sin(v) + cos(v); }\n"
        + chain(20, "float fNEXT(float v) { return fTHIS(v) + fTHIS(v + 1); }\n"),
        statements="x[i] = f20(x[i]);",
    ),
    "type that doubles, in a message": bomb(
        PAIRS + chain(20, "typedef P<ATHIS, ATHIS> ANEXT;\n") + "A20 f();", TOO_LONG, "x[i] = f();"
    ),
    "messages": refused("", "undeclared identifier 'y'", "y; " * 20_000),
    "long message": refused(f'static_assert(false, "{"A" * 300_000}");', "static assertion failed: A{500}"),
    "long error": refused(f"#error {'A' * 300_000}", "A{500}"),
    "open conditionals": refused("#if 1\n" * 10_000, "unterminated conditional directive"),
    "open raw strings": refused('R"(' * 50_000, "unterminated raw string|raw string"),
    "parentheses": refused("", "bracket nesting level exceeded", "x[i] = " + "(" * 5000 + "1" + ")" * 5000 + ";"),
    "braces": refused("", "bracket nesting level exceeded", "{" * 5000 + "}" * 5000),
    "namespaces": refused("namespace a {" * 5000 + "}" * 5000, "bracket nesting level exceeded"),
    "signs": bomb("", "ended by signal|needed more than", "x[i] = " + "- " * 100_000 + "1;"),
    "long source": refused("//" + " " * (1 << 20), "the source is longer than 1,048,576 bytes"),
    "large constant": refused(
        "struct S { int a[1 << 29]; };\nconstant S v = {{1}};", "ended by signal|more than|too large", "x[i] = v.a[i];"
    ),
    "threadgroup memory of 8 GB": refused(
        "", "File size limit exceeded|too large", "threadgroup float t[1ul << 31]; t[i] = 1; x[i] = t[i];"
    ),
    "threadgroup memory of 16 MB": Hostile(
        kernel("threadgroup float t[4 << 20]; t[i] = 1; x[i] = t[i];"), PipelineError, "exceeds the maximum"
    ),
}  # fmt: skip

ARENA = "ulong arena = (ulong)&i & ~((128ul << 20) - 1);\n"  # of the worker thread: runtime/worker.h
OUTSIDE = "outside every buffer"

KERNELS = {
    "endless loop": endless("while (true) x[i] += 1;"),
    "endless empty loop": endless("while (true);"),
    "loop of a century": endless("for (ulong n = 0; n < (1ul << 60); ++n) x[i] += sin(x[i]);"),
    "endless barriers": endless("while (true) threadgroup_barrier(mem_flags::mem_device);"),
    "endless sums": endless("while (true) x[i] = simd_sum(x[i]);"),
    "lock that nobody opens": endless(
        "device atomic_int *p = (device atomic_int *)x;\nwhile (atomic_load_explicit(p, memory_order_relaxed) == 0);"
    ),
    "null": crash("*(volatile device int *)0 = 1;", OUTSIDE),
    "the kernel's memory": crash("*(volatile device int *)0xffffffff80000000 = 1;", OUTSIDE),
    "no address at all": crash("*(volatile device int *)0x1234567890abcdef = 1;", "through a pointer that is none"),
    "beyond a buffer": crash("x[i + 100000] = 1;", "beyond the end of buffer 0 'x'"),
    "before a buffer": crash("x[(long)i - 100000] = 1;", "before the start of buffer 0 'x'"),
    "constant memory": Hostile(
        "kernel void k(const device float *x [[buffer(0)]]) { *(device float *)x = 1; }",
        DeviceCrash,
        "which is not writable",
    ),
    "all of its stack": crash("for (volatile thread uint *p = (volatile thread uint *)&i;; ++p) *p = 0xffffffff;"),
    "its return address": crash(
        "volatile float a[4];\nfor (int n = 0; n < (1 << 24); ++n) a[n] = n;\n"
        "threadgroup_barrier(mem_flags::mem_none);\nx[i] = a[i & 3];"
    ),
    "its scheduler": crash(
        ARENA + "for (ulong n = 0; n < 65536; ++n) *(volatile thread char *)(arena + n) = 65;\n"
        "threadgroup_barrier(mem_flags::mem_none);\nx[i] = simd_sum(1.0f);",
    ),
    "its record of what happened": crash(
        ARENA + "ulong status = *(volatile thread ulong *)(arena + 16);\n"
        "for (ulong n = 0; n < 64; n += 4) *(volatile thread int *)(status + n) = 77;\n*(volatile device int *)16 = 1;",
    ),
    "exchange of more than a value": crash("float v = 1;\nx[i] = metal_exchange(&v, 0xffffffff)->active;"),
    "exchange of what is not there": crash("x[i] = metal_exchange((const thread void *)1, 64)->active;", OUTSIDE),
    "barriers that are not one": crash("metal_threadgroup_barrier(i, i * 7, 0);", "wait at different barriers"),
    "stack of 1 GB": crash("volatile float a[1 << 28];\nfor (int n = 0; n < 1 << 28; n += 99) a[n] = n;\nx[i] = a[i];"),
    "stack of 256 TB": crash("volatile float a[1ul << 45];\na[i] = 1;\nx[i] = a[i];"),
}  # fmt: skip


@pytest.fixture(scope="module")
def hasty(device: Device, cache: Cache) -> Iterator[Device]:
    """Return a device whose compiler has little time and memory."""
    device.compile(kernel("x[i] = 0;"))  # Metal's headers are precompiled
    limits = Limits(memory=1 << 30)
    with Device(2, cache=cache, toolchain=Toolchain(limits, COMPILER_SECONDS, patience=2 * COMPILER_SECONDS)) as hasty:
        yield hasty


Attack = Callable[[Hostile, str], str]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.h"
    path.write_text("constant float tell_me = 42; secret_word;")
    return path


@pytest.fixture
def attack(device: Device, hasty: Device) -> Attack:
    return lambda hostile, source: attacked(device, hasty, hostile, source)


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def attacked(device: Device, hasty: Device, hostile: Hostile, source: str) -> str:
    """Run a hostile source, check the exception, and return its message."""
    target = hasty if hostile.is_bomb else device
    before = children()
    started = time.monotonic()
    with pytest.raises(hostile.raised, match=hostile.says) as caught:
        library = target.compile(source)
        x = target.empty((64,), np.float32)
        target.run([Dispatch(library.kernels["k"], {0: x}, (64,), (64,))], timeout=RUN_SECONDS)
    assert time.monotonic() - started < hostile.seconds
    if isinstance(caught.value, CompileError):
        assert len(caught.value.diagnostics) <= 4000
        assert all(len(diagnostic.message) <= 3000 for diagnostic in caught.value.diagnostics)
    # Of all that was started at most the devices are left, and they answer.
    assert len(children() - before) <= 2
    out = device.empty((64,), np.float32)
    answer = device.compile(kernel(f"x[i] = 7;  // after {started}" if hostile.is_bomb else "x[i] = 7;")).kernels["k"]
    target.run([Dispatch(answer, {0: out}, (64,), (64,))], timeout=20)
    assert (out.array == 7).all()
    return str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_read_or_looked_for(attack: Attack, secret: Path, name: str) -> None:
    said = attack(FILES[name], FILES[name].source.replace(SECRET, str(secret)))
    assert "secret_word" not in said
    assert "it is there" not in said


@pytest.mark.parametrize("name", REACHING)
def test_nothing_beyond_the_language_is_reached(attack: Attack, name: str) -> None:
    attack(REACHING[name], REACHING[name].source)


@pytest.mark.parametrize("name", BOMBS)
def test_a_compile_bomb_is_stopped(attack: Attack, name: str) -> None:
    attack(BOMBS[name], BOMBS[name].source)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_that_does_harm_costs_its_process(attack: Attack, name: str) -> None:
    attack(KERNELS[name], KERNELS[name].source)


@pytest.mark.parametrize("name", [name for name in KERNELS if KERNELS[name].raised is DeviceCrash])
def test_nor_does_it_harm_the_sanitizer(device: Device, name: str) -> None:
    """Whose records lie in memory that the kernel can reach."""
    library = device.compile(KERNELS[name].source)
    x = device.empty((64,), np.float32)
    # Clang itself may end over a variable of 256 TB that is to be watched: then the kernel is not looked at.
    with pytest.raises((DispatchError, CompileError)) as caught:
        device.run([Dispatch(library.kernels["k"], {0: x}, (64,), (64,))], timeout=30, check=True)
    if isinstance(caught.value, DispatchError):
        assert 1 <= len(caught.value.findings) < 100
    else:
        assert name == "stack of 256 TB" and "the compiler" in str(caught.value)
    answer = device.compile(kernel("x[i] = 7;")).kernels["k"]
    device.run([Dispatch(answer, {0: x}, (64,), (64,))], timeout=30, check=True)
    assert (x.array == 7).all()


def test_all_compilers_of_a_source_share_a_deadline(device: Device, cache: Cache) -> None:
    slow = chain(12, "float fNEXT(float v) { return fTHIS(v) + fTHIS(v + 1); }\n")
    kernels = "".join(
        f"kernel void k{n}(device float *x, uint i [[thread_position_in_grid]]) {{ x[i] = f12(x[i] + {n}); }}\n"
        for n in range(16)
    )
    source = f"{HEADER}float f0(float v) {{ return sin(v) + cos(v); }}\n{slow}{kernels}"
    device.compile(kernel("x[i] = 0;"))
    with Device(cache=cache, toolchain=Toolchain(timeout=30, patience=3)) as hasty:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with pytest.raises(CompileError, match="needed more than 3 s"):
            hasty.compile(source)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 20


def test_what_is_not_the_sources_fault_says_what_it_is(tmp_path: Path) -> None:
    with Device(cache=Cache(tmp_path)) as device:
        device.compile(kernel("x[i] = 0;"))
        (headers,) = tmp_path.glob("prelude-*/*")
        headers.write_bytes(b"no longer what it was")
        with pytest.raises(CompileError, match=r"the compiler failed: .*PCH file"):
            device.compile(kernel("x[i] = 1;"))


@pytest.mark.parametrize(
    "macro", ["tile 16", "d 3", "index(a, b) a", "last 0xffffffffu", "metal_run evil", "for while"]
)
def test_macros_of_the_source_end_with_it(device: Device, macro: str) -> None:
    """Define the macro: the code that runs the kernel stands behind it in one translation unit."""
    out = device.empty((64,), np.float32)
    answer = device.compile(kernel("x[i] = 7;", f"#define {macro}")).kernels["k"]
    device.run([Dispatch(answer, {0: out}, (64,), (64,))])
    assert (out.array == 7).all()
