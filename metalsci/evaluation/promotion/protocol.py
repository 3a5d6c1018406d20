"""The protocol of a promotion rule: who it compares, and what it decides.

A search asks its rule about every correct candidate. It writes the decision into the journal with the candidate's
evaluation, so that a resumed run is told the decision instead of measuring again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from metalsci.evaluation.results import Evaluation


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes the incumbent.

    reason: a sentence for a person. figures: what decided, by name (a ratio, a p-value, a number of pairs).
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
        """Decide about a challenger that is correct at every size. `progress` takes what is going on, in a few words.

        Never raises for what a candidate does.
        """
