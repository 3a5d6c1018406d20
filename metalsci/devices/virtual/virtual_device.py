"""An Apple GPU as a Device: candidates run and are verified on cpu_metal, and timed by the model from what was counted.

A prediction is the same on every machine and in every run: nothing is repeated, nothing is noisy.
"""

from collections.abc import Mapping, Sequence

from metalsci.cpu_metal.profiler.counters import Profile
from metalsci.devices.apple.chips import ceilings_of
from metalsci.devices.apple.gpu_machine import describe_gpu
from metalsci.devices.ceilings import Ceilings, GivenCeilings
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.cpu.cpu_stage import CpuExecution, CpuModule, CpuStage
from metalsci.devices.program import Array, Program
from metalsci.devices.protocol import Elapsed, Machine, Module
from metalsci.devices.virtual.advice import bottleneck
from metalsci.devices.virtual.calibration import calibrated
from metalsci.devices.virtual.gpu_facts import GpuFacts, facts_of
from metalsci.devices.virtual.prediction import Prediction, predict
from metalsci.msl.diagnostics import Diagnostic
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import KernelSignature


class VirtualDevice:
    """Apple GPU of which only facts are known: its times are predicted from counts of cpu_metal.

    - chip: one of those whose facts are published: M1, M1 Pro, M1 Max, M1 Ultra, M2, M2 Pro, M2 Max.
    - gpu_cores: of the chip's configurations; null for its largest.
    - calibration: a file of `python -m metalsci.doctor --calibrate`, whose constants replace assumed ones; null for
      none.
    - threads: worker threads of cpu_metal, which runs the kernels; null for every core that this process may use.
    - math_mode: fast (as in the published sweeps) or safe.
    - time_limit: seconds for one run of a task's program on cpu_metal; a candidate that takes longer is killed.
    - ceilings: of the roofline, instead of the data sheet's.

    Raises UnknownGpuError for a chip without facts.
    """

    def __init__(
        self,
        *,
        chip: str = "M1 Pro",
        gpu_cores: int | None = None,
        calibration: str | None = None,
        threads: int | None = None,
        math_mode: MathMode = MathMode.fast,
        time_limit: float = 10.0,
        ceilings: GivenCeilings = GivenCeilings(),
    ) -> None:
        self._facts = facts_of(chip, gpu_cores)
        if calibration is not None:
            self._facts = calibrated(self._facts, calibration)
        self._how = "predicted from counts"
        if calibration is not None:
            self._how += ", calibrated"
        self._given = ceilings
        self._cpu = CpuDevice(threads=threads, math_mode=math_mode, time_limit=time_limit)

    @property
    def name(self) -> str:
        return f"{self._facts.name} with {self._facts.cores.value:.0f} GPU cores, {self._how}"

    @property
    def predicted_gpu(self) -> GpuFacts:
        return self._facts

    @property
    def ceilings(self) -> Ceilings:
        return self._given.over(lambda: ceilings_of(self._facts.name, round(self._facts.cores.value)))

    @property
    def machine(self) -> Machine:
        return describe_gpu(self.name, self.ceilings)

    def compile(self, source: str | Unit, signatures: Sequence[KernelSignature]) -> "VirtualModule":
        return VirtualModule(self._cpu.compile(source, signatures), self._facts)

    @property
    def stages_while_it_runs(self) -> bool:
        return True

    def stage(self, program: Program) -> "VirtualStage":
        return VirtualStage(self._cpu.stage(program), self._facts)

    def close(self) -> None:
        self._cpu.close()


class VirtualModule:
    """A candidate for the software device. `profiles`: what was counted of it, by stage."""

    def __init__(self, module: CpuModule, gpu: GpuFacts) -> None:
        self.module = module
        self.profiles: dict[VirtualStage, Profile] = {}
        self._gpu = gpu

    @property
    def warnings(self) -> Sequence[Diagnostic]:
        return self.module.warnings

    @property
    def remarks(self) -> Sequence[str]:
        """The bottleneck at the size that takes longest."""
        predictions = [predict(profile, self._gpu) for profile in self.profiles.values()]
        if not predictions:
            return []
        slowest = max(predictions, key=lambda prediction: prediction.seconds)
        return [f"predicted on {slowest.gpu}: {bottleneck(slowest)}"]

    def close(self) -> None:
        self.module.close()


class VirtualStage:
    """Program staged on the software device. `current`: the execution whose results the outputs hold, or None."""

    def __init__(self, stage: CpuStage, gpu: GpuFacts) -> None:
        self._stage = stage
        self.gpu = gpu
        self.current: VirtualExecution | None = None

    @property
    def inputs(self) -> Sequence[Array]:
        return self._stage.inputs

    def bind(self, module: Module) -> "VirtualExecution":
        if not isinstance(module, VirtualModule):
            raise TypeError(f"a stage runs modules of its own device, not {type(module).__name__}")
        return VirtualExecution(self, module, self._stage.bind(module.module))

    def poison(self, pattern: int = 0xFF) -> None:
        self.current = None
        self._stage.poison(pattern)

    def damage(self) -> str:
        return self._stage.damage()

    def outputs(self) -> tuple[Array, ...]:
        return self._stage.outputs()

    def close(self) -> None:
        self._stage.close()

    def count(self, execution: CpuExecution) -> Profile:
        self.current = None  # counting leaves anything in the outputs
        return execution.profile()


class VirtualExecution:
    """Program that runs if its results are not there yet, with a prediction of the GPU's time."""

    def __init__(self, stage: VirtualStage, module: VirtualModule, execution: CpuExecution) -> None:
        self._stage = stage
        self._module = module
        self._execution = execution

    def profile(self) -> Profile:
        profiles = self._module.profiles
        if self._stage not in profiles:
            profiles[self._stage] = self._stage.count(self._execution)
        return profiles[self._stage]

    @property
    def prediction(self) -> Prediction:
        """Prediction for one run. Raises CANDIDATE_FAULTS where the candidate cannot be counted."""
        return predict(self.profile(), self._stage.gpu)

    def run(self) -> Elapsed:
        seconds, wall = self.prediction.seconds, 0.0
        if self._stage.current is not self:
            wall = self._execution.run().wall
            self._stage.current = self
        return Elapsed(seconds, wall)

    def kernel_seconds(self) -> Mapping[str, float]:
        seconds: dict[str, float] = {}
        for dispatch in self.prediction.dispatches:
            kernel = dispatch.profile.kernel
            seconds[kernel] = seconds.get(kernel, 0.0) + dispatch.seconds
        return seconds

    def launch_cost(self) -> Elapsed:
        dispatches = sum(dispatch.profile.dispatches for dispatch in self.prediction.dispatches)
        return Elapsed(self._stage.gpu.launch.value * dispatches, 0.0)
