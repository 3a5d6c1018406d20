"""Compositions of rewrites: a source, the changes made in turn, and the sentences about them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metalsci.optimizer.catalogue import Catalogue
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.source import Source

_SOME_ONLY = 0.2  # how often a rewrite is made in some of its places only
_MOST_FOLLOWERS = 24
_MOST_SENTENCES = 3  # of one rewrite, before the rest is counted


@dataclass(frozen=True)
class Draft:
    """A source on its way to a proposal. `drawn` names the rewrites that were drawn, without their followers."""

    source: Source
    sentences: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return _without_double_blanks(self.source.text)

    def after(self, changes: Sequence[Change]) -> "Draft":
        said = list(dict.fromkeys(change.sentence for change in changes))
        if len(said) > _MOST_SENTENCES:
            more = len(said) - _MOST_SENTENCES
            said[_MOST_SENTENCES - 1 :] = [f"{said[_MOST_SENTENCES - 1]} The same for {more} more."]
        edits = [edit for change in changes for edit in change.edits]
        return replace(self, source=self.source.apply(edits), sentences=(*dict.fromkeys((*self.sentences, *said)),))


class Composer:
    """Composer of rewrites: draws them by weight among those that apply, and lets each be followed by others."""

    def __init__(self, catalogue: Catalogue, rng: np.random.Generator) -> None:
        self._catalogue = catalogue
        self._rng = rng

    def compose(self, parent: Draft, rewrites: int, bold: bool) -> Draft:
        """Make at most so many rewrites of different kinds, with followers; the parent itself if none applies."""
        draft = parent
        for _ in range(rewrites):
            drawn = self._draw(draft, bold)
            if drawn is None:
                break
            draft = self._follow(drawn)
        return draft

    def singles(self, parent: Draft) -> Iterator[Draft]:
        """Yield one draft for each change of each rewrite, the rewrites in random order, the bold ones last."""
        entries = list(self._catalogue.values())
        order = sorted(self._rng.permutation(len(entries)), key=lambda index: entries[index].bold)
        for index in order:
            for change in entries[index].rewrite.changes(parent.source):
                yield parent.after([change])

    def _draw(self, draft: Draft, bold: bool) -> Draft | None:
        """Return the draft after one more rewrite; None if none applies."""
        weights = {
            n: e.weight for n, e in self._catalogue.items() if (bold or not e.bold) and self._goes_with(n, draft)
        }
        while weights:
            name = self._pick(weights)
            changes = self._choose(name, draft)
            if changes:
                return replace(draft.after(changes), drawn=(*draft.drawn, name))
            del weights[name]
        return None

    def _goes_with(self, name: str, draft: Draft) -> bool:
        """Return True for a rewrite of no kind drawn before that undoes none of them."""
        one = self._catalogue[name]
        others = [self._catalogue[drawn] for drawn in draft.drawn]
        return one.undoes not in draft.drawn and not any(
            other.undoes == name or type(other.rewrite) is type(one.rewrite) for other in others
        )

    def _pick(self, weights: Mapping[str, float]) -> str:
        shares = np.array(list(weights.values()))
        return list(weights)[int(self._rng.choice(len(shares), p=shares / shares.sum()))]

    def _choose(self, name: str, draft: Draft) -> list[Change]:
        """Choose all changes that can be made together or, now and then, some of them; of a bold rewrite one."""
        entry = self._catalogue[name]
        changes = entry.rewrite.changes(draft.source)
        if not changes:
            return []
        if entry.bold:
            return [changes[int(self._rng.integers(len(changes)))]]
        if self._rng.random() < _SOME_ONLY:
            some = [change for change in changes if self._rng.random() < 0.5]
            return _compatible(some or changes[:1])
        return _compatible(changes)

    def _follow(self, draft: Draft) -> Draft:
        """Return the draft after the followers of its last rewrite, and their followers."""
        pending = [draft.drawn[-1]]
        for _ in range(_MOST_FOLLOWERS):
            if not pending:
                break
            for follower, probability in self._catalogue[pending.pop(0)].leads_to.items():
                if self._rng.random() < probability:
                    changes = _compatible(self._catalogue[follower].rewrite.changes(draft.source))
                    if changes:
                        draft = draft.after(changes)
                        pending.append(follower)
        return draft


def _compatible(changes: Iterable[Change]) -> list[Change]:
    """Keep the first of changes that collide."""
    chosen = list[Change]()
    for change in changes:
        if not change.collides(chosen):
            chosen.append(change)
    return chosen


def _without_double_blanks(text: str) -> str:
    """Close the gaps of several lines that removed statements leave."""
    lines = text.split("\n")
    kept = [line for i, line in enumerate(lines) if line.strip() or i == 0 or lines[i - 1].strip()]
    return "\n".join(kept)
