"""The strategy protocol. A strategy touches neither device nor model, so any search replays in milliseconds."""

from dataclasses import dataclass
from typing import Protocol

from metalsci.search.history import Entry, History


@dataclass(frozen=True)
class Request:
    """What to ask the model for: a better kernel than `parent`, with the results of `feedback` to learn from."""

    parent: Entry
    feedback: tuple[Entry, ...]


class Strategy(Protocol):
    def ask(self, history: History) -> Request:
        """The next request. The history holds at least the seed kernel."""

    def tell(self, entry: Entry) -> None:
        """What came of the request. On resumption recorded entries are told again, in order."""
