"""A request: the question that a strategy wants a model to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class StrategyError(Exception):
    """A strategy asked for something impossible, or failed; the message names it and says what it did."""


@dataclass(frozen=True)
class Request:
    """A question to put to a model: a better kernel than the first of `parents`.

    A strategy makes it without an id. The search numbers it, writes it into the journal before a model is asked, and
    tells it back with the evaluation.

    parents: ids of the entries to improve on; a second one is to be combined with the first.
    feedback: ids of the entries whose results the model is to learn from.
    model: the member of an ensemble to ask; None leaves the choice to the ensemble.
    parts: parts of the prompt to change for this request, by name (see PromptBuilder), e.g. {"history": 0}.
    note: JSON of the strategy's own, e.g. {"island": 2}.
    id: counts the requests of a run from 1, and names the run's files; 0 is a request that has no number yet.
    """

    parents: tuple[int, ...]
    feedback: tuple[int, ...] = ()
    model: str | None = None
    parts: Mapping[str, bool | int | str] = field(default_factory=dict)
    note: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
