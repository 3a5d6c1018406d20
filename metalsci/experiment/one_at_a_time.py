"""One kernel at a time on the device, whoever asks: the search, or a model that works with tools."""

from contextlib import AbstractContextManager

from metalsci.evaluation.promotion.protocol import Candidate, Decision, Promotion
from metalsci.evaluation.results import Evaluation
from metalsci.msl.language.parse import Unit
from metalsci.search.proposal import Evaluate, Progress


def locked(evaluate: Evaluate, lock: AbstractContextManager[object]) -> Evaluate:
    """Evaluate under a lock."""

    def evaluate_alone(source: str | Unit, progress: Progress) -> Evaluation:
        with lock:
            return evaluate(source, progress)

    return evaluate_alone


class LockedPromotion:
    """A promotion rule that measures under a lock."""

    def __init__(self, promotion: Promotion, lock: AbstractContextManager[object]) -> None:
        self._promotion = promotion
        self._lock = lock

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Progress) -> Decision:
        with self._lock:
            return self._promotion.decide(incumbent, challenger, progress)
