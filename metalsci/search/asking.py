"""Asking a strategy: its requests are checked and numbered, and its failures become one sentence."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from metalsci.evaluation.results import Evaluation
from metalsci.models.protocol import Chooser
from metalsci.search.archive import Archive
from metalsci.search.journal import Asked, JournalError
from metalsci.search.request import Request, StrategyError
from metalsci.search.strategies.protocol import Strategy


class CheckedStrategy:
    """A strategy whose requests are all checked before they are journalled and answered.

    chooser: names the member of an ensemble for a request that names none; None without an ensemble.
    """

    def __init__(self, strategy: Strategy, chooser: Chooser | None = None) -> None:
        self._strategy = strategy
        self._chooser = chooser
        self.name = type(strategy).__name__
        self.asked = 0

    def ask(self, archive: Archive, wanted: int, note: str = "") -> tuple[Request, ...]:
        """Return up to `wanted` numbered requests, a person's note in each. Raises StrategyError."""
        try:
            requests: list[Request] = list(self._strategy.ask(archive, wanted))
        except Exception as error:
            raise StrategyError(f"strategy {self.name} failed in ask: {type(error).__name__}: {error}") from error
        if len(requests) > wanted:
            raise StrategyError(f"strategy {self.name} was asked for {wanted} requests and gave {len(requests)}")
        numbered = []
        for request in requests:
            self._check(request, archive)
            self.asked += 1
            numbered.append(self._complete(_noted(request, note)))
        return tuple(numbered)

    def ask_again(self, archive: Archive, recorded: Asked) -> None:
        """Repeat a recorded call. Raises JournalError if other requests come, StrategyError as `ask` does."""
        again = self.ask(archive, recorded.wanted, recorded.word.note)
        if again == recorded.requests:
            return
        pairs = zip(recorded.requests, again, strict=False)
        first = next((old.id for old, new in pairs if old != new), self.asked)
        raise JournalError(
            f"strategy {self.name} asks otherwise than the journal has it, from request {first} on: the strategy, or "
            "its settings, changed since. Resume with the version that began the run, or start a new run"
        )

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        """Pass an evaluation to the strategy. Raises StrategyError."""
        try:
            self._strategy.tell(request, evaluation)
        except Exception as error:
            raise StrategyError(f"strategy {self.name} failed in tell: {type(error).__name__}: {error}") from error

    def _complete(self, request: Request) -> Request:
        model = request.model
        if model is None and self._chooser is not None:
            model = self._chooser.choose(self.asked)
        numbered = replace(request, id=self.asked, model=model)
        try:
            # as a resumed run will read it: JSON makes lists of tuples and strings of keys
            return msgspec.json.decode(msgspec.json.encode(numbered), type=Request)
        except (TypeError, msgspec.MsgspecError) as error:
            raise StrategyError(f"a request of strategy {self.name} cannot be journalled: {error}") from error

    def _check(self, request: Request, archive: Archive) -> None:
        """Raise StrategyError for a request that nobody could answer."""
        if not isinstance(request, Request):
            raise StrategyError(f"strategy {self.name} gave {request!r:.80} in the place of a Request")
        if not request.parents:
            raise StrategyError(f"strategy {self.name} gave a request without parents; entry 0 is the seed kernel")
        unknown = [i for i in _ids(request) if i not in archive]
        if unknown:
            raise StrategyError(
                f"strategy {self.name} named entry {unknown[0]!r}, which the archive of {len(archive)} does not have"
            )
        for parent in request.parents:
            if archive[parent].source is None:
                raise StrategyError(f"strategy {self.name} named entry {parent} as a parent, which has no source")


def _noted(request: Request, note: str) -> Request:
    """Add a note to what the strategy advises."""
    if not note:
        return request
    advice = "\n\n".join(filter(None, [str(request.parts.get("advice", "")), f"From the person who watches: {note}"]))
    return replace(request, parts={**request.parts, "advice": advice})


def _ids(request: Request) -> Sequence[int]:
    return (*request.parents, *request.feedback)
