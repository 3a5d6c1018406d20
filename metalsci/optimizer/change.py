"""The offer of a rewrite: edits that belong together, and the sentence that gives the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.syntax.source import Source


@dataclass(frozen=True)
class Change:
    """One way to change a source. `sentence` explains it to a reader of the answer."""

    sentence: str
    edits: tuple[Edit[str], ...]

    def collides(self, others: Sequence["Change"]) -> bool:
        return any(mine.overlaps(theirs) for other in others for theirs in other.edits for mine in self.edits)


class Rewrite(Protocol):
    """A kind of change. It may be wrong for a source; it never raises and never breaks the syntax."""

    def changes(self, source: Source) -> Sequence[Change]:
        """Return every place where the rewrite applies, best first; none if it does not.

        Changes that do not collide may be made together.
        """
