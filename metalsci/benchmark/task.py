"""The task: a scientific kernel to make faster, with the reference that says what is right.

A task knows its physics and its kernels but holds no sizes: those reach it as arguments. So what the search may see of
a task cannot contain a held-out size, and neither can anything downstream.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.program import Array, Kernels, Program, Symbol, trace
from metalsci.msl.parse import parse
from metalsci.msl.signature import KernelSignature


@dataclass(frozen=True)
class Size:
    """One problem size: named integers such as NX, NY, steps, and the label that tables show."""

    label: str
    extents: Mapping[str, int]

    def __getattr__(self, name: str) -> int:
        extents: Mapping[str, int] = self.__dict__.get("extents", {})
        if name in extents:
            return extents[name]
        raise AttributeError(f"size {self.__dict__.get('label')!r} has no {name!r}, only {', '.join(extents)}")


class Bound(StrEnum):
    """Which ceiling bounds a task: DRAM bandwidth (GB/s) or peak FP32 (GFLOP/s)."""

    BANDWIDTH = "bandwidth"
    FP32 = "fp32"

    @property
    def unit(self) -> str:
        return "GB/s" if self is Bound.BANDWIDTH else "GFLOP/s"

    def ceiling(self, ceilings: Ceilings) -> float:
        return ceilings.bandwidth if self is Bound.BANDWIDTH else ceilings.fp32


@dataclass(frozen=True)
class Work:
    """What one run of the program must do at least: bytes moved, or floating-point operations."""

    amount: float
    bound: Bound


@dataclass(frozen=True)
class Tolerance:
    """An element is right when |got − want| ≤ absolute + relative · max|want|."""

    absolute: float = 0.0
    relative: float = 0.0

    def limit(self, want: Array) -> float:
        return self.absolute + self.relative * float(np.max(np.abs(want), initial=0.0))


@dataclass(frozen=True)
class Check:
    """Whether outputs are right. `error` is the worst deviation in units of what is tolerated, so right means ≤ 1."""

    correct: bool
    error: float
    detail: str


@dataclass(frozen=True)
class TaskView:
    """What a search may know of a task: enough to write kernels, nothing about where the winner will be tried."""

    name: str
    brief: str
    seed_kernel: str
    signatures: tuple[KernelSignature, ...]
    sizes: tuple[str, ...]


class Task(ABC):
    """Subclassed once per task, in tasks/NAME/task.py. All data comes from conf/task/NAME.yaml."""

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
        """The contract between host code and kernels: the signatures of the seed kernel."""
        return parse(self.seed_kernel).kernels

    def view(self, sizes: Sequence[Size]) -> TaskView:
        return TaskView(self.name, self.brief, self.seed_kernel, self.signatures, tuple(s.label for s in sizes))

    def trace(self, size: Size, inputs: Mapping[str, Array]) -> Program:
        return trace(lambda symbols, kernels: self.program(size, symbols, kernels), inputs, self.signatures)

    @abstractmethod
    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Arrays by name, drawn from `rng` where the physics leaves a choice."""

    @abstractmethod
    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        """Host code in MLX's functional style; returns the arrays that are compared with the reference."""

    @abstractmethod
    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """The truth, in NumPy, one array for each result of `program`."""

    @abstractmethod
    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work: ...

    def check(self, size: Size, got: Sequence[Array], want: Sequence[Array]) -> Check:
        """Elementwise comparison within the tolerance; tasks with statistical answers replace it.

        Written so that NaN never passes: an element is right only if its deviation *is* within the limit.
        """
        worst = 0.0
        for index, (g, w) in enumerate(zip(got, want, strict=True)):
            limit = self.tolerance.limit(w)
            deviation = np.abs(np.subtract(g, w, dtype=np.result_type(g, np.float32)))
            top = float(np.max(deviation, initial=0.0))  # NaN if any deviation is
            if not top <= limit:
                return Check(False, top / limit if limit else np.inf, _where(index, g, w, deviation, limit))
            worst = max(worst, top / limit if limit else 0.0)
        return Check(True, worst, f"largest error {worst:.2g} of the tolerance")


def _where(index: int, got: Array, want: Array, deviation: Array, limit: float) -> str:
    """A sentence that says how many elements are wrong, and the first and the worst of them."""
    wrong = ~(deviation <= limit)
    first = tuple(int(n) for n in np.argwhere(wrong)[0])
    worst = tuple(int(n) for n in np.unravel_index(int(np.argmax(np.nan_to_num(deviation, nan=np.inf))), got.shape))
    return (
        f"result {index}: {int(wrong.sum())} of {wrong.size} elements off by more than {limit:.3g}; "
        f"first {list(first)}: got {got[first]:.7g}, want {want[first]:.7g}; "
        f"worst {list(worst)}: got {got[worst]:.7g}, want {want[worst]:.7g}"
    )
