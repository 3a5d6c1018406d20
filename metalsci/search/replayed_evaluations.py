"""The evaluations of a recorded search instead of new ones, so that it can be repeated exactly.

The choice of the incumbent depends on timings, and no two runs measure the same. The recorded decisions must be made
again: otherwise the next prompt differs from the one that was answered.
"""

from dataclasses import replace

from metalsci.evaluation.promotion.protocol import Candidate, Decision, Promotion
from metalsci.evaluation.results import Evaluation
from metalsci.msl.language.parse import Unit, as_unit
from metalsci.search.journal import Recording
from metalsci.search.proposal import Evaluate, Progress


def as_recorded(recording: Recording, otherwise: Evaluate) -> Evaluate:
    """Judge a source as the recorded search did, and new sources with `otherwise`."""
    known: dict[str, Evaluation] = {}
    for entry in recording.entries:
        if entry.source is not None:  # the first one counts: what comes again is a duplicate of it
            known.setdefault(entry.source, replace(entry.evaluation, phases={}))  # no time was spent

    def evaluate(source: str | Unit, progress: Progress) -> Evaluation:
        return known.get(as_unit(source).source) or otherwise(source, progress)

    return evaluate


class DecidedAsRecorded:
    """A promotion rule that repeats the decisions of the recorded search, and asks `otherwise` about new sources."""

    def __init__(self, recording: Recording, otherwise: Promotion) -> None:
        self._otherwise = otherwise
        self._known = {entry.source: entry.decision for entry in recording.entries if entry.decision is not None}

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Progress) -> Decision:
        known = self._known.get(challenger.source)
        return known or self._otherwise.decide(incumbent, challenger, progress)
