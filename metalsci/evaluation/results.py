"""The verdict on one candidate, as data: its outcome, its results at each size, its score.

Plain frozen dataclasses, so that a result can be written as JSON, read back, compared and replayed.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from metalsci.devices.errors import Crash, KernelFailure, PipelineFailure, TimeLimit, Uncounted
from metalsci.devices.protocol import Elapsed
from metalsci.devices.virtual.forecast import Forecast
from metalsci.msl.diagnostics import CompileError, Diagnostic, Finding


class Outcome(StrEnum):
    SCORED = "scored"
    NO_CODE = "no code"
    AMBIGUOUS = "ambiguous answer"
    EMPTY = "empty answer"
    REFUSED = "refused"
    TRUNCATED = "truncated answer"
    BAD_EDIT = "bad edit"
    AGENT_OVERDUE = "agent overdue"
    AGENT_FLOODED = "agent flooded"
    AGENT_DIED = "agent died"
    AGENT_STRAYED = "agent strayed"
    COMPILE_ERROR = "compile error"
    PIPELINE_ERROR = "pipeline error"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    WRONG = "wrong"
    DUPLICATE = "duplicate"
    SUSPECT = "suspect"
    UNCOUNTED = "not counted"

    @property
    def correct(self) -> bool:
        return self is Outcome.SCORED

    @classmethod
    def of(cls, failure: CompileError | KernelFailure) -> "Outcome":
        """Return the outcome of a candidate's failure."""
        return {
            CompileError: cls.COMPILE_ERROR,
            PipelineFailure: cls.PIPELINE_ERROR,
            Crash: cls.CRASHED,
            TimeLimit: cls.TIMED_OUT,
            Uncounted: cls.UNCOUNTED,
        }[type(failure)]


@dataclass(frozen=True)
class Timing:
    """Seconds of the timed repeats, in the order they ran: by the device's clock, and by the wall clock."""

    seconds: tuple[float, ...]
    wall: tuple[float, ...] = ()

    @classmethod
    def of(cls, runs: Iterable[Elapsed]) -> "Timing":
        runs = tuple(runs)
        return cls(tuple(run.seconds for run in runs), tuple(run.wall for run in runs))

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        if len(self.seconds) < 2:
            return (self.median, self.median)
        q1, _, q3 = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (q1, q3)


@dataclass(frozen=True)
class Roofline:
    """Achieved rate against its ceiling, both in `unit` (GB/s or GFLOP/s).

    reachable: the fraction that a perfect kernel of the task's algorithm would have; see metalsci.task.definition.Work.
    footprint: bytes that the program touches, which say what cache the ceiling is that of; 0 if that is not known.
    """

    achieved: float
    ceiling: float
    unit: str
    reachable: float = 1.0
    footprint: int = 0

    @property
    def fraction(self) -> float:
        return self.achieved / self.ceiling

    @property
    def left(self) -> float:
        """Speedup that a perfect kernel would still have."""
        return self.reachable / self.fraction


@dataclass(frozen=True)
class Invariant:
    """A quantity that the physics conserves or fixes, of the candidate's results and of the reference."""

    name: str
    got: float
    want: float


@dataclass(frozen=True)
class SizeResult:
    """Result at one size.

    error: in units of the tolerance, None if nothing finite could be compared.
    launch: the launch cost, part of `timing`: seconds that as many calls of an empty kernel take.
    unsound: the kernel is wrong for how it works, not for its results.
    kernels: share of the time of each kernel, the largest first, if the program has several.
    """

    label: str
    outcome: Outcome
    detail: str = ""
    error: float | None = None
    timing: Timing | None = None
    roofline: Roofline | None = None
    launch: float | None = None
    invariants: tuple[Invariant, ...] = ()
    unsound: bool = False
    kernels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Result of one candidate.

    score: geometric mean of the fractions of ceiling over the sizes, zero unless the outcome is `scored`.
    phases: seconds of the evaluation by phase.
    findings: a sanitizer's, of the candidate.
    remarks: the device's, on how it executed.
    code: digest of the compiled code; empty if there is none, or a device that does not tell.
    forecast: prediction for a GPU that is not there.
    """

    outcome: Outcome
    message: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    sizes: tuple[SizeResult, ...] = ()
    score: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    code: str = ""
    forecast: Forecast | None = None


def score(results: Sequence[SizeResult]) -> float:
    """Compute S of the benchmark: the geometric mean of achieved/ceiling, zero if any size is not right."""
    fractions = [r.roofline.fraction for r in results if r.outcome.correct and r.roofline is not None]
    if not results or len(fractions) < len(results):
        return 0.0
    return math.exp(statistics.fmean(math.log(f) for f in fractions))
