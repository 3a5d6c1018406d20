"""The result of a run, for summary.json, the console's last table and the tracker."""

from collections.abc import Mapping
from dataclasses import dataclass

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.virtual.forecast import PredictedGain
from metalsci.evaluation.paired import Duel
from metalsci.gate.verdicts import GateResult
from metalsci.search.budget import Spent

SCHEMA = 1


@dataclass(frozen=True)
class Summary:
    """Result of a run.

    Scores and the self-speedup are measured side by side after the search, by `duels`; the search's own scores, taken
    minutes apart, are in the journal.

    self_speedup: geometric mean of the duels' paired ratios, which noise moves less than the ratio of the two scores.
    seconds: wall clock by phase; `framework` is the rest, neither model nor compiler, kernel, reference or comparison
        with it.
    framework_ms_per_iteration: median of `framework` between two candidates.
    predicted: prediction for the winner on a GPU that is not there.
    corrected: what these results say against the ceilings; empty if nothing.
    measured: whether times are a clock's; those of the virtual GPU are predicted, all of them.
    """

    task: str
    model: str
    device: str
    seed: int
    inputs_seed: int
    ended_by: str
    spent: Spent
    iterations: int
    outcomes: Mapping[str, int]
    best_iteration: int
    seed_score: float
    best_score: float
    self_speedup: float
    duels: tuple[Duel, ...]
    gate: GateResult
    ceilings: Ceilings
    seconds: Mapping[str, float]
    framework_ms_per_iteration: float
    versions: Mapping[str, str]
    predicted: PredictedGain | None = None
    measured: bool = True
    corrected: str = ""
    schema: int = SCHEMA
