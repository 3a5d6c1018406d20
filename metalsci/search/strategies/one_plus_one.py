"""(1+1) evolution, as in the Metal-Sci paper (arXiv 2605.09708): one incumbent, one candidate a generation.

The model improves on the incumbent and sees the last candidate beside it, right or wrong. A candidate replaces the
incumbent when it is correct at every size and scores higher, which is what `History.incumbent` says; so this strategy
keeps no state of its own.
"""

from metalsci.search.history import Entry, History
from metalsci.search.strategies.protocol import Request


class OnePlusOne:
    def ask(self, history: History) -> Request:
        incumbent, last = history.incumbent, history.last
        return Request(parent=incumbent, feedback=(last,) if last is not incumbent else ())

    def tell(self, entry: Entry) -> None:
        """Nothing to learn beyond the history."""
