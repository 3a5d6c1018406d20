"""The software device behind the device protocol."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from metalsci import cpu_metal
from metalsci.cpu_metal.compile.architecture import NATIVE, Architecture, instructions, told
from metalsci.cpu_metal.execute.host import MOST_WORKERS, processors
from metalsci.devices import ceilings as roofline
from metalsci.devices.ceilings import Ceilings, Evidence, GivenCeilings
from metalsci.devices.cpu.cpu_stage import CpuModule, CpuStage
from metalsci.devices.cpu.own_kernels import OwnKernels
from metalsci.devices.cpu.processor import describe_processor, processor_name
from metalsci.devices.program import Program
from metalsci.devices.protocol import Machine
from metalsci.msl.diagnostics import CompileError
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import KernelSignature

# Of 15 tasks' seed kernels at all sizes, the first run after the verified one took 0.96 to 1.07 of the median of 14 if
# that was over 2 ms, and so did the third: what differs is noise. Quicker ones took up to 1.12.
_STEADY = 0.005


class CpuDevice:
    """cpu_metal, the Metal device in software, on this machine.

    - threads: worker threads; null for every core that this process may use.
    - architecture: what kernels are compiled for, such as x86-64-v3; null for METALSCI_ARCHITECTURE or this processor.
    - math_mode: fast (as in the published sweeps) or safe.
    - time_limit: seconds for one run of a task's program; a candidate that takes longer is killed.
    - ceilings: of the roofline, instead of the measured ones.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        architecture: str | None = None,
        math_mode: MathMode = MathMode.fast,
        time_limit: float = 10.0,
        ceilings: GivenCeilings = GivenCeilings(),
    ) -> None:
        if threads is not None and not 1 <= threads <= MOST_WORKERS:
            raise ValueError(f"device.threads={threads}: 1 to {MOST_WORKERS}, or null for every core")
        if time_limit <= 0:
            raise ValueError(f"device.time_limit={time_limit}: give a positive number of seconds")
        self._threads = threads or processors()
        self._math_mode = math_mode
        self._time_limit = time_limit
        self._given = ceilings
        self._architecture = Architecture.chosen(architecture, "device.architecture")
        self._toolchain = self._architecture.toolchain()
        self._device = cpu_metal.Device(threads=self._threads, toolchain=self._toolchain)
        self._own = OwnKernels(self._device)

    @cached_property
    def name(self) -> str:
        if self._architecture.name == NATIVE:
            of = ""
        else:
            of = f" as {self._architecture.name}"
        return f"cpu_metal on {self._threads} threads, {processor_name()}{of}"

    @property
    def instructions(self) -> str:
        """The architecture that kernels are compiled for, and the instructions that they may have."""
        return f"{self._architecture.name}: {told(instructions(self._toolchain))}"

    @cached_property
    def machine(self) -> Machine:
        return describe_processor(self._threads, processor_name(), self.ceilings)

    @property
    def steady(self) -> float:
        return _STEADY

    @property
    def ceilings_file(self) -> Path:
        """The file of the ceilings that were measured with these settings."""
        key = hashlib.sha256(f"{self.name} {self._math_mode.value}".encode()).hexdigest()[:16]
        return roofline.remembered(key)

    @cached_property
    def ceilings(self) -> Ceilings:
        return self._given.over(lambda: roofline.cached(self, self.ceilings_file))

    def correct_ceilings(self, evidence: Sequence[Evidence]) -> str:
        """See `devices.protocol.Correctable`. Ceilings from a config stay as they are."""
        if self.ceilings.given:
            return ""
        return roofline.correct(self, self.ceilings_file, evidence)

    def compile(self, source: str | Unit, signatures: Sequence[KernelSignature]) -> CpuModule:
        self._device.start()  # beside the compiler
        return CpuModule(self._device, self._device.compile(source, self._math_mode, interface=signatures))

    def prepare(self, source: str | Unit, signatures: Sequence[KernelSignature]) -> None:
        """Compile into the kernel cache, which takes no device process."""
        with suppress(CompileError):  # the evaluation of the candidate will report it
            self._device.compile(source, self._math_mode, interface=signatures)

    @property
    def stages_while_it_runs(self) -> bool:
        return True

    def stage(self, program: Program) -> CpuStage:
        return CpuStage(self._device, self._own, program, self._time_limit)

    def close(self) -> None:
        self._device.close()
