"""The exchange with a model over one request.

It stays within the budget, is on disk before anything else happens, and continues after a break.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.models.continuation import blocks, complete, join
from metalsci.models.errors import DeadlineError, ModelError, OutOfAnswersError
from metalsci.models.protocol import Expense, LanguageModel, Model, ModelCall, Prompt, Response, Stop
from metalsci.models.record import Answered
from metalsci.search.account import Account
from metalsci.search.budget import Budget
from metalsci.search.journal import Log
from metalsci.search.proposal import BudgetEnded, Progress
from metalsci.search.run_folder import RunFolder

LONGEST = 1_000_000  # characters of an answer; the longest kernels have a fiftieth of that
_REPLY = """Nobody is here who knows more than this:
{facts}

What is not among it is yours to decide. Answer now, with the kernel."""
_CUTS = 3  # answers that break off in one iteration before the connection is given up


class Conversation:
    """Dialogue with a model. It keeps nothing between two requests, so several may be under way."""

    def __init__(
        self,
        model: Model | LanguageModel,
        budget: Budget,
        account: Account,
        journal: Log,
        folder: RunFolder,
        stopwatch: Stopwatch,
    ) -> None:
        self.model = model
        self.budget = budget
        self.account = account
        self.journal = journal
        self.folder = folder
        self.stopwatch = stopwatch

    def answer(self, prompt: Prompt, heard: Sequence[Answered], progress: Progress) -> tuple[Response, float]:
        """Return the whole answer, and the seconds it took. The recorded parts in `heard` are not asked for again.

        Raises BudgetEnded before a first call that the budget does not allow, ModelError as the model does.
        """
        parts = list(heard)
        self._recover(prompt, parts)
        cuts = 0
        while wants_more([p.response for p in parts], may_ask=bool(prompt.facts)):
            ahead = _going_on(prompt, [p.response for p in parts])
            try:
                part = self._ask(ahead, len(parts), progress)
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
        return _answer_of([p.response for p in parts]), sum(p.seconds for p in parts)

    def aside(self, prompt: Prompt) -> Response | None:
        """Ask something that is no attempt; None if the budget does not allow it. The caller records the answer.

        Raises ModelError as the model does.
        """
        with self.account.reserve(self.budget, self._worst_case(prompt)) as limit:
            if limit is not None or not isinstance(self.model, LanguageModel):
                return None
            call = ModelCall(folder=self.folder.path, deadline=self._deadline())
            with self.stopwatch.phase("model"):
                try:
                    return shortened(self.model.propose(prompt, call))
                except (DeadlineError, OutOfAnswersError):
                    return None

    def _ask(self, prompt: Prompt, part: int, progress: Progress) -> Answered:
        with self.account.reserve(self.budget, self._worst_case(prompt)) as limit:
            if limit is not None:
                raise BudgetEnded(limit)
            if not part:
                self.folder.prompt(prompt)
            progress(f"waiting for {self.model.name}")
            begin = time.perf_counter()
            with self.stopwatch.phase("model"):
                try:
                    response = self._propose(prompt, part, progress)
                except DeadlineError as error:
                    raise BudgetEnded("minutes") from error
                except OutOfAnswersError as error:
                    progress(str(error))
                    raise BudgetEnded("answers") from error
            response = shortened(response)
            return self._keep(Answered(prompt.iteration, time.perf_counter() - begin, response, prompt.digest), part)

    def _worst_case(self, prompt: Prompt) -> Expense:
        if isinstance(self.model, LanguageModel):
            return self.model.worst_case(prompt)
        return Expense()

    def _keep(self, answered: Answered, part: int) -> Answered:
        self.journal.answer(answered)
        self.account.add(answered.response)
        self.folder.partial(answered.id, part).unlink(missing_ok=True)
        return answered

    def _propose(self, prompt: Prompt, part: int, progress: Progress) -> Response:
        if not isinstance(self.model, LanguageModel):
            return self.model.propose(prompt)
        with _spool(self.folder.partial(prompt.iteration, part)) as heard:
            return self.model.propose(prompt, ModelCall(progress, heard, self.folder.path, self._deadline()))

    def _deadline(self) -> float:
        if self.budget.minutes is None:
            return ModelCall().deadline
        return time.monotonic() + 60 * self.budget.minutes - self.stopwatch.total

    def _recover(self, prompt: Prompt, parts: list[Answered]) -> None:
        """Turn the text that a killed process had received into a part of the answer, like any part that broke off."""
        path = self.folder.partial(prompt.iteration, len(parts))
        if not isinstance(self.model, LanguageModel) or not path.exists():
            return
        text = path.read_bytes().decode(errors="ignore")
        if text:
            ahead = replace(prompt, said=join([p.response for p in parts]).text) if parts else prompt
            interrupted = Answered(prompt.iteration, 0.0, self.model.interrupted(ahead, text[:LONGEST]), ahead.digest)
            parts.append(self._keep(interrupted, len(parts)))
        path.unlink(missing_ok=True)


def shortened(response: Response) -> Response:
    """Cut off an answer of more than LONGEST characters, before anything reads it."""
    if max(len(response.text), len(response.reasoning)) <= LONGEST:
        return response
    stop = Stop.LENGTH if len(response.text) > LONGEST else response.stop
    return replace(response, text=response.text[:LONGEST], reasoning=response.reasoning[:LONGEST], stop=stop)


def _going_on(prompt: Prompt, parts: Sequence[Response]) -> Prompt:
    """Return the prompt for the next part of an answer: what was said, and a reply if that was a question."""
    if not parts:
        return prompt
    reply = ""
    if is_question(parts[-1]):
        reply = _REPLY.format(facts=prompt.facts)
    return replace(prompt, said=join(parts).text, reply=reply)


def _answer_of(parts: Sequence[Response]) -> Response:
    """Return the whole answer. A question that came before it is no part of it, but of its reasoning and its price."""
    if len(parts) == 1 or not is_question(parts[0]):
        return join(parts)
    question, answer = parts[0], join(parts[1:])
    told = [question.reasoning, f"It asked: {question.text.strip()}", answer.reasoning]
    return replace(join(parts), text=answer.text, reasoning="\n\n".join(filter(None, told)))


def is_question(response: Response) -> bool:
    """Check if an answer asks instead of answering: no code, and a question mark at its end."""
    text = response.text.rstrip(" \n*_`)\"'")
    return response.stop is Stop.END and text.endswith("?") and not blocks(response.text)


def wants_more(parts: Sequence[Response], *, may_ask: bool = False) -> bool:
    """Return True if nothing was asked yet, or the answer was cut off before its candidate was whole.

    Of the answers that reached their limit only the first is continued: a second one would reach it too.
    """
    if not parts:
        return True
    last = parts[-1].stop
    if sum(len(part.text) for part in parts) >= LONGEST:
        return False
    if may_ask and len(parts) == 1 and is_question(parts[0]):
        return True
    too_long = [p.stop for p in parts].count(Stop.LENGTH)
    return (last is Stop.CUT or (last is Stop.LENGTH and too_long == 1)) and not complete(join(parts).text)


@contextmanager
def _spool(path: Path) -> Iterator[Callable[[str], None]]:
    """Write the pieces of an answer to a file as they arrive. No piece, no file.

    The file outlives this process if it is killed.
    """
    with ExitStack() as stack:
        files: list[TextIO] = []

        def heard(piece: str) -> None:
            if not files:
                files.append(stack.enter_context(path.open("w", encoding="utf-8", newline="")))
            files[0].write(piece)
            files[0].flush()

        yield heard
