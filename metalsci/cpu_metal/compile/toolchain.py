"""Clang and its linker, from the `ziglang` wheel, run as short-lived processes, isolated and under limits."""

import math
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import ziglang

from metalsci.cpu_metal.compile.wrapper import ThreadExecution
from metalsci.cpu_metal.execute.host import Limits, processor
from metalsci.cpu_metal.execute.host import target as this_machine
from metalsci.msl.language.math_mode import MathMode

_PACKAGE = Path(__file__).parents[1]  # metalsci/cpu_metal
INCLUDE = _PACKAGE / "include"
RUNTIME = _PACKAGE / "runtime"
LAUNCHER = _PACKAGE / "launcher"

_LANGUAGE = (
    "-cl-std=clc++2021", "-cl-no-stdinc", "-nostdinc", "-cl-single-precision-constant",
    "-fno-gnu-inline-asm", "-fno-digraphs", "-fno-strict-aliasing", "-fwrapv", "-fno-finite-loops", "-fno-math-errno",
    # Else LLVM makes of a loop that looks for a zero a call of strlen or wcslen, which the device process has not.
    "-fno-builtin",
    "-ferror-limit=1000", "-ftemplate-depth=256", "-fconstexpr-steps=1000000", "-fbracket-depth=256",
    "-fno-caret-diagnostics", "-fno-color-diagnostics", "-fno-diagnostics-show-option",
    # Clang gives x86-64 all extensions and aarch64 none. Program scope is for constants; the other feature that is left
    # out asks for variables there.
    "-Xclang", "-cl-ext=+all,-__opencl_c_program_scope_global_variables,-__opencl_c_device_enqueue",
    "-Wno-unknown-attributes", "-Wno-undefined-internal",
)  # fmt: skip
_OPTIMISATION = (
    "-O3",
    "-mprefer-vector-width=512",
    "-fPIC",
    "-fvisibility=hidden",
    "-fstack-size-section",
    # Lanes that exchange values know their place by the address of the call: one place must stay one call.
    "-mllvm",
    "-disable-tail-duplicate",
    "-mllvm",
    "-disable-early-taildup",
    "-mllvm",
    "-tail-dup-placement=0",
)
# Loops of few rounds are unrolled whole before threads become lanes, as -O3 does it: tables in them become constants.
# Those that ask for it are, up to 2,000 instructions each: 16,000, which is LLVM's own limit, take it seconds.
_WHOLE_LOOPS = ("-mllvm", "-unroll-threshold=300", "-mllvm", "-pragma-unroll-threshold=2000")
# The same where kernels are long already.
_SHORT_LOOPS = ("-mllvm", "-unroll-threshold=100")
# A loop whose rounds are not known is unrolled only if its source asks for it: a GPU's compiler keeps registers free.
_AS_WRITTEN = ("-mllvm", "-unroll-runtime=false")
# To save its time, LLVM looks at a hundred uses of an own array and at 250 accesses of a loop: others stay in memory.
# Unrolled loops have more, and Apple's compiler keeps their arrays in registers.
_ALL_USES = (
    *("-mllvm", "-capture-tracking-max-uses-to-explore=5000"),
    *("-mllvm", "-alias-set-saturation-threshold=5000"),
    *("-mllvm", "-licm-mssa-max-acc-promotion=5000"),
)
_MATH: dict[MathMode, tuple[str, ...]] = {
    # Kernels in the wild test for infinities under fast math and are right on Apple's GPUs, so those stay.
    # (Without `__FAST_MATH__`, then, which Metal defines all the same.)
    MathMode.fast: ("-ffast-math", "-fno-finite-math-only", "-DMETAL_FAST_MATH", "-D__FAST_MATH__=1"),
    MathMode.safe: ("-ffp-contract=on",),
}
_KEYWORDS = ("-include", "metal_keywords")
_HIDDEN = ("-include", "metal_hidden")
_FREESTANDING = ("-std=c11", "-ffreestanding", "-fno-stack-protector", "-fPIC", "-fvisibility=hidden", "-O2")
# Files that Clang may read next to the source: on aarch64 a processor cannot be asked for its own features.
_READABLE = (str(INCLUDE), "/proc/cpuinfo", "/dev/urandom")
_NOT_ISOLATED, _NOT_STARTED = 126, 127  # exit statuses of the launcher
_SLACK = 20  # times its limit of processor time that a process may take by the wall
_MAX_MESSAGES = 16 << 20  # bytes
# Of its limit, that a process has taken at least by its own account when the system ends it for that: the system counts
# in ticks, and was seen to end a process at 2.51 s of 3 on a loaded machine.
_SHORT = 0.5
_LONG_LINE = re.compile(r"^(.{2000}).+", re.MULTILINE)
_PLACED = re.compile(r":\d+:\d+:(?:(?:\{[^}\n]*\})+:)? (?:fatal )?error: ")
_UNPLACED = re.compile(r"^(?:clang: |LLVM |fatal )*(?:error|ERROR): (.+)", re.MULTILINE)


class ToolchainError(RuntimeError):
    """A failure of the compiler itself: it crashed, ran out of time or memory, or reports nothing about the source."""


class TooLateError(ToolchainError):
    """A limit of processor time that was not enough."""


@dataclass(frozen=True)
class Toolchain:
    """Compiler that works in `folder`-relative terms: it sees only plain file names and the package's own paths.

    One without a launcher builds this package's own C alone: see `isolated`.
    """

    limits: Limits = field(default_factory=Limits)
    timeout: float = 60.0
    """Seconds of processor time that one process may take."""
    patience: float = 180.0
    """Seconds of processor time that all of one source's processes may take: see `isolated`."""
    spent: "CompilerTime | None" = None
    target: str = field(default_factory=this_machine)
    """Clang's name of the machine that kernels run on."""
    architecture: str = "native"
    """Value of Clang's -march."""
    execution: ThreadExecution = ThreadExecution.FASTEST
    """Way in which kernels are run; tests compare the ways."""
    launcher: Path | None = None

    def isolated(self, launcher: Path) -> Self:
        """Return a toolchain for one source, from now on.

        Every process is started by `launcher`, so that it can only read, compute and write into its folder, and after
        `patience` seconds of processor time there is none left for any. Whether a source is refused for that does not
        depend on what else the machine does.
        """
        return replace(self, launcher=launcher, spent=CompilerTime())

    @cached_property
    def zig(self) -> str:
        return str(Path(ziglang.__file__).parent / "zig")

    @cached_property
    def identity(self) -> str:
        """Digest that changes whenever the same source might compile to something else."""
        machine = f"{self.target} {self.architecture} {processor()}"
        return f"ziglang {version('ziglang')} {machine} {self.execution}"

    def compile_metal(
        self, folder: Path, unit: str, math_mode: MathMode, prelude: Path | None, flags: Sequence[str]
    ) -> "Run":
        """Compile `unit`, a file in `folder`, after Metal's headers (`prelude`) or after its keywords alone.

        The messages name every further file that was read. Raises ToolchainError if it fails for a reason that is not
        in the source, such as a header that was changed since it was precompiled.
        """
        if prelude is not None:
            before, readable = ["-include-pch", str(prelude), *_HIDDEN], [str(prelude)]
        else:
            before, readable = [*_KEYWORDS, *_HIDDEN], []
        run = self._run([*self._clang(math_mode), "-x", "cl", *before, "-H", *flags, unit], folder, readable)
        if run.code and not _PLACED.search(run.messages):
            reasons = "; ".join(dict.fromkeys(_UNPLACED.findall(run.messages)))
            raise ToolchainError(f"the compiler failed: {reasons or f'status {run.code}, without a word'}")
        return run

    def optimise(
        self,
        folder: Path,
        module: str,
        output: str,
        math_mode: MathMode,
        flags: Sequence[str],
        seconds: float = math.inf,
    ) -> "Run":
        """Compile `module`, LLVM's text in `folder`, to the object `output`.

        seconds: of processor time. Raises TooLateError if those are not enough.
        """
        how = [*self._machine, *_OPTIMISATION, *_MATH[math_mode], *flags]
        return self._run(["clang", *how, "-x", "ir", "-c", module, "-o", output], folder, seconds=seconds)

    def optimise_text(self, folder: Path, module: str, output: str, math_mode: MathMode) -> "Run":
        """Optimise `module`, LLVM's text in `folder`, for one thread and without vectors, and write it to `output`."""
        flags = (*_OPTIMISATION, *_MATH[math_mode], "-fno-vectorize", "-fno-slp-vectorize", *_AS_WRITTEN, *_ALL_USES)
        how = [*self._machine, *flags]
        return self._run(["clang", *how, "-S", "-emit-llvm", "-x", "ir", module, "-o", output], folder)

    def inline(self, folder: Path, module: str, output: str) -> "Run":
        """Inline the functions of `module`, LLVM's text in `folder`, and write it to `output`, not optimised."""
        how = [*self._machine, "-O0", "-fPIC", "-S", "-emit-llvm"]
        return self._run(["clang", *how, "-x", "ir", module, "-o", output], folder)

    def macros(self) -> str:
        """Return the macros that Clang predefines. Raises ToolchainError if it does not know the architecture."""
        with TemporaryDirectory(prefix="metalsci-") as name:
            folder = Path(name)
            (folder / "empty.c").write_text("", encoding="utf-8")
            run = self._run(["clang", *self._machine, "-dM", "-E", "empty.c", "-o", "macros"], folder)
            if run.code:
                raise ToolchainError(run.messages)
            return (folder / "macros").read_text(encoding="utf-8")

    def simplify(
        self,
        folder: Path,
        module: str,
        output: str,
        math_mode: MathMode,
        seconds: float = math.inf,
        *,
        is_long: bool = False,
    ) -> "Run":
        """Simplify `module`, LLVM's text in `folder`, and write it to `output`.

        Functions are inlined. Nothing is vectorised, and only whole loops are unrolled; if the module is_long, only
        short ones. seconds: of processor time. Raises TooLateError if those are not enough.
        """
        loops = _SHORT_LOOPS if is_long else _WHOLE_LOOPS
        how = [*self._machine, "-O2", "-flto=thin", *loops, "-fPIC", *_MATH[math_mode], "-S", "-emit-llvm"]
        return self._run(["clang", *how, "-x", "ir", module, "-o", output], folder, seconds=seconds)

    def build_prelude(self, output: Path, math_mode: MathMode) -> None:
        """Precompile Metal's headers, which are ten times as long as most kernels."""
        # Timestamps would make a copy of the same headers another. What the headers make of templates is made here:
        # else every source makes all of it again, in 140 ms and not 7.
        how = ["-Xclang", "-fno-pch-timestamp", "-fpch-instantiate-templates", "-x", "cl-header"]
        flags = [*how, *_KEYWORDS, str(INCLUDE / "metal_prelude")]
        run = self._run([*self._clang(math_mode), *flags, "-o", output.name], output.parent)
        if run.code:
            raise ToolchainError(run.messages)

    def link(self, folder: Path, objects: Sequence[str], output: str) -> "Run":
        """Link objects in `folder` to a shared object."""
        # One thread: to start others takes longer than what they would do.
        how = ["-shared", "--threads=1", "--build-id=none", "-z", "now"]
        return self._run(["ld.lld", *how, *objects, "-o", output], folder)

    def build_runtime(self, output: Path) -> None:
        """Build the native half of the device, as a shared object."""
        self._build(sorted(RUNTIME.glob("*.c")), self.target, ["-shared", "-z", "now"], output)

    def build_launcher(self, output: Path) -> None:
        """Build the program that starts an isolated compiler."""
        self._build([LAUNCHER / "launch.c", RUNTIME / "isolation.c"], this_machine(), ["-static"], output)
        output.chmod(0o755)

    def _build(self, sources: Sequence[Path], target: str, how: Sequence[str], output: Path) -> None:
        """Build this package's own C, linked with nothing."""
        with TemporaryDirectory(prefix="metalsci-") as name:
            folder = Path(name)
            objects = [f"{source.stem}.o" for source in sources]
            for command in (
                ["clang", "-target", target, *_FREESTANDING, "-c", *map(str, sources)],
                ["ld.lld", *how, "--build-id=none", *objects, "-o", output.name],
            ):
                run = self._run(command, folder)
                if run.code:
                    raise ToolchainError(run.messages)
            output.write_bytes((folder / output.name).read_bytes())

    @property
    def _machine(self) -> Sequence[str]:
        """The target of Clang. On Arm, -march takes architectures, and -mcpu the names of processors."""
        arm = self.target.startswith(("aarch64", "arm64"))
        is_processor = arm and not self.architecture.startswith(("armv", "native"))
        return ("-target", self.target, f"-m{'cpu' if is_processor else 'arch'}={self.architecture}")

    def _clang(self, math_mode: MathMode) -> list[str]:
        return ["clang", *self._machine, *_LANGUAGE, *_OPTIMISATION, *_MATH[math_mode], "-I", str(INCLUDE)]

    def _run(
        self, arguments: Sequence[str], folder: Path, readable: Sequence[str] = (), seconds: float = math.inf
    ) -> "Run":
        if self.spent is not None:
            used = self.spent.seconds
        else:
            used = 0.0
        allowed = min(seconds, self.timeout, self.patience - used)
        if allowed <= 0:
            raise TooLateError(f"the compiler needed more than {self.patience:g} s of processor time")
        if self.launcher is None:
            launch = []
        else:
            launch = [str(self.launcher), *_READABLE, *readable, "--"]
        process = subprocess.Popen(
            [*launch, self.zig, *arguments],
            cwd=folder,
            env={"HOME": str(folder), "TMPDIR": str(folder), "PATH": "", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self.limits.apply(process.pid, allowed)
            messages = self._messages(process, _SLACK * max(allowed, 1.0))
            taken = _wait(process)
        finally:
            # If the kernel lets Clang have children, its session ends with it.
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                _wait(process)
            if process.stderr is not None:
                process.stderr.close()
        if self.spent is not None:
            self.spent.add(taken)
        if process.returncode in (-signal.SIGKILL, -signal.SIGXCPU) and taken > _SHORT * max(1, math.ceil(allowed)):
            if allowed in (seconds, self.timeout):
                most = allowed
            else:
                most = self.patience
            raise TooLateError(f"the compiler needed more than {most:g} s of processor time")
        if process.returncode < 0:
            number = -process.returncode
            raise ToolchainError(f"the compiler was ended by signal {number} ({signal.strsignal(number)})")
        if b"PLEASE submit a bug report" in messages:
            raise ToolchainError("the compiler crashed")
        if launch and process.returncode in (_NOT_ISOLATED, _NOT_STARTED):
            raise ToolchainError("the compiler could not be isolated from the rest of the machine")
        return Run(process.returncode, _LONG_LINE.sub(r"\1 …", messages.decode(errors="replace")))

    def _messages(self, process: subprocess.Popen[bytes], seconds: float) -> bytes:
        """Read a process's messages until it ends.

        seconds: by the wall, far above its limit of processor time. Raises ToolchainError for a process that is late
            or says too much.
        """
        assert process.stderr is not None
        deadline = time.monotonic() + seconds
        readable = select.poll()
        readable.register(process.stderr, select.POLLIN)
        said = bytearray()
        while readable.poll(max(0.0, deadline - time.monotonic()) * 1e3):
            part = os.read(process.stderr.fileno(), 1 << 16)
            if not part:
                _await_end(process, deadline - time.monotonic())
                return bytes(said)
            said += part
            if len(said) > _MAX_MESSAGES:
                raise ToolchainError(f"the compiler had more than {_MAX_MESSAGES:,} bytes to say")
        raise ToolchainError(f"the compiler slept: it has not ended after {seconds:g} s")


@dataclass
class CompilerTime:
    """Processor time of all compiler processes of one source."""

    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds


def _await_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the end of a process that has nothing more to say. Raises ToolchainError if it is late."""
    descriptor = os.pidfd_open(process.pid)
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        if not ended.poll(max(0.0, seconds) * 1e3):
            raise ToolchainError("the compiler slept: it has not ended in time")
    finally:
        os.close(descriptor)


def _wait(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end of a process. Return its processor time in seconds."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Run:
    """Status and output of a compiler process."""

    code: int
    messages: str
