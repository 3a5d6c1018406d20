"""The device protocol: compile a candidate, stage a program once, run any compiled candidate on it many times.

A device runs candidates in a process of its own. It never holds expected results, and the clock is the caller's side
of the process boundary. Failures that are the candidate's fault are
`errors.CANDIDATE_FAULTS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from metalsci.cpu_metal.profiler.counters import Profile
from metalsci.devices.ceilings import Ceilings, Evidence
from metalsci.devices.program import Array, Program
from metalsci.devices.virtual.gpu_facts import GpuFacts
from metalsci.msl.diagnostics import Diagnostic
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import KernelSignature


class Module(Protocol):
    """A compiled candidate. It stays usable after its device process was restarted."""

    @property
    def warnings(self) -> Sequence[Diagnostic]: ...

    @property
    def remarks(self) -> Sequence[str]:
        """The device's remarks on how the kernels execute, a sentence each, for the writer of the next ones."""

    def close(self) -> None:
        """Unload the module. Nothing of it stays in the device process."""


@runtime_checkable
class Encoded(Protocol):
    """A module that can tell whether another one does the same."""

    @property
    def code(self) -> str:
        """A digest of what the device runs: modules of equal code are the same program."""


@dataclass(frozen=True)
class Elapsed:
    """Duration of one run of a program, launch included.

    seconds: by the device's clock; scores and comparisons use it.
    wall: the wall clock from submission to completion.
    """

    seconds: float
    wall: float


@dataclass(frozen=True)
class Machine:
    """Facts about a device for a model, a sentence each, and further ideas for a search that stagnates.

    Only the ceilings are figures that change from run to run, so that a prompt can be written again.
    """

    facts: tuple[str, ...] = ()
    ideas: str = ""


@runtime_checkable
class Described(Protocol):
    """A device that can describe the properties that make a kernel fast on it."""

    @property
    def machine(self) -> Machine: ...


class Execution(Protocol):
    """A module bound to a stage, ready to run."""

    def run(self) -> Elapsed:
        """Run all calls of the program in order, once."""

    def launch_cost(self) -> Elapsed:
        """Time as many dependent calls of a kernel that does nothing, over the same grids.

        No candidate can win this part of `run`.
        """


@runtime_checkable
class Splitting(Protocol):
    """An execution that can time its kernels one by one."""

    def kernel_seconds(self) -> Mapping[str, float]:
        """Run calls by themselves, as many as it takes. Return the seconds of each kernel in a run of the program.

        Outputs hold anything afterwards.
        """


class Stage(Protocol):
    """A program with its inputs uploaded and its outputs allocated. One stage serves every candidate."""

    def bind(self, module: Module) -> Execution:
        """Bind a module to the stage. Raises PipelineFailure if its kernels cannot be launched as the program asks."""

    def poison(self, pattern: int = 0xFF) -> None:
        """Fill every byte of the outputs, of intermediate arrays and of the padding of buffers with `pattern`.

        So stale data cannot pass for results. The default is NaN to every floating-point type, and the largest value to
        unsigned ones.
        """

    def damage(self) -> str:
        """Describe the damage that runs since the last `poison` did outside of their outputs; empty if there is none.

        Damage is a changed input, or bytes written next to a buffer.
        """

    def outputs(self) -> tuple[Array, ...]:
        """Return the results of the last run, valid until the next one."""

    def close(self) -> None: ...


@runtime_checkable
class Holding(Protocol):
    """A stage whose inputs the host can read where they lie, so that it need not keep arrays of its own."""

    @property
    def inputs(self) -> Sequence[Array]:
        """The program's inputs, in its order. Nobody may write to them."""


class Device(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def ceilings(self) -> Ceilings: ...

    def compile(self, source: str | Unit, signatures: Sequence[KernelSignature]) -> Module:
        """Compile a candidate. Raises CompileError if the source is refused or its kernels differ from `signatures`."""

    def stage(self, program: Program) -> Stage: ...

    def close(self) -> None: ...


@runtime_checkable
class Concurrent(Protocol):
    """A device whose programs can be staged, and bound to modules, from any thread and while it runs."""

    @property
    def stages_while_it_runs(self) -> bool: ...


@runtime_checkable
class Correctable(Protocol):
    """A device that measures its ceilings, and learns from verified kernels that they are too low."""

    def correct_ceilings(self, evidence: Sequence[Evidence]) -> str:
        """Raise the ceilings of later runs. Return a sentence; empty if nothing refutes them."""


@runtime_checkable
class Preparing(Protocol):
    """A device that can do a part of `compile` ahead, from any thread and while it runs another candidate."""

    def prepare(self, source: str | Unit, signatures: Sequence[KernelSignature]) -> None:
        """Compile into the device's cache. Raises nothing for a candidate's fault."""


@runtime_checkable
class Countable(Protocol):
    """An execution of which can be counted what a GPU would do in one run of it."""

    def profile(self) -> Profile:
        """Count. The outputs hold anything afterwards. Raises CANDIDATE_FAULTS where that cannot be counted."""


@runtime_checkable
class Steady(Protocol):
    """A device on which the second run of a kernel takes as long as further ones, if it takes long."""

    @property
    def steady(self) -> float:
        """Seconds of such a run. What is cold at its beginning is soon warm."""


@runtime_checkable
class Predicting(Protocol):
    """A device whose times are predicted for a GPU that is not there: the same in every run, never measured."""

    @property
    def predicted_gpu(self) -> GpuFacts: ...
