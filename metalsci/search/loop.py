"""The search loop: ask, prompt, propose, judge, record, tell."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.models.protocol import LanguageModel, Learner, Model, Response
from metalsci.search.answer import read_answer
from metalsci.search.budget import Budget, Spent
from metalsci.search.conversation import BudgetEnded, Conversation
from metalsci.search.history import Entry, History
from metalsci.search.journal import Journal, Judged
from metalsci.search.prompting.prompt_builder import PromptBuilder
from metalsci.search.run_folder import RunFolder
from metalsci.search.strategies.protocol import Strategy
from metalsci.task.definition import TaskView


class SeedKernelError(Exception):
    """The task's own seed kernel does not score, so there is nothing to improve on."""


class Watcher(Protocol):
    """Whoever follows a search: the console, a tracker."""

    def step(self, text: str) -> None:
        """What is being done now, in a few words."""

    def entry(self, history: History) -> None:
        """An iteration ended; it is the history's last entry."""


@dataclass(frozen=True)
class Finished:
    """A search that ran to its end, and which limit ended it: that of the budget, or `answers` where the model had no
    further one to give."""

    history: History
    ended_by: str
    spent: Spent


class Search:
    """One search. Everything it needs is given to it; it holds no size, no device and no key.

    evaluate: source and a progress callback to an Evaluation, never raising for what a candidate does.
    """

    def __init__(
        self,
        *,
        task: TaskView,
        evaluate: Callable[[str, Callable[[str], None]], Evaluation],
        model: Model | LanguageModel,
        strategy: Strategy,
        budget: Budget,
        journal: Journal,
        folder: RunFolder,
        watchers: Sequence[Watcher],
        stopwatch: Stopwatch,
        prompts: PromptBuilder | None = None,
    ) -> None:
        self.task = task
        self.evaluate = evaluate
        self.model = model
        self.strategy = strategy
        self.budget = budget
        self.journal = journal
        self.folder = folder
        self.watchers = watchers
        self.stopwatch = stopwatch
        self.prompts = prompts or PromptBuilder()
        self.conversation = Conversation(model, budget, journal, folder, stopwatch)

    def run(self) -> Finished:
        """Search until the budget ends. What the journal already holds is told again and costs nothing.

        Raises SeedKernelError when the seed kernel does not score, OSError when the run folder cannot be written,
        and whatever the model raises when it cannot go on; the journal is whole in each case.
        """
        recorded = {e.iteration: e for e in self.journal.entries}
        seed = recorded.get(0) or self._judge_seed()
        if not seed.evaluation.outcome.correct:
            raise SeedKernelError(self._seed_complaint(seed.evaluation))
        history = History((seed,))
        self._announce(history)
        while True:
            spent = self.conversation.spent(len(history.proposals))
            if ended_by := self.budget.ended_by(spent):
                return Finished(history, ended_by, spent)
            try:
                entry = recorded.get(len(history.entries)) or self._iterate(history)
            except BudgetEnded as ended:
                return Finished(history, ended.limit, spent)
            self._learn(history, entry)
            history = history.add(entry)
            self.strategy.tell(entry)
            self._announce(history)

    def _judge_seed(self) -> Entry:
        self.folder.candidate(0, self.task.seed_kernel)
        begin = time.perf_counter()
        evaluation = self.evaluate(self.task.seed_kernel, self._step("seed kernel"))
        seconds = {**evaluation.phases, "total": time.perf_counter() - begin}
        return self._record(Entry(0, self.task.seed_kernel, evaluation, seconds=seconds))

    def _iterate(self, history: History) -> Entry:
        begin = time.perf_counter()
        iteration = len(history.entries)
        step = self._step(f"iteration {iteration}")
        prompt = self.prompts.build(self.task, history, self.strategy.ask(history))
        response, waited = self.conversation.answer(prompt, step)
        self.folder.response(iteration, response)
        source, evaluation = self._judge(response, history, step)
        seconds = {"model": waited, **evaluation.phases, "total": time.perf_counter() - begin}
        return self._record(Entry(iteration, source, evaluation, response, seconds))

    def _judge(
        self, response: Response, history: History, step: Callable[[str], None]
    ) -> tuple[str | None, Evaluation]:
        answer = read_answer(response, frozenset(s.name for s in self.task.signatures))
        if answer.source is None:
            return None, Evaluation(answer.outcome or Outcome.NO_CODE, answer.message)
        self.folder.candidate(len(history.entries), answer.source)
        if answer.source in history.tried:
            twin = next(e for e in history.entries if e.source == answer.source)
            return answer.source, Evaluation(Outcome.DUPLICATE, f"the same source as iteration {twin.iteration}")
        return answer.source, self.evaluate(answer.source, step)

    def _record(self, entry: Entry) -> Entry:
        self.journal.append(Judged(entry))
        self.folder.result(entry)
        return entry

    def _step(self, what: str) -> Callable[[str], None]:
        def step(doing: str) -> None:
            for watcher in self.watchers:
                watcher.step(f"{what}: {doing}")

        return step

    def _learn(self, history: History, entry: Entry) -> None:
        if isinstance(self.model, Learner) and entry.response is not None:
            rise = max(entry.score, history.incumbent.score) / history.incumbent.score
            self.model.learn(entry.response, math.log(rise))

    def _announce(self, history: History) -> None:
        for watcher in self.watchers:
            watcher.entry(history)

    def _seed_complaint(self, evaluation: Evaluation) -> str:
        told = "\n".join(f"  {d}" for d in evaluation.diagnostics) or f"  {evaluation.message}"
        return f"the seed kernel of task {self.task.name} does not score ({evaluation.outcome}):\n{told}"
