"""The one small protocol between a search and whoever writes kernels."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Prompt:
    """What a model is asked. A language model reads `system` and `user`; an offline model, which cannot read,
    works on the same facts as data.

    iteration: 1 for the first proposal; with the run's seed it fixes every random draw of an offline model.
    parent: source of the kernel to improve on (the incumbent, or the seed kernel).
    tried: sources already evaluated in this run, oldest first; proposing one again is a wasted iteration.
    """

    system: str
    user: str
    iteration: int
    parent: str
    tried: tuple[str, ...] = ()


@dataclass(frozen=True)
class Usage:
    """Tokens, as the provider counted them; an offline model uses none."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Response:
    """An answer: prose with one fenced `.metal` block in `text`. `cost` is in US dollars, None if unknown."""

    text: str
    reasoning: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0


class Model(Protocol):
    """Answers prompts. Raises nothing for a bad answer: an empty or useless text is the search's to judge."""

    @property
    def name(self) -> str: ...

    def propose(self, prompt: Prompt) -> Response: ...
