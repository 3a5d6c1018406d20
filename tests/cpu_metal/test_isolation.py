"""A kernel or a compiler that was taken over can do nothing. Tried by machine code that no Metal source can become."""

import dataclasses
import errno
import os
import platform
import resource
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from metalsci.cpu_metal import CompileError, Device, DeviceCrash, Dispatch
from metalsci.cpu_metal.compile import toolchain
from metalsci.cpu_metal.compile.compiler import Compiler
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import RUNTIME, Toolchain
from metalsci.cpu_metal.execute import isolation
from metalsci.cpu_metal.execute.host import Limits, limit, target

STATE = isolation.state()
needs_seccomp = pytest.mark.skipif(not STATE.seccomp, reason="this kernel has no seccomp")
needs_landlock = pytest.mark.skipif(not STATE.landlock, reason="this kernel has no landlock")

ARM = platform.machine() == "aarch64"
ISOLATE = -1  # no system call: the runtime's own function
CALLS = {  # on x86-64 and on aarch64
    name: numbers[ARM]
    for name, numbers in {
        "openat": (257, 56), "unlinkat": (263, 35), "renameat2": (316, 276), "socket": (41, 198), "connect": (42, 203),
        "execve": (59, 221), "clone": (56, 220), "clone3": (435, 435), "kill": (62, 129), "ptrace": (101, 117),
        "process_vm_readv": (310, 270), "pidfd_open": (434, 434), "prlimit": (302, 261), "io_uring_setup": (425, 425),
        "unshare": (272, 97), "mmap": (9, 222), "getpid": (39, 172), "fcntl": (72, 25), "isolate": (ISOLATE, ISOLATE),
    }.items()
}  # fmt: skip

SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void probe(device long *call [[buffer(0)]], device char *text [[buffer(1)]],
                  uint i [[thread_position_in_grid]]) { call[i] = text[i]; }
"""
SYSTEM_CALL = """
static long call(long n, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d; register long r8 __asm__("r8") = e; register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return n;
#else
    register long x8 __asm__("x8") = n; register long x0 __asm__("x0") = a; register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c; register long x3 __asm__("x3") = d; register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#endif
}
"""
TEXT = -0x7E57  # an argument that stands for the address of the text
HOSTILE_KERNEL = (
    '#include "runtime.h"\n'
    + SYSTEM_CALL
    + f"""
int metal_isolate(void);
void metal_run(const struct Dispatch *dispatch, u32 first, u32 last) {{
    long *io = (long *)dispatch->arguments[0];
    for (int i = 1; i < 7; ++i) if (io[i] == {TEXT}) io[i] = (long)dispatch->arguments[1];
    io[7] = io[0] == {ISOLATE} ? metal_isolate() : call(io[0], io[1], io[2], io[3], io[4], io[5], io[6]);
}}
"""
)
# Says by its exit status which of a few things it could do, a bit each.
HOSTILE_PROGRAM = (
    SYSTEM_CALL
    + """
void _start(void) {
    int done = 0;
    if (call(OPENAT, -100, (long)"/etc/passwd", 0, 0, 0, 0) >= 0) done |= 1;
    if (call(OPENAT, -100, (long)"../escaped", 0101, 0600, 0, 0) >= 0) done |= 2;
    if (call(SOCKET, 2, 1, 0, 0, 0, 0) >= 0) done |= 4;
    if (call(KILL, call(GETPID, 0, 0, 0, 0, 0, 0), 0, 0, 0, 0, 0) >= 0) done |= 8;
    const long child = call(CLONE, 17, 0, 0, 0, 0, 0);
    if (child == 0) for (;;) call(EXIT_GROUP, 0, 0, 0, 0, 0, 0);
    if (child > 0) done |= 16;
    if (call(OPENAT, -100, (long)"scratch", 0101, 0600, 0, 0) >= 0) done |= 32;
    for (;;) call(EXIT_GROUP, done, 0, 0, 0, 0, 0);
}
"""
)


def build(folder: Path, source: str, *flags: str) -> Path:
    """Build a shared object or a program, of C, without any isolation."""
    (folder / "hostile.c").write_text(source)
    numbers = [f"-D{name.upper()}={number}" for name, number in CALLS.items()]
    how = ["-target", target(), "-ffreestanding", "-fno-stack-protector", "-fPIC", "-O1", "-I", str(RUNTIME), *numbers]
    zig = Toolchain().zig
    exit_group = f"-DEXIT_GROUP={94 if ARM else 231}"
    subprocess.run([zig, "clang", *how, exit_group, "-c", "hostile.c", "-o", "hostile.o"], cwd=folder, check=True)
    subprocess.run([zig, "ld.lld", *flags, "hostile.o", "-o", "hostile"], cwd=folder, check=True)
    return folder / "hostile"


SystemCall = Callable[..., int]


@pytest.fixture(scope="module")
def system_call(device: Device, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemCall]:
    """Return a function that makes a system call in a kernel on the device; an error is a negative number."""
    hostile = build(tmp_path_factory.mktemp("hostile"), HOSTILE_KERNEL, "-shared")
    kernel = dataclasses.replace(device.compile(SOURCE).kernels["probe"], code=hostile.read_bytes())

    def call(name: str, *arguments: int, text: str = "") -> int:
        io, words = device.empty((8,), np.int64), device.empty((4096,), np.uint8)
        io.array[: 1 + len(arguments)] = [CALLS[name], *arguments]
        words.array[: len(text)] = np.frombuffer(text.encode(), np.uint8)
        device.run([Dispatch(kernel, {0: io, 1: words}, (1,), (1,))], timeout=10)
        return int(io.array[7])

    assert call("getpid") not in (0, os.getpid())  # it does call the operating system
    yield call
    device.restart()


@needs_seccomp
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("socket", (socket.AF_INET, socket.SOCK_STREAM, 0)),
        ("socket", (socket.AF_INET6, socket.SOCK_DGRAM, 0)),
        ("socket", (socket.AF_UNIX, socket.SOCK_STREAM, 0)),
        ("connect", (3, TEXT, 16)),
        ("execve", (TEXT, 0, 0)),
        ("clone", (17, 0, 0, 0, 0)),  # fork
        ("clone", (0x4111, 0, 0, 0, 0)),  # vfork
        ("clone3", (TEXT, 88)),
        ("kill", (os.getpid(), 0)),
        ("kill", (-1, 0)),
        ("ptrace", (0, 0, 0, 0)),
        ("process_vm_readv", (os.getpid(), TEXT, 1, TEXT, 1, 0)),
        ("pidfd_open", (os.getpid(), 0)),
        ("prlimit", (0, 7, TEXT, 0)),
        ("prlimit", (os.getpid(), 7, 0, TEXT)),
        ("io_uring_setup", (1, TEXT)),
        ("unshare", (0x10000000,)),
        ("fcntl", (0, 8, os.getpid())),  # whom to signal
        ("unlinkat", (-100, TEXT, 0)),
        ("renameat2", (-100, TEXT, -100, TEXT, 0)),
    ],
)
def test_a_kernel_cannot_make_a_system_call_that_matters(
    system_call: SystemCall, name: str, arguments: tuple[int, ...]
) -> None:
    # The path does not exist: where isolation fails, this test must fail and nothing else happen.
    assert system_call(name, *arguments, text="/nowhere/at/all") in (-errno.EPERM, -errno.ENOSYS)


@needs_landlock
@pytest.mark.parametrize(
    ("path", "flags"),
    [
        ("/etc/passwd", os.O_RDONLY),
        ("/", os.O_RDONLY),
        ("/proc/self/environ", os.O_RDONLY),
        (f"/proc/{os.getpid()}/mem", os.O_RDWR),
        ("/dev/null", os.O_WRONLY),
        ("escaped", os.O_CREAT | os.O_WRONLY),
        (str(Path(__file__)), os.O_RDONLY),
    ],
    ids=["a file", "a folder", "environment", "memory", "device", "a new file", "source"],
)
def test_a_kernel_cannot_open_a_file(system_call: SystemCall, tmp_path: Path, path: str, flags: int) -> None:
    assert system_call("openat", -100, TEXT, flags, 0o600, text=str(tmp_path / path)) == -errno.EACCES


def test_a_kernels_memory_and_files_are_limited(system_call: SystemCall) -> None:
    assert system_call("mmap", 0, 64 << 30, 3, 0x22, -1, 0) == -errno.ENOMEM
    assert system_call("mmap", 0, 64 << 20, 3, 0x22, -1, 0) > 0


def test_a_limit_that_is_lower_already_stays() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (1000, 1000))
        limit(child.pid, {resource.RLIMIT_FSIZE: 2000, resource.RLIMIT_DATA: 1 << 30})
        assert resource.prlimit(child.pid, resource.RLIMIT_FSIZE) == (1000, 1000)
        assert resource.prlimit(child.pid, resource.RLIMIT_DATA) == (1 << 30, 1 << 30)
        child.kill()


def test_the_state_is_what_the_device_process_is_in(device: Device, system_call: SystemCall) -> None:
    pid = system_call("getpid")
    fields = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert (fields["Seccomp"] == "2") is STATE.seccomp
    assert (system_call("openat", -100, TEXT, os.O_RDONLY, 0, text="/etc/passwd") < 0) is bool(STATE.landlock)
    assert len(STATE.lacking) == (not STATE.seccomp) + (not STATE.landlock)


@needs_seccomp
def test_a_kernel_that_lacks_a_facility_is_forgiven(system_call: SystemCall) -> None:
    """In a process that may use neither, as on a system that has neither."""
    assert system_call("isolate") == 0


@needs_seccomp
@needs_landlock
def test_what_the_launcher_starts_can_only_use_its_folder(cache: Cache, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = build(tmp_path, HOSTILE_PROGRAM, "-static")
    launcher = Compiler(cache, Toolchain()).isolated().launcher
    assert launcher is not None
    free = subprocess.run([program], cwd=scratch, timeout=300, check=False)
    assert free.returncode == 63
    (tmp_path / "escaped").unlink()
    isolated = subprocess.run([launcher, "--", program], cwd=scratch, timeout=300, check=False)
    assert isolated.returncode == 32
    assert not (tmp_path / "escaped").exists()


@needs_landlock
def test_clang_reads_what_it_is_given_and_nothing_else(cache: Cache, tmp_path: Path) -> None:
    secret, scratch = tmp_path / "secret", tmp_path / "scratch"
    secret.write_text("int key;\n")
    scratch.mkdir()
    (scratch / "unit.c").write_text('#include "../secret"\n')
    toolchain = Compiler(cache, Toolchain()).isolated()
    preprocess = [toolchain.zig, "clang", "-E", "unit.c"]

    def run(*readable: Path) -> subprocess.CompletedProcess[str]:
        command = [str(toolchain.launcher), *map(str, readable), "--", *preprocess]
        return subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=300, check=False)

    refused = run()
    assert refused.returncode == 1
    assert "ermission denied" in refused.stderr or "not found" in refused.stderr
    assert "int key" not in refused.stdout
    assert "int key" in run(secret).stdout


BOMBS = {
    "templates": "template <int D, long N>\n"
    "struct T { enum { v = (T<D - 1, 2 * N>::v + T<D - 1, 2 * N + 1>::v) & 1 }; };\n"
    "template <long N> struct T<0, N> { enum { v = 1 }; };\nconstant int v = T<30, 0>::v;",
    "constexpr": "constexpr int f(int n) { int s = 0; for (int i = 0; i < 900000; ++i) s ^= i + n; return s; }\n"
    + "".join(f"constant int v{n} = f({n});\n" for n in range(200)),
    "macros": "".join(f"#define A{n + 1}(x) A{n}(x) A{n}(x) A{n}(x) A{n}(x)\n" for n in range(16)).replace(
        "A0(x)", "x +"
    )
    + "constant int v = A16(1) 0;",
    "messages": "".join(f"#define A{n + 1} A{n} A{n} A{n} A{n} A{n} A{n} A{n} A{n}\n" for n in range(7)).replace(
        " A0", " nothing();"
    )
    + "void f() { A7 }",
    "constants": "struct S { int a[1 << 27]; };\nconstant S v = {{1}};\n"
    "kernel void w(device int *x, uint i [[thread_position_in_grid]]) { x[i] = v.a[i]; }",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_compile_bomb_ends_within_its_limits_and_leaves_nothing(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    seen: dict[psutil.Process, dict[str, str]] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            for child in psutil.Process().children(recursive=True):
                try:
                    if child not in seen and "ziglang" in child.exe():
                        seen[child] = child.environ()
                except psutil.Error:
                    continue

    kernel = "kernel void k(device int *x, uint i [[thread_position_in_grid]]) { x[i] = i; }"
    bombed = f"#include <metal_stdlib>\nusing namespace metal;\n{BOMBS[bomb]}\n{kernel}"
    with Device(cache=cache, toolchain=Toolchain(Limits(memory=1 << 30), timeout=2)) as device:
        device.compile(SOURCE)
        watcher = threading.Thread(target=watch)
        watcher.start()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            with pytest.raises(CompileError, match=r"needed more than 2 s|bytes to say|was ended by signal"):
                device.compile(bombed)
        finally:
            over.set()
            watcher.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
        assert seen
        assert all(set(environment) == {"HOME", "TMPDIR", "PATH", "LC_ALL"} for environment in seen.values())
        assert not any(process.is_running() for process in seen)
        assert device.compile(SOURCE + f"// after {bomb}\n").kernels


def test_a_compiler_that_is_ended_at_its_limit_is_late_though_its_own_account_is_short(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system was seen to end a process after 2.51 s of 3 by the process's own account, on a loaded machine."""
    exact = toolchain._wait
    monkeypatch.setattr(toolchain, "_wait", lambda process: 0.8 * exact(process))
    kernel = "kernel void k(device int *x, uint i [[thread_position_in_grid]]) { x[i] = i; }"
    bombed = f"#include <metal_stdlib>\nusing namespace metal;\n{BOMBS['constexpr']}\n{kernel}"
    late = pytest.raises(CompileError, match="needed more than 2 s")
    with Device(cache=cache, toolchain=Toolchain(timeout=2)) as device, late:
        device.compile(bombed)


def test_a_kernel_that_will_not_load_is_no_crash_of_the_host(device: Device) -> None:
    kernel = device.compile(SOURCE).kernels["probe"]
    broken = dataclasses.replace(kernel, code=b"\x7fELF" + os.urandom(4096))
    call, text = device.empty((8,), np.int64), device.empty((8,), np.uint8)
    with pytest.raises((OSError, DeviceCrash)):
        device.run([Dispatch(broken, {0: call, 1: text}, (1,), (1,))])
    device.run([Dispatch(kernel, {0: call, 1: text}, (8,), (8,))])
