"""The evaluations of a recorded search in the place of new ones, so that it can be repeated to the letter.

Which candidate becomes the incumbent hangs on timings, and no two runs measure the same. What the recorded search
decided by must decide again, or the next prompt is another one than that which was answered.
"""

from collections.abc import Callable
from dataclasses import replace

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.search.journal import Recording

Evaluate = Callable[[str, Callable[[str], None]], Evaluation]


def as_recorded(recording: Recording, otherwise: Evaluate) -> Evaluate:
    """Judges a source as the recorded search did, and with `otherwise` what that did not judge."""
    known = {
        entry.source: replace(entry.evaluation, phases={})  # no time was spent
        for entry in recording.entries
        if entry.source is not None and entry.evaluation.outcome is not Outcome.DUPLICATE
    }

    def evaluate(source: str, progress: Callable[[str], None]) -> Evaluation:
        return known.get(source) or otherwise(source, progress)

    return evaluate
