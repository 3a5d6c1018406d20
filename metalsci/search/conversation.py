"""One iteration's exchange with the model: within the budget, on disk before anything else happens, continued where it
was cut off."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.models.errors import DeadlineError, ModelError, OutOfAnswersError
from metalsci.models.protocol import Call, Expense, LanguageModel, Model, Prompt, Response, Stop
from metalsci.models.record import Answered
from metalsci.search.answer import complete, join
from metalsci.search.budget import Budget, Spent
from metalsci.search.journal import Journal
from metalsci.search.run_folder import RunFolder

_CUTS = 3  # answers that break off in one iteration before the connection is given up


class BudgetEnded(Exception):  # noqa: N818  (the regular end of a search, not an error)
    """The next call is not made. `limit` names what ended."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


class Conversation:
    """Asks a model, iteration by iteration, and keeps account of what it has used."""

    def __init__(
        self,
        model: Model | LanguageModel,
        budget: Budget,
        journal: Journal,
        folder: RunFolder,
        stopwatch: Stopwatch,
    ) -> None:
        self.model = model
        self.budget = budget
        self.journal = journal
        self.folder = folder
        self.stopwatch = stopwatch
        self._answers = {iteration: list(parts) for iteration, parts in journal.answers.items()}

    def spent(self, iterations: int) -> Spent:
        """By the first `iterations` proposals and all parts of the one under way."""
        parts = [p.response for i, answered in self._answers.items() if i <= iterations + 1 for p in answered]
        return Spent(
            iterations,
            self.stopwatch.total,
            sum(r.usage.total for r in parts),
            sum(r.cost or 0.0 for r in parts),
            sum(r.cost is None for r in parts),
            sum(r.usage.estimated for r in parts),
        )

    def answer(self, prompt: Prompt, step: Callable[[str], None]) -> tuple[Response, float]:
        """The whole answer, and the seconds it took. What the journal holds of it is not asked for again.

        Raises BudgetEnded before a first call that the budget does not allow, ModelError as the model does.
        """
        parts = self._answers.setdefault(prompt.iteration, [])
        self._recover(prompt, parts)
        cuts = 0
        while wants_more([p.response for p in parts]):
            ahead = replace(prompt, said=join([p.response for p in parts]).text) if parts else prompt
            limit = self.budget.ended_by(self.spent(prompt.iteration - 1), self._worst_case(ahead))
            try:
                if limit is not None:
                    raise BudgetEnded(limit)
                part = self._ask(ahead, len(parts), step)
            except BudgetEnded:
                if not parts:
                    raise
                break  # what there is of the answer was paid for; it is judged as it stands
            parts.append(part)
            cuts += part.response.stop is Stop.CUT
            if cuts == _CUTS:
                raise ModelError(
                    f"the answer of {self.model.name} broke off {cuts} times; what arrived is kept, and the answer "
                    "goes on from there when the run is resumed. Check the network, or raise model.transport.timeout"
                )
        return join([p.response for p in parts]), sum(p.seconds for p in parts)

    def _worst_case(self, prompt: Prompt) -> Expense:
        return self.model.worst_case(prompt) if isinstance(self.model, LanguageModel) else Expense()

    def _ask(self, prompt: Prompt, part: int, step: Callable[[str], None]) -> Answered:
        if not part:
            self.folder.prompt(prompt)
        step(f"waiting for {self.model.name}")
        begin = time.perf_counter()
        with self.stopwatch.phase("model"):
            try:
                response = self._propose(prompt, part, step)
            except DeadlineError as error:
                raise BudgetEnded("minutes") from error
            except OutOfAnswersError as error:
                step(str(error))
                raise BudgetEnded("answers") from error
        answered = Answered(prompt.iteration, time.perf_counter() - begin, response, prompt.digest)
        self.journal.append(answered)
        self.folder.partial(prompt.iteration, part).unlink(missing_ok=True)
        return answered

    def _propose(self, prompt: Prompt, part: int, step: Callable[[str], None]) -> Response:
        if not isinstance(self.model, LanguageModel):
            return self.model.propose(prompt)
        with _spool(self.folder.partial(prompt.iteration, part)) as heard:
            return self.model.propose(prompt, Call(step, heard, self.folder.path, self._deadline()))

    def _deadline(self) -> float:
        if self.budget.minutes is None:
            return Call().deadline
        return time.monotonic() + 60 * self.budget.minutes - self.stopwatch.total

    def _recover(self, prompt: Prompt, parts: list[Answered]) -> None:
        """What a killed process had received of an answer becomes a part of it, like any that broke off."""
        path = self.folder.partial(prompt.iteration, len(parts))
        if not isinstance(self.model, LanguageModel) or not path.exists():
            return
        if text := path.read_bytes().decode(errors="ignore"):
            ahead = replace(prompt, said=join([p.response for p in parts]).text) if parts else prompt
            parts.append(Answered(prompt.iteration, 0.0, self.model.interrupted(ahead, text), ahead.digest))
            self.journal.append(parts[-1])
        path.unlink()


def wants_more(parts: Sequence[Response]) -> bool:
    """Nothing was asked yet; or the answer was cut off before its candidate was whole. Of answers that reached their
    limit only the first is continued: a second one would reach it too."""
    if not parts:
        return True
    last = parts[-1].stop
    too_long = [p.stop for p in parts].count(Stop.LENGTH)
    return (last is Stop.CUT or (last is Stop.LENGTH and too_long == 1)) and not complete(join(parts).text)


@contextmanager
def _spool(path: Path) -> Iterator[Callable[[str], None]]:
    """Writes the pieces of an answer as they arrive; what the file holds outlives this process. No piece, no file."""
    with ExitStack() as stack:
        files: list[TextIO] = []

        def heard(piece: str) -> None:
            if not files:
                files.append(stack.enter_context(path.open("w", encoding="utf-8", newline="")))
            files[0].write(piece)
            files[0].flush()

        yield heard
