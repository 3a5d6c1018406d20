"""The task: a scientific kernel to make faster, with the reference that defines the right result.

A task knows its physics and its kernels but holds no sizes: those reach it as arguments. So the part of a task that the
search may see cannot contain a held-out size, and neither can anything downstream.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

import numpy as np

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.program import Array, Kernels, Program, Symbol, trace
from metalsci.devices.protocol import Machine
from metalsci.msl.language.parse import parse
from metalsci.msl.language.signature import KernelSignature
from metalsci.task.comparison import Tolerance, explain, judge


@dataclass(frozen=True)
class Size:
    """One problem size: named numbers such as NX, NY, steps, and the label that tables show.

    An extent is an attribute, an int or a float as the yaml has it.
    """

    label: str
    extents: Mapping[str, float]

    def __getattr__(self, name: str) -> Any:
        extents: Mapping[str, float] = self.__dict__.get("extents", {})
        if name in extents:
            return extents[name]
        raise AttributeError(f"size {self.__dict__.get('label')!r} has no {name!r}, only {', '.join(extents)}")

    def replace(self, **extents: float) -> "Size":
        """Return the same size with other values for some of its extents, which it must have."""
        unknown = extents.keys() - self.extents.keys()
        if unknown:
            raise ValueError(f"size {self.label!r} has no {', '.join(sorted(unknown))}")
        return Size(self.label, {**self.extents, **extents})


class Bound(StrEnum):
    """The ceiling that bounds a task: bandwidth (GB/s) or peak FP32 (GFLOP/s)."""

    BANDWIDTH = "bandwidth"
    FP32 = "fp32"

    @property
    def unit(self) -> str:
        if self is Bound.BANDWIDTH:
            return "GB/s"
        return "GFLOP/s"

    def ceiling(self, ceilings: Ceilings, footprint: int) -> float:
        """Return the ceiling. footprint: bytes that a program touches, which may live in a cache."""
        if self is Bound.BANDWIDTH:
            return ceilings.bandwidth_at(footprint)
        return ceilings.fp32


@dataclass(frozen=True)
class Work:
    """The work of one run of the program: bytes moved, or floating-point operations.

    amount: as the benchmark counts it; scores are this over the ceiling.
    needed: cost of a perfect kernel of the task's algorithm in the ceiling's own units; None if it is `amount`. A peak
        of FP32 counts a multiply-add in every slot, so an instruction that is none costs two.
    """

    amount: float
    bound: Bound
    needed: float | None = None

    @property
    def reachable(self) -> float:
        """Fraction of the ceiling that a perfect kernel reaches in the benchmark's count."""
        if self.needed is None:
            return 1.0
        return self.amount / self.needed


@dataclass(frozen=True)
class Probe:
    """A further problem of a task, judged as the benchmark's own inputs are and never timed.

    It adds features that those lack: no symmetry, spikes, constants, mixed magnitudes, other extents. Few steps keep an
    error at its origin. `physics` replaces some of the task's: a kernel must use its arguments, not the values that the
    benchmark gives them.
    """

    name: str
    size: Size
    inputs: Mapping[str, Array]
    physics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Result of a comparison. `error` is the worst deviation in units of the tolerance, so right means ≤ 1."""

    correct: bool
    error: float
    detail: str


@dataclass(frozen=True)
class TaskView:
    """The part of a task that a search may know: enough to write kernels, nothing about the held-out trial."""

    name: str
    brief: str
    seed_kernel: str
    signatures: tuple[KernelSignature, ...]
    sizes: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    """Lines with the values that the host holds: extents of each size, physical constants."""
    machine: Machine = field(default_factory=Machine)
    """Machine on which kernels run."""
    how_it_wins: str = ""
    """Sentence about how a candidate becomes the best one."""


_ARGUMENTS = (
    "\n- Every argument counts: a candidate is also tried at small sizes that are drawn for it, with other values of "
    "the scalar arguments and other contents of the arrays."
)


class Task(ABC):
    """A task; subclassed once per task, in tasks/NAME/task.py. All data comes from conf/task/NAME.yaml."""

    repeatable = True
    """True if runs on the same inputs must give the same bits; False where the order of atomic operations shows."""

    def __init__(
        self, *, name: str, brief: str, seed_kernel: str, physics: Mapping[str, float], tolerance: Tolerance
    ) -> None:
        self.name = name
        self.brief = brief
        self.seed_kernel = seed_kernel
        self.physics = physics
        self.tolerance = tolerance

    @cached_property
    def signatures(self) -> tuple[KernelSignature, ...]:
        """Contract between host code and kernels: the signatures of the seed kernel."""
        return parse(self.seed_kernel).kernels

    def view(self, sizes: Sequence[Size]) -> TaskView:
        brief = self.brief.rstrip() + _ARGUMENTS
        if self.tolerance.rms is not None:
            brief += (
                f"\n- The root mean square of all deviations must stay within {self.tolerance.rms:g} of that of the "
                "expected values: single precision does, half precision does not."
            )
        return TaskView(
            self.name, brief, self.seed_kernel, self.signatures, tuple(s.label for s in sizes), self._numbers(sizes)
        )

    def _numbers(self, sizes: Sequence[Size]) -> tuple[str, ...]:
        lines = [f"{size.label}: {_assignments(size.extents)}" for size in sizes]
        if self.physics:
            lines.append(f"constants: {_assignments(self.physics)}")
        return tuple(lines)

    def trace(self, size: Size, inputs: Mapping[str, Array]) -> Program:
        return trace(lambda symbols, kernels: self.program(size, symbols, kernels), inputs, self.signatures)

    @abstractmethod
    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Return arrays by name, with the shapes that `program` indexes, e.g. u: (NY, NX) float32.

        Free choices of the physics are drawn from `rng` itself (not from children of it).
        """

    def probes(self, size: Size, rng: np.random.Generator) -> Iterable[Probe]:
        """Yield further problems that a candidate must solve at this size, the cheapest first. None by default."""
        return ()

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterable[Probe]:
        """Yield small problems that are drawn for each candidate after it was compiled. None by default.

        They have other physics, other steps and other extents, which share no residue with the scored ones.
        """
        return ()

    def with_physics(self, physics: Mapping[str, float]) -> Self:
        """Return the same task with other values for some of its constants, which it must have."""
        unknown = physics.keys() - self.physics.keys()
        if unknown:
            raise ValueError(f"task {self.name} has no {', '.join(sorted(unknown))} in its physics")
        other = copy.copy(self)
        other.physics = {**self.physics, **physics}
        return other

    @abstractmethod
    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        """Run the host code in MLX's functional style; return the arrays that are compared with the reference."""

    @abstractmethod
    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """Compute the right results in NumPy, one array for each result of `program`, of its shape and type."""

    @abstractmethod
    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work: ...

    def check(self, size: Size, got: Sequence[Array], want: Sequence[Array]) -> Check:
        """Compare elementwise within the tolerance; tasks with statistical answers replace it."""
        worst = 0.0
        for index, (g, w) in enumerate(zip(got, want, strict=True)):
            error = judge(g, w, self.tolerance)
            if not error <= 1.0:
                detail = explain(g, w, self.tolerance, lambda at: self.locate(size, at))
                return Check(False, error, f"result {index}: {detail}")
            worst = max(worst, error)
        return Check(True, worst, f"largest error {worst:.2g} of the tolerance")

    def locate(self, size: Size, index: tuple[int, ...]) -> str:
        """Describe the place of a result's element in the terms of the kernel's author."""
        return str(list(index))

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> Mapping[str, float]:
        """Return the quantities that the physics conserves or fixes (mass, momentum, energy), of any results.

        They are reported next to the error, never judged.
        """
        return {}


def _assignments(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:.12g}" for name, value in values.items())
