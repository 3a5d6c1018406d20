"""The protocol of a promotion rule: the candidates that it compares, and its decision.

A search asks its rule about every correct candidate. It writes the decision into the journal with the candidate's
evaluation, so that a resumed run reads the decision instead of measuring again.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from metalsci.evaluation.results import Evaluation


@dataclass(frozen=True)
class Decision:
    """Decision of whether the challenger becomes the incumbent.

    reason: a sentence for a person. figures: the figures behind it, by name (a ratio, a p-value, a number of pairs).
    """

    promoted: bool
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


class Candidate(Protocol):
    """A source with its evaluation, as a search keeps them."""

    @property
    def source(self) -> str | None: ...

    @property
    def evaluation(self) -> Evaluation: ...


class Promotion(Protocol):
    """One question. A rule may run both kernels again (a paired test) before it answers."""

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Callable[[str], None]) -> Decision:
        """Decide about a challenger that is correct at every size. `progress` takes the current step, in a few words.

        Never raises for a candidate's faults.
        """


Draw = Callable[[], float]
"""Runs one pair: gives the log of incumbent time over challenger time, above zero if the challenger was faster."""


class PairingFailed(Exception):  # noqa: N818  (an act of a candidate: a decision against it, not an error)
    """Failure of one of two kernels while they were paired; the message says what happened."""


class Arena(Protocol):
    """A place in which two kernels run in turn."""

    def pair(self, incumbent: str, challenger: str) -> AbstractContextManager[Draw]:
        """Pair two kernels. Raises PairingFailed, as each draw may."""


class PromotionSettings(Protocol):
    """The settings of the config group `promotion`: a rule that has not begun yet."""

    def begin(self, arena: Arena, challengers: int) -> Promotion:
        """Make the rule of a run that judges at most so many challengers."""
