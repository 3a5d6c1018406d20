"""The result of a run: what summary.json holds, the console's last table shows and the tracker logs."""

from collections.abc import Mapping
from dataclasses import dataclass

from metalsci.devices.ceilings import Ceilings
from metalsci.evaluation.paired import Duel
from metalsci.gate.verdicts import GateResult
from metalsci.search.budget import Spent

SCHEMA = 1


@dataclass(frozen=True)
class Summary:
    """Scores and the self-speedup are measured side by side after the search, by `duels`; what the search itself saw,
    minutes apart, is in the journal. `self_speedup` is the geometric mean of the duels' paired ratios, which noise
    moves less than the ratio of the two scores. `seconds` is the wall clock by phase; `framework` is the rest, neither
    model nor compiler, kernel, reference or comparison with it, and `framework_ms_per_iteration` the median of it
    between two candidates.
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
    schema: int = SCHEMA
