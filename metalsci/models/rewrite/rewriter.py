"""A model without a network: it answers a prompt with rewrites of the parent, drawn by the run's seed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from metalsci.models.protocol import Prompt, Response
from metalsci.models.rewrite.catalogue import Catalogue, default_catalogue
from metalsci.models.rewrite.change import Change, Rewrite
from metalsci.models.rewrite.syntax.source import Source
from metalsci.msl.lexer import tokenize

_ATTEMPTS = 6
_MOST_FOLLOWERS = 24
_MOST_SENTENCES = 3  # of one rewrite, before the rest is counted
_NOTHING_NEW = "I have no rewrite left for this kernel that gives a source not tried before: here it is, unchanged."
_TOO_DEEP = "This kernel's expressions are nested too deeply for my rewrites: here it is, unchanged."


@dataclass(frozen=True)
class Rewriter:
    """Composes up to `most_rewrites` source rewrites of the parent, each with what it exposes.

    The same seed and iteration draw the same numbers: a run that resumes gets the answers it would have got.
    """

    seed: int
    most_rewrites: int = 4
    catalogue: Catalogue = field(default_factory=default_catalogue, repr=False)

    @property
    def name(self) -> str:
        return "rewrite"

    def propose(self, prompt: Prompt) -> Response:
        try:
            draft = self._new_draft(prompt)
        except RecursionError:  # expressions hundreds of parentheses deep, which no rewrite is for
            return Response(_answer((_TOO_DEEP,), prompt.parent))
        if draft is None:
            return Response(_answer((_NOTHING_NEW,), prompt.parent))
        return Response(_answer(draft.sentences, draft.text))

    def _new_draft(self, prompt: Prompt) -> "Draft | None":
        """The first draft that is spelled like no source of this run."""
        rng = np.random.default_rng([self.seed, prompt.iteration])
        known = {spelling(source) for source in (prompt.parent, *prompt.tried)}
        drafts = self._drafts(Draft(Source(prompt.parent)), rng)
        return next((d for d in drafts if d.sentences and spelling(d.text) not in known), None)

    def _drafts(self, parent: "Draft", rng: np.random.Generator) -> Iterator["Draft"]:
        """Compositions first; when those keep giving what is known, every single change there is."""
        composer = Composer(self.catalogue, rng)
        for _ in range(_ATTEMPTS):
            yield composer.compose(parent, rewrites=int(rng.integers(1, self.most_rewrites, endpoint=True)))
        yield from composer.singles(parent)


def spelling(source: str) -> tuple[bytes, ...]:
    """What two sources must differ in to differ: their tokens, comments and blanks aside."""
    return tuple(token.text for token in tokenize(source.encode(errors="replace")) if token.kind != "comment")


@dataclass(frozen=True)
class Draft:
    """A source on its way to a proposal, with what has been done to it."""

    source: Source
    sentences: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return _without_double_blanks(self.source.text)

    def after(self, changes: Sequence[Change]) -> "Draft":
        edits = [edit for change in changes for edit in change.edits]
        new = list(dict.fromkeys(change.sentence for change in changes))
        if len(new) > _MOST_SENTENCES:
            more = len(new) - _MOST_SENTENCES + 1
            new[_MOST_SENTENCES - 1 :] = [f"{new[_MOST_SENTENCES - 1]} The same for {more - 1} more."]
        return Draft(self.source.apply(edits), tuple(dict.fromkeys((*self.sentences, *new))))


class Composer:
    """Draws rewrites by weight among those that apply, and lets each be followed by what it exposes."""

    def __init__(self, catalogue: Catalogue, rng: np.random.Generator) -> None:
        self._catalogue = catalogue
        self._rng = rng

    def compose(self, parent: Draft, rewrites: int) -> Draft:
        draft, kinds = parent, set[type[Rewrite]]()
        for _ in range(rewrites):
            drawn = self._draw(draft, kinds)
            if drawn is None:
                break
            draft = self._follow(*drawn)
            kinds.add(type(self._catalogue[drawn[1]].rewrite))
        return draft

    def singles(self, parent: Draft) -> Iterator[Draft]:
        """One draft for each change of each rewrite, the rewrites in random order."""
        names = list(self._catalogue)
        for index in self._rng.permutation(len(names)):
            for change in self._catalogue[names[index]].rewrite.changes(parent.source):
                yield parent.after([change])

    def _draw(self, draft: Draft, but: Collection[type[Rewrite]]) -> tuple[Draft, str] | None:
        """The draft after one rewrite of a kind not drawn before, and which; None if none applies."""
        weights = {name: e.weight for name, e in self._catalogue.items() if e.weight and type(e.rewrite) not in but}
        while weights:
            name = self._pick(weights)
            entry = self._catalogue[name]
            changes = self._choose(entry.rewrite.changes(draft.source), entry.together)
            if changes:
                return draft.after(changes), name
            del weights[name]
        return None

    def _pick(self, weights: Mapping[str, float]) -> str:
        shares = np.array(list(weights.values()))
        return list(weights)[int(self._rng.choice(len(shares), p=shares / shares.sum()))]

    def _choose(self, changes: Sequence[Change], together: bool) -> list[Change]:
        """All changes that can be made together, or, now and then, some of them."""
        if not together:
            return [changes[int(self._rng.integers(len(changes)))]] if changes else []
        some = self._rng.random() < 0.2
        chosen = list[Change]()
        for change in changes:
            if (not some or self._rng.random() < 0.5) and not change.collides(chosen):
                chosen.append(change)
        return chosen or list(changes[:1])

    def _follow(self, draft: Draft, name: str) -> Draft:
        pending = [name]
        for _ in range(_MOST_FOLLOWERS):
            if not pending:
                break
            for follower, probability in self._catalogue[pending.pop(0)].leads_to.items():
                if self._rng.random() < probability:
                    changes = self._catalogue[follower].rewrite.changes(draft.source)
                    chosen = [c for i, c in enumerate(changes) if not c.collides(changes[:i])]
                    if chosen:
                        draft = draft.after(chosen)
                        pending.append(follower)
        return draft


def _without_double_blanks(text: str) -> str:
    """Statements that were taken away leave no gaps of several lines."""
    lines = text.split("\n")
    kept = [line for i, line in enumerate(lines) if line.strip() or i == 0 or lines[i - 1].strip()]
    return "\n".join(kept)


def _answer(sentences: Sequence[str], source: str) -> str:
    if len(sentences) == 1:
        said = sentences[0]
    else:
        said = "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1))
    return f"{said}\n\n```metal\n{source.rstrip()}\n```\n"
