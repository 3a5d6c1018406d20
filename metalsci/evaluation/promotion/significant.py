"""The rule of this project: a challenger becomes the incumbent if a paired test says that it is faster.

The risk of promoting an equal kernel is shared out over all challengers that a run can have, so that it holds for the
run. Without a test about three of 25 equal kernels are promoted, and 96 % of runs have one.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from metalsci.evaluation.promotion.protocol import Arena, Candidate, Decision, PairingFailed, Promotion
from metalsci.evaluation.promotion.sequential import Design, Ending, SequentialResult, compare, robust_noise

PLAINLY_SLOWER = 0.7  # of the incumbent's score: no noise makes such a challenger faster, so it is not run again
_FIRST_PAIRS, _FURTHER_PAIRS = 8, 4  # of the incumbent with itself
_TESTS_BETWEEN = 8  # measurements of the noise
_REMEMBERED = 3  # estimates of the noise


@dataclass(frozen=True)
class Significant:
    """The settings `promotion=significant`. Raises ValueError for values that make no sense.

    - alpha: chance that a run promotes any kernel that is not faster.
    - gain: a speedup, minus one, that is found with a chance of `power`: 0.05 is 5 %.
    - power: of finding that gain in one challenger.
    - least: what it has to be faster by, at the least: equal programs differ by up to a hundredth in where they lie.
    - most_pairs: cap for one challenger; past it the test says that it is undecided.
    """

    alpha: float = 0.01
    gain: float = 0.05
    power: float = 0.9
    most_pairs: int = 400
    least: float = 0.01

    def __post_init__(self) -> None:
        self._design()

    def begin(self, arena: Arena, challengers: int) -> Promotion:
        """Make the rule for a run of at most so many challengers."""
        design = self._design()
        return PairedTest(arena, replace(design, alpha=design.alpha / max(challengers, 1)))

    def _design(self) -> Design:
        return Design(self.gain, self.alpha, self.power, self.most_pairs, self.least)


class PairedTest:
    """Group-sequential paired t-test as a rule, see sequential.py.

    The noise of a pair is measured with the incumbent against itself, at first and now and then, and learnt from every
    test. It sets how many pairs are planned; the risk of a false promotion does not depend on it.
    """

    def __init__(self, arena: Arena, design: Design) -> None:
        self._arena = arena
        self._design = design
        self._noise: list[float] = []
        self._tests = 0

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Callable[[str], None]) -> Decision:
        ratio = challenger.evaluation.score / incumbent.evaluation.score
        if ratio < PLAINLY_SLOWER:
            return Decision(False, f"plainly slower: {ratio:.2f}× the incumbent's score", {"speedup": ratio})
        if incumbent.source is None or challenger.source is None:
            return Decision(False, "no source to run")
        try:
            noise = self._expected_noise(incumbent.source, progress)
            progress("comparing with the incumbent")
            with self._arena.pair(incumbent.source, challenger.source) as draw:
                finding = compare(draw, self._design, noise)
        except PairingFailed as failure:
            return Decision(False, f"not compared: {failure}")
        self._tests += 1
        self._learn(finding.noise)
        return decision(finding, self._design)

    def _expected_noise(self, source: str, progress: Callable[[str], None]) -> float:
        pairs = 0 if self._tests % _TESTS_BETWEEN else _FURTHER_PAIRS
        if not self._noise:
            pairs = _FIRST_PAIRS
        if pairs:
            progress("measuring the noise: the incumbent against itself")
            with self._arena.pair(source, source) as draw:
                self._learn(robust_noise([draw() for _ in range(pairs)], self._design))
        return math.sqrt(statistics.fmean(noise**2 for noise in self._noise))

    def _learn(self, noise: float) -> None:
        self._noise = [*self._noise, noise][-_REMEMBERED:]


def decision(finding: SequentialResult, design: Design) -> Decision:
    """Convert a finding to the journal's form: all ratios are speedups over the incumbent."""
    speedup, low, high = (math.exp(value) for value in (finding.effect, finding.low, finding.high))
    figures = {
        "speedup": speedup,
        "low": low,
        "high": high,
        "pairs": finding.pairs,
        "looks": finding.looks,
        "alpha": design.alpha,
        "level": finding.level,
        "noise": finding.noise,
    }
    reason = (
        f"{finding.ending}: {speedup:.3f}× the incumbent's speed (95 % interval {low:.3f} to {high:.3f}, "
        f"{finding.pairs} pairs, noise {100 * finding.noise:.1f} % a pair)"
    )
    if finding.ending is Ending.UNDECIDED:
        reason += f"; more than {finding.pairs} pairs would be needed"
    return Decision(finding.ending is Ending.FASTER, reason, figures)
