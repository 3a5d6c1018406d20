"""(1+1) evolution, as in the Metal-Sci paper (arXiv 2605.09708): one incumbent, one candidate a generation.

The model improves on the incumbent and sees the last candidate next to it, right or wrong. The promotion rule of the
search decides when a candidate replaces the incumbent, so this strategy keeps no state of its own.
"""

from collections.abc import Sequence

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive
from metalsci.search.request import Request


class OnePlusOne:
    """(1+1) evolution: one incumbent, one candidate at a time."""

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        incumbent, last = archive.incumbent.iteration, archive.last.iteration
        feedback = (last,) if last != incumbent else ()
        return [Request(parents=(incumbent,), feedback=feedback) for _ in range(n)]

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        """Ignore the result: the archive has everything that this strategy needs."""
