"""The evaluations of a recorded search in the place of new ones, so that it can be repeated to the letter.

Which candidate becomes the incumbent hangs on timings, and no two runs measure the same. What the recorded search
decided by must decide again, or the next prompt is another one than that which was answered.
"""

from dataclasses import replace

from metalsci.evaluation.promotion.protocol import Candidate, Decision, Promotion
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.msl.language.parse import Unit, as_unit
from metalsci.search.journal import Recording
from metalsci.search.proposal import Evaluate, Progress


def as_recorded(recording: Recording, otherwise: Evaluate) -> Evaluate:
    """Judges a source as the recorded search did, and with `otherwise` what that did not judge."""
    known = {
        entry.source: replace(entry.evaluation, phases={})  # no time was spent
        for entry in recording.entries
        if entry.source is not None and entry.evaluation.outcome is not Outcome.DUPLICATE
    }

    def evaluate(source: str | Unit, progress: Progress) -> Evaluation:
        return known.get(as_unit(source).source) or otherwise(source, progress)

    return evaluate


class DecidedAsRecorded:
    """A promotion rule that decides as the recorded search did, and as `otherwise` about what that did not judge."""

    def __init__(self, recording: Recording, otherwise: Promotion) -> None:
        self._otherwise = otherwise
        self._known = {entry.source: entry.decision for entry in recording.entries if entry.decision is not None}

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Progress) -> Decision:
        known = self._known.get(challenger.source)
        return known or self._otherwise.decide(incumbent, challenger, progress)
