"""One source through Clang: a shared object for each of its kernels, or all of its errors."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from metalsci.cpu_metal.compile.instrumented import CheckedBuild, checked, counted
from metalsci.cpu_metal.compile.kernel_build import BuiltKernel, KernelBuild
from metalsci.cpu_metal.compile.places import line_of_most_code, line_of_refusal, line_outside_lanes
from metalsci.cpu_metal.compile.scratch import FILE, RepairableError, Scratch
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import Mode, bare_unit
from metalsci.cpu_metal.execute.host import processors
from metalsci.cpu_metal.legalize import rewrite
from metalsci.cpu_metal.profiler.counted_build import CountedBuild
from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import KernelSignature

_MOST_REPAIRS = 8  # of operands within operands
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Build:
    toolchain: Toolchain
    parsed: Unit
    math_mode: MathMode
    prelude: Path | None
    """Metal's headers precompiled, for a source that includes them."""

    def diagnostics(self) -> Sequence[Diagnostic]:
        """Return Clang's findings in the file itself, whether or not it has kernels."""
        try:
            return self._repaired(lambda scratch: scratch.clang("file.cl", bare_unit(FILE), ["-fsyntax-only"]))
        except CompileError as error:
            return error.diagnostics

    def kernels(
        self, folder: Path, wanted: Sequence[int], *, for_any_group: bool = False
    ) -> tuple[list[BuiltKernel], Sequence[Diagnostic]]:
        """Compile kernels to `0.so`, `1.so`, … in `folder`. Return facts and warnings.

        wanted: their places in the file. for_any_group: see `in_lanes`. Raises CompileError.
        """
        if not wanted:
            found = self.diagnostics()
            if any(d.severity is Severity.ERROR for d in found):
                raise CompileError(found)
            return [], found
        signatures = [self.parsed.kernels[place] for place in wanted]
        return self._repaired(lambda scratch: _built(KernelBuild(scratch, for_any_group), folder, signatures))

    def checked_kernels(self, signatures: Sequence[KernelSignature], folder: Path) -> list[CheckedBuild]:
        """Instrument kernels and write their shared objects, `0.so`, `1.so`, …, to `folder`. Raises CompileError."""
        return self._repaired(lambda scratch: checked(scratch, signatures, folder))

    def counted_kernel(self, signature: KernelSignature, machine: Toolchain, output: Path) -> CountedBuild:
        """Prepare one kernel for counting and write its shared object, for `machine`, to `output`. Raises CompileError.

        This build's own toolchain is for one processor on every machine, so that its optimiser always decides alike.
        """
        return self._repaired(lambda scratch: counted(scratch, signature, machine, output))

    def line_of_refusal(self, signature: KernelSignature, mode: Mode) -> int:
        """Return the line for which LLVM does not vectorise the loop over a kernel's threads; 0 if it says none."""
        try:
            return self._repaired(lambda scratch: line_of_refusal(scratch, signature, mode))
        except CompileError:
            return 0

    def line_outside_lanes(self, signature: KernelSignature, mode: Mode) -> int:
        """Return the line for which a kernel does not run in lanes; 0 if there is none."""
        try:
            return self._repaired(lambda scratch: line_outside_lanes(scratch, signature, mode))
        except CompileError:
            return 0

    def line_of_most_code(self, signature: KernelSignature, mode: Mode) -> int:
        """Return the line that becomes the most code of a kernel; 0 if none does."""
        try:
            return self._repaired(lambda scratch: line_of_most_code(scratch, signature, mode))
        except CompileError:
            return 0

    def _repaired(self, attempt: Callable[[Scratch], _Made]) -> _Made:
        """Call `attempt` until it needs no more of the repairs that Clang can spell."""
        source, left = rewrite(self.parsed.text), _MOST_REPAIRS
        while True:
            with TemporaryDirectory(prefix="metalsci-") as name:
                try:
                    return attempt(Scratch(Path(name), source, self.toolchain, self.math_mode, self.prelude))
                except RepairableError as error:
                    if not left:
                        raise
                    source, left = source.then(error.edits), left - 1


def _built(
    build: KernelBuild, folder: Path, signatures: Sequence[KernelSignature]
) -> tuple[list[BuiltKernel], Sequence[Diagnostic]]:
    fronts = build.fronts(signatures)
    with ThreadPoolExecutor(processors()) as pool:
        built = list(pool.map(build.kernel, range(len(signatures)), signatures, fronts))
    for index in range(len(built)):
        (folder / f"{index}.so").write_bytes((build.scratch.path / f"{index}.so").read_bytes())
    return built, list(dict.fromkeys(found for front in fronts for found in front.found))
