"""The search loop: ask, prompt, propose, judge, record, tell."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from metalsci.benchmark.evaluation import Evaluation, Outcome
from metalsci.benchmark.stopwatch import Stopwatch
from metalsci.benchmark.task import TaskView
from metalsci.models.protocol import Model, Response
from metalsci.search.answer import read_answer
from metalsci.search.budget import Budget
from metalsci.search.folder import RunFolder
from metalsci.search.history import Entry, History
from metalsci.search.journal import Answered, Journal, Judged
from metalsci.search.prompt import build_prompt
from metalsci.search.strategies.protocol import Strategy


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
    """A search that ran to its end, and which limit ended it."""

    history: History
    ended_by: str


class Search:
    """One search. Everything it needs is given to it; it holds no size, no device and no key.

    evaluate: source and a progress callback to an Evaluation, never raising for what a candidate does.
    """

    def __init__(
        self,
        *,
        task: TaskView,
        evaluate: Callable[[str, Callable[[str], None]], Evaluation],
        model: Model,
        strategy: Strategy,
        budget: Budget,
        journal: Journal,
        folder: RunFolder,
        watchers: Sequence[Watcher],
        stopwatch: Stopwatch,
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
        while not (ended_by := self.budget.ended_by(len(history.proposals), self.stopwatch.total)):
            entry = recorded.get(len(history.entries)) or self._iterate(history)
            history = history.add(entry)
            self.strategy.tell(entry)
            self._announce(history)
        return Finished(history, ended_by)

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
        prompt = build_prompt(self.task, history, self.strategy.ask(history))
        self.folder.prompt(prompt)
        answered = self.journal.answers.get(iteration)
        if answered is None:
            step(f"waiting for {self.model.name}")
            asked = time.perf_counter()
            with self.stopwatch.phase("model"):
                response = self.model.propose(prompt)
            answered = Answered(iteration, time.perf_counter() - asked, response)
            self.journal.append(answered)
        response = answered.response
        self.folder.response(iteration, response)
        source, evaluation = self._judge(response, history, step)
        seconds = {"model": answered.seconds, **evaluation.phases, "total": time.perf_counter() - begin}
        return self._record(Entry(iteration, source, evaluation, response, seconds))

    def _judge(
        self, response: Response, history: History, step: Callable[[str], None]
    ) -> tuple[str | None, Evaluation]:
        answer = read_answer(response.text, frozenset(s.name for s in self.task.signatures))
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

    def _announce(self, history: History) -> None:
        for watcher in self.watchers:
            watcher.entry(history)

    def _seed_complaint(self, evaluation: Evaluation) -> str:
        told = "\n".join(f"  {d}" for d in evaluation.diagnostics) or f"  {evaluation.message}"
        return f"the seed kernel of task {self.task.name} does not score ({evaluation.outcome}):\n{told}"
