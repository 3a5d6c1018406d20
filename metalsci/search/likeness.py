"""Near-duplicates: how much of a candidate's structure an earlier one has.

A candidate is compared with the seed kernel, the incumbent, its parents and the last candidates, so that an iteration
costs the same however long the search is: some 10 ms for the candidate's own structure, and microseconds for each other
one.
"""

from metalsci.msl.language.program_form import likeness
from metalsci.msl.language.spelling import structure
from metalsci.search.archive import Archive, Entry, Likeness

_RECENT = 64  # candidates that one is compared with


class Neighbours:
    """Finder of the earlier candidate that one is most like. It keeps the structures of those it compares with."""

    def __init__(self) -> None:
        self._known: dict[int, frozenset[int]] = {}

    def nearest(self, entry: Entry, own: frozenset[int], archive: Archive) -> Likeness | None:
        """Return the candidate of an archive that is nearest to an entry; of equally near ones the earliest.

        own: structure of the entry's source.
        """
        recent = (earlier.iteration for earlier in archive.recent(_RECENT))
        compared = sorted({archive.seed.iteration, archive.incumbent.iteration, *entry.parents, *recent})
        sources = {number: archive[number].source for number in compared}
        others = {
            number: self._known[number] if number in self._known else structure(source)
            for number, source in sources.items()
            if source is not None
        }
        self._known = {**others, entry.iteration: own}
        found = (Likeness(number, likeness(own, other)) for number, other in others.items())
        return max(found, key=lambda each: each.share, default=None)
