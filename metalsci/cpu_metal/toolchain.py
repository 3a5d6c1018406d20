"""Clang and its linker, from the `ziglang` wheel, run as short-lived processes under limits."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import ziglang

from metalsci.cpu_metal.platform import Limits, processor, target
from metalsci.msl.math_mode import MathMode

INCLUDE = Path(__file__).parent / "include"
RUNTIME = Path(__file__).parent / "runtime"

_LANGUAGE = (
    "-x", "cl", "-cl-std=clc++2021", "-cl-no-stdinc", "-nostdinc", "-cl-single-precision-constant",
    "-fno-gnu-inline-asm", "-fno-digraphs", "-fno-strict-aliasing", "-fno-finite-loops", "-fno-math-errno",
    "-ferror-limit=0", "-ftemplate-depth=256", "-fconstexpr-steps=1000000", "-fbracket-depth=256",
    "-fno-caret-diagnostics", "-fno-color-diagnostics", "-fno-diagnostics-show-option",
    "-Wno-unknown-attributes", "-Wno-undefined-internal",
)  # fmt: skip
_OPTIMISATION = (
    "-O3",
    "-march=native",
    "-mprefer-vector-width=512",
    "-fPIC",
    "-fvisibility=hidden",
    "-fstack-size-section",
)
_MATH: dict[MathMode, tuple[str, ...]] = {
    # Kernels in the wild test for infinities under fast math and are right on Apple's GPUs, so those stay.
    MathMode.fast: ("-ffast-math", "-fno-finite-math-only"),
    MathMode.safe: ("-ffp-contract=on",),
}


class ToolchainError(RuntimeError):
    """The compiler itself failed: it crashed, or ran out of time or memory."""


@dataclass(frozen=True)
class Toolchain:
    """Runs Clang in `folder`-relative terms: every path it sees is a plain file name or one of the package's own."""

    limits: Limits = field(default_factory=Limits)
    timeout: float = 60.0

    @cached_property
    def zig(self) -> str:
        return str(Path(ziglang.__file__).parent / "zig")

    @cached_property
    def identity(self) -> str:
        """Changes whenever the same source might compile to something else."""
        return f"ziglang {version('ziglang')} {target()} {processor()}"

    def compile_metal(self, folder: Path, unit: str, math_mode: MathMode, flags: Sequence[str]) -> "Run":
        """`unit`, a file in `folder`. The messages name every file that was read."""
        command = [
            "clang", "-target", target(), *_LANGUAGE, *_OPTIMISATION, *_MATH[math_mode],
            "-I", str(INCLUDE), "-include", "metal_keywords", "-H", *flags, unit,
        ]  # fmt: skip
        return self._run(command, folder)

    def link(self, folder: Path, objects: Sequence[str], output: str) -> None:
        run = self._run(["ld.lld", "-shared", "--build-id=none", "-z", "now", *objects, "-o", output], folder)
        if run.code:
            raise ToolchainError(run.messages)

    def build_runtime(self, output: Path) -> None:
        """The native half of the device, as a shared object."""
        sources = sorted(RUNTIME.glob("*.c"))
        flags = ("-std=c11", "-ffreestanding", "-fno-stack-protector", "-fPIC", "-fvisibility=hidden", "-O2")
        with TemporaryDirectory(prefix="metalsci-") as name:
            folder = Path(name)
            run = self._run(["clang", "-target", target(), *flags, "-c", *map(str, sources)], folder)
            if run.code:
                raise ToolchainError(run.messages)
            self.link(folder, [f"{source.stem}.o" for source in sources], "runtime.so")
            output.write_bytes((folder / "runtime.so").read_bytes())

    def _run(self, arguments: Sequence[str], folder: Path) -> "Run":
        process = subprocess.Popen(
            [self.zig, *arguments],
            cwd=folder,
            env={"HOME": str(folder), "TMPDIR": str(folder), "PATH": "", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self.limits.apply(process.pid)
            _, stderr = process.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            raise ToolchainError(f"the compiler needed more than {self.timeout:g} s") from None
        finally:
            # Clang may have children; its session goes with it.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode < 0 or re.search(rb"PLEASE submit a bug report", stderr):
            raise ToolchainError(f"the compiler was ended by signal {-process.returncode}")
        return Run(process.returncode, stderr.decode(errors="replace"))


@dataclass(frozen=True)
class Run:
    """How a compiler process ended, and what it said."""

    code: int
    messages: str
