"""The device protocol: compile a candidate, stage a program once, run any compiled candidate on it many times.

A device runs candidates in a process of its own. It never holds expected results, and the clock is the caller's side
of the process boundary. Failures that are the candidate's fault are
`errors.CANDIDATE_FAULTS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.program import Array, Program
from metalsci.msl.diagnostics import Diagnostic
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import KernelSignature


class Module(Protocol):
    """A compiled candidate. It stays usable after its device process was restarted."""

    @property
    def warnings(self) -> Sequence[Diagnostic]: ...

    @property
    def remarks(self) -> Sequence[str]:
        """What the device says of how the kernels execute, a sentence each, for whoever writes the next ones."""

    def close(self) -> None:
        """Unload it. Nothing of it stays in the device process."""


@dataclass(frozen=True)
class Elapsed:
    """How long one run of a program took, launch included. `seconds`, by the device's clock, are what scores and
    comparisons use; `wall` is the wall clock from submission to completion."""

    seconds: float
    wall: float


@dataclass(frozen=True)
class Machine:
    """What a model is told of a device: facts, a sentence each, and what else to try when a search stagnates.

    Without figures that change from run to run, but for the ceilings, so that a prompt can be written again.
    """

    facts: tuple[str, ...] = ()
    ideas: str = ""


@runtime_checkable
class Described(Protocol):
    """A device that can say what makes a kernel fast on it."""

    @property
    def machine(self) -> Machine: ...


class Execution(Protocol):
    """A module bound to a stage, ready to run."""

    def run(self) -> Elapsed:
        """Run all calls of the program in order, once."""

    def launch_cost(self) -> Elapsed:
        """As many dependent calls of a kernel that does nothing, over the same grids: what of `run` no candidate can
        win."""


class Stage(Protocol):
    """A program with its inputs uploaded and its outputs allocated. One stage serves every candidate."""

    def bind(self, module: Module) -> Execution:
        """Raises PipelineFailure where the module's kernels cannot be launched as the program asks."""

    def poison(self, pattern: int = 0xFF) -> None:
        """Fill every byte of the outputs, of intermediate arrays and of what pads buffers with `pattern`, so that stale
        data cannot pass. The default is NaN to every floating-point type, and the largest value to unsigned ones."""

    def damage(self) -> str:
        """What runs since the last `poison` did outside of their outputs: that an input is no longer what it was, or
        that bytes next to a buffer were written. Empty where all is well."""

    def outputs(self) -> tuple[Array, ...]:
        """The results of the last run, valid until the next one."""

    def close(self) -> None: ...


class Device(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def ceilings(self) -> Ceilings: ...

    def compile(self, source: str | Unit, signatures: Sequence[KernelSignature]) -> Module:
        """Raises CompileError when the source is refused or its kernels differ from `signatures`."""

    def stage(self, program: Program) -> Stage: ...

    def close(self) -> None: ...


@runtime_checkable
class Preparing(Protocol):
    """A device that can do a part of `compile` ahead, from any thread and while it runs another candidate."""

    def prepare(self, source: str, signatures: Sequence[KernelSignature]) -> None:
        """Compile into the device's cache. Raises nothing for what a candidate does."""
