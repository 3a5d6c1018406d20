"""A second opinion on a candidate, whatever device judges it: does it do what Metal leaves undefined?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from metalsci import cpu_metal
from metalsci.devices.cpu.cpu_device import CpuModule, CpuStage
from metalsci.devices.program import Program
from metalsci.msl.diagnostics import Finding
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit


@dataclass(frozen=True)
class Findings:
    """Findings of one look. `undefined` ones make a correct result luck; `others` are worth knowing."""

    undefined: tuple[Finding, ...] = ()
    others: tuple[Finding, ...] = ()

    @property
    def all(self) -> tuple[Finding, ...]:
        return self.undefined + self.others


class Sanitizer(Protocol):
    def check(self, source: str | Unit, program: Program) -> Findings:
        """Runs the program with every access checked. `source` is one that compiles."""

    def close(self) -> None: ...


class CpuSanitizer:
    """cpu_metal's, on a device process of its own. What is not finished after `seconds` is not checked to its end."""

    def __init__(self, *, math_mode: MathMode = MathMode.fast, seconds: float = 5.0) -> None:
        self._device = cpu_metal.Device(threads=1)
        self._math_mode = math_mode
        self._seconds = seconds

    def check(self, source: str | Unit, program: Program) -> Findings:
        try:
            module = CpuModule(self._device, self._device.compile(source, self._math_mode))
        except cpu_metal.CompileError:  # of a candidate for a device that takes what this one does not
            return Findings()
        stage = CpuStage(self._device, program, self._seconds)
        try:
            found: Sequence[cpu_metal.Finding] = stage.bind(module).check()
        finally:
            stage.close()
            module.close()
        undefined = tuple(finding for finding in found if finding.undefined)
        return Findings(undefined, tuple(finding for finding in found if not finding.undefined))

    def close(self) -> None:
        self._device.close()
