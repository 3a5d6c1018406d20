"""Compile Metal files and list their kernels, for CI and editors."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from metalsci.cpu_metal import ArchitectureError, CompileError, Device, Kernel
from metalsci.msl.diagnostics import Diagnostic, render
from metalsci.msl.language.math_mode import MathMode


def main() -> int:
    """Return 0 if every file compiles, 1 if one does not, 2 if one cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m metalsci.cpu_metal", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.metal", help="Metal source; - for standard input")
    modes = [mode.value for mode in MathMode]
    parser.add_argument("--math-mode", choices=modes, default=MathMode.fast.value, help="default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="say nothing of what compiles")
    arguments = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console in ASCII shows "?" for other characters
    try:
        device = Device(threads=1)
    except ArchitectureError as error:
        parser.error(str(error))
    status = 0
    with device:
        for path in arguments.files:
            try:
                if str(path) == "-":
                    source = sys.stdin.read()
                else:
                    source = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                sys.stderr.write(f"{path}: {error}\n")
                return 2
            try:
                library = device.compile(source, arguments.math_mode)
            except CompileError as error:
                status = 1
                _say(path, source, error.diagnostics)
                continue
            _say(path, source, library.warnings)
            if not arguments.quiet:
                for kernel in library.kernels.values():
                    sys.stdout.write(f"{path}: {_described(kernel)}\n")
    return status


def _say(path: Path, source: str, diagnostics: Sequence[Diagnostic]) -> None:
    if diagnostics:
        sys.stderr.write(render(diagnostics, source, "caret", str(path)) + "\n")


def _described(kernel: Kernel) -> str:
    arguments = ", ".join(f"{a.kind} {a.index} {a.address_space} {a.type} {a.name}" for a in kernel.arguments)
    if kernel.threadgroup_memory:
        memory = f", {kernel.threadgroup_memory:,} bytes of threadgroup memory"
    else:
        memory = ""
    return f"kernel {kernel.name}({arguments}){memory}"


if __name__ == "__main__":
    sys.exit(main())
