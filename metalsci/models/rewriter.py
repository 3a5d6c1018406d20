"""A model without a network: it answers a prompt with rewrites of the parent, drawn by the run's seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from metalsci.models.protocol import Prompt, Response
from metalsci.msl.language.parse import parse
from metalsci.msl.language.spelling import spelling
from metalsci.optimizer.bottlenecks import weighted
from metalsci.optimizer.catalogue import Catalogue, CatalogueEntry, adjusted, default_catalogue
from metalsci.optimizer.composer import Composer, Draft
from metalsci.optimizer.syntax.source import Source

_ATTEMPTS = 6
_NOTHING_NEW = "I have no rewrite left for this kernel that gives a source not tried before: here it is, unchanged."
_TOO_DEEP = "This kernel's expressions are nested too deeply for my rewrites: here it is, unchanged."


@dataclass(frozen=True)
class Rewriter:
    """Offline rewriter: composes source rewrites of the parent, needs no key and no network.

    - seed: of the draws. The same seed and iteration draw the same numbers: a run that resumes gets the answers it
      would have got.
    - most_rewrites: a proposal composes 1 to so many rewrites, each with its followers.
    - boldness: share of proposals that may hold a rewrite which is often wrong.
    - weights: how often a rewrite is drawn, by its name in the catalogue, instead of its usual weight; 0 leaves it out.
    - transforms: further catalogue entries by name, each with `rewrite`, `weight` and optionally `leads_to`,
      `undoes` and `bold`; see docs/extending/transform.md.
    - catalogue: the rewrites there are.
    """

    seed: int
    most_rewrites: int = 4
    boldness: float = 0.1
    weights: Mapping[str, float] = field(default_factory=dict)
    transforms: Mapping[str, CatalogueEntry] = field(default_factory=dict)
    catalogue: Catalogue = field(default_factory=default_catalogue, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "catalogue", adjusted(self.catalogue, self.transforms, self.weights))
        if self.most_rewrites < 1:
            raise ValueError(f"model.most_rewrites={self.most_rewrites}: at least 1")
        if not 0 <= self.boldness <= 1:
            raise ValueError(f"model.boldness={self.boldness}: a share, from 0 to 1")

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
        return Response(_answer(draft.sentences, draft.text, draft.drawn))

    def _new_draft(self, prompt: Prompt) -> Draft | None:
        """Return the first draft that is spelled like no source of this run."""
        rng = np.random.default_rng([self.seed, prompt.iteration])
        unchanged = spelling(prompt.parent)
        composer = Composer(weighted(self.catalogue, prompt.figures), rng)
        for draft in self._drafts(Draft(Source(prompt.parent)), composer, rng):
            if not draft.sentences:
                continue
            unit = parse(draft.text)
            if unit.form.spelling != unchanged and unit not in prompt.tried:
                return draft
        return None

    def _drafts(self, parent: Draft, composer: Composer, rng: np.random.Generator) -> Iterator[Draft]:
        """Yield compositions first; when those keep giving known sources, every single change there is."""
        for _ in range(_ATTEMPTS):
            rewrites = int(rng.integers(1, self.most_rewrites, endpoint=True))
            yield composer.compose(parent, rewrites, bold=bool(rng.random() < self.boldness))
        yield from composer.singles(parent)


def _answer(sentences: Sequence[str], source: str, drawn: Sequence[str] = ()) -> str:
    said = sentences[0]
    if len(sentences) > 1:
        said = "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1))
    if len(drawn) > 1:
        *others, last = drawn
        headline = f"{', '.join(others)} and {last}."
        said = f"{headline[0].upper()}{headline[1:]}\n\n{said}"
    fence = "```"
    while fence in source:
        fence += "`"
    return f"{said}\n\n{fence}metal\n{source.rstrip()}\n{fence}\n"
