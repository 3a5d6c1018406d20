"""The search loop: ask, prompt, propose, judge, record, tell."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from metalsci.evaluation.promotion.protocol import Decision, Promotion
from metalsci.evaluation.promotion.strict import Strict
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.protocol import Chooser, Learner
from metalsci.models.record import Answered
from metalsci.msl.diagnostics import render
from metalsci.msl.language.parse import Unit, as_unit
from metalsci.search.account import Account
from metalsci.search.archive import Archive, Entry
from metalsci.search.asking import CheckedStrategy
from metalsci.search.budget import Budget, Spent
from metalsci.search.distilling import Distiller
from metalsci.search.flights import Flights, InTurn, Landed
from metalsci.search.journal import Asked, Learned, Log
from metalsci.search.lessons import Lessons
from metalsci.search.likeness import Neighbours
from metalsci.search.proposal import BudgetEnded, Evaluate, Job, Progress, Proposal, Propose
from metalsci.search.request import Request, StrategyError
from metalsci.search.spoken_words import Steering, Unsteered, Word
from metalsci.search.strategies.protocol import Strategy
from metalsci.task.definition import TaskView


class SeedKernelError(Exception):
    """The task's own seed kernel does not score, so there is nothing to improve on."""


class StartError(Exception):
    """The kernel that was given as a start does not score; the message says why."""


class Watcher(Protocol):
    """Follower of a search: the console, or another observer."""

    def step(self, text: str) -> None:
        """Show the current step, in a few words."""

    def entry(self, archive: Archive) -> None:
        """Follow the end of an iteration; its entry is the archive's last one."""


@dataclass(frozen=True)
class Finished:
    """A search that ran to its end, and the limit that ended it.

    The limit is the budget's, or `answers` if the model had no further one to give.
    """

    archive: Archive
    ended_by: str
    spent: Spent


class Search:
    """One search. Everything it needs is given to it; it holds no size, no device, no file and no key.

    propose, evaluate: see metalsci.search.proposal.
    promotion: decides when a challenger becomes the incumbent.
    learner: the model, if it wants to know the results of its answers or chooses among members.
    start: source of the first incumbent; None for the seed kernel, which stays the baseline of all speedups.
    flights: how many answers may be under way.
    lessons: those to begin with. distiller: draws those of this search; None for none.
    steering: where a person's words are found while the search runs.
    record: takes each new entry once it is journalled, e.g. to write it into a folder.
    """

    def __init__(
        self,
        *,
        task: TaskView,
        propose: Propose,
        evaluate: Evaluate,
        strategy: Strategy,
        budget: Budget,
        journal: Log,
        promotion: Promotion | None = None,
        learner: object = None,
        start: str | None = None,
        account: Account | None = None,
        flights: Flights | None = None,
        lessons: Lessons | None = None,
        distiller: Distiller | None = None,
        watchers: Sequence[Watcher] = (),
        steering: Steering | Unsteered | None = None,
        record: Callable[[Entry], object] = lambda entry: None,
    ) -> None:
        self.task = task
        self.propose = propose
        self.evaluate = evaluate
        self.promotion = promotion or Strict()
        self.strategy = CheckedStrategy(strategy, learner if isinstance(learner, Chooser) else None)
        self.budget = budget
        self.journal = journal
        self.start = start
        self.learner = learner if isinstance(learner, Learner) else None
        self.account = account or Account()
        self.flights = InTurn() if flights is None else flights  # none under way is false
        self.lessons = lessons or Lessons()
        self.distiller = distiller
        self.watchers = watchers
        self.steering = steering or Unsteered()
        self.record = record
        self._neighbours = Neighbours()
        self._ended_by: str | None = None
        self._error: Exception | None = None

    def run(self) -> Finished:
        """Search until the budget ends. Entries that the journal already holds are told again and cost nothing.

        Raises SeedKernelError if the seed kernel does not score, StrategyError for a strategy that fails, OSError if
        the run folder cannot be written, and whatever the model raises if it cannot go on. The journal is whole in each
        case, and answers that were under way have been kept.
        """
        archive = self._repeat()
        while True:
            self._ask(archive)
            if not self.flights:
                break
            self._land(self.flights.take(), archive)
        if self._error is not None:
            raise self._error
        return Finished(archive, self._ended_by or "iterations", self.account.spent(archive.attempts))

    def _repeat(self) -> Archive:
        """Ask and tell again, in the recorded order; start the requests without an evaluation."""
        archive: Archive | None = None
        given: list[Entry] = []
        for event in self.journal.events():
            if isinstance(event, Answered):
                self.account.add(event.response)
                continue
            if isinstance(event, Entry) and event.iteration == 0:
                given.append(event)
                continue
            archive = archive or self._begin(given)
            if isinstance(event, Entry):
                self._tell(event, archive)
                continue
            if isinstance(event, Learned):
                self._learn_lessons(event, archive)
                continue
            self._heed(event.word)
            if event.word.stop:
                self._ended_by = "a person"
                continue
            self.strategy.ask_again(archive, event)
            for request in event.requests:
                if request.id not in self.journal.judged:
                    heard = self.journal.heard.get(request.id, ())
                    self._start(request, self.propose(request, archive, heard))
        return archive or self._begin(given)

    def _begin(self, recorded: Sequence[Entry]) -> Archive:
        """Judge seed kernel and start, unless that is recorded. Raises SeedKernelError and StartError."""
        seed = recorded[0] if recorded else self._keep(self._judge_given(self.task.seed_kernel, "seed kernel"), None)
        if not seed.correct:
            told = self._complaint(seed.evaluation, self.task.seed_kernel)
            raise SeedKernelError(f"the seed kernel of task {self.task.name} does not score {told}")
        archive = Archive(seed)
        archive.learn(self.lessons)
        self._announce(archive)
        start = recorded[1] if len(recorded) > 1 else self._judge_start()
        if start is not None:
            archive.start_from(start)
            self._announce(archive)
        return archive

    def _judge_start(self) -> Entry | None:
        """Judge the kernel that was given as a start; None without one, or if it is the seed kernel again.

        The best of a run that found nothing is the seed kernel. Raises StartError.
        """
        if self.start is None:
            return None
        start = self._judge_given(self.start, "start")
        if start.evaluation.outcome is Outcome.DUPLICATE:
            return None
        if not start.correct:
            raise StartError(
                f"the kernel given as start does not score {self._complaint(start.evaluation, self.start)}"
            )
        return self._keep(replace(start, decision=Decision(True, "given as the start")), None)

    def _judge_given(self, source: str, name: str) -> Entry:
        begin = time.perf_counter()
        evaluation = self.evaluate(source, self._progress(name))
        seconds = {**evaluation.phases, "total": time.perf_counter() - begin}
        return Entry(0, source, evaluation, seconds=seconds, spelling=as_unit(source).form.spelling)

    def _ask(self, archive: Archive) -> None:
        """Ask for as many requests as the budget and the answers under way leave room for."""
        while self._ended_by is None and self._error is None and len(self.flights) < self.flights.most:
            word, files = self.steering.waiting()
            self._heed(word)
            if word.stop:
                self._ended_by = "a person"
                self.journal.ask(Asked(0, (), word))
                self.steering.take(files)
                return
            speedup = archive.self_speedup(archive.incumbent) or 0.0
            self._ended_by = self.budget.reached(speedup, archive.stale) or self.budget.ended_by(
                self.account.spent(self.strategy.asked)
            )
            if self._ended_by is not None:
                return
            self._distil(archive)
            room = min(self.flights.most - len(self.flights), self.budget.iterations - self.strategy.asked)
            requests = self.strategy.ask(archive, room, word.note)
            if not requests and not self.flights:
                raise StrategyError(f"strategy {self.strategy.name} asked for nothing, and nothing is under way")
            if not requests:
                return
            # before they are journalled: a request that cannot be put into a prompt must not be met again on resumption
            jobs = [self.propose(request, archive, ()) for request in requests]
            self.journal.ask(Asked(room, requests, word))
            self.steering.take(files)
            for request, job in zip(requests, jobs, strict=True):
                self._start(request, job)

    def _distil(self, archive: Archive) -> None:
        """Draw lessons when it is time to; on disk before a prompt shows them."""
        if self.distiller is None or not self.distiller.is_due(archive):
            return
        self._progress(f"iteration {archive.last.iteration}")("drawing lessons")
        learned = self.distiller.distil(archive)
        self.journal.learn(learned)
        self._learn_lessons(learned, archive)

    def _learn_lessons(self, learned: Learned, archive: Archive) -> None:
        archive.learn(learned.lessons)
        if learned.response is not None:
            self.account.add(learned.response)
        if self.distiller is not None:
            self.distiller.note(learned)

    def _heed(self, word: Word) -> None:
        """Take another budget from a person; a search that has more to do than it asks for goes on."""
        if word.iterations is not None:
            self.budget = replace(self.budget, iterations=word.iterations)

    def _start(self, request: Request, job: Job) -> None:
        self.flights.start(request, job, self._progress(f"iteration {request.id}"))

    def _land(self, landed: Landed, archive: Archive) -> None:
        """Judge an answer and tell the strategy. A request without an answer stays open until the run is resumed."""
        match landed.result:
            case BudgetEnded(limit=limit):
                self._ended_by = self._ended_by or limit
            case Exception() as error:
                self._error = self._error or error
            case BaseException() as stop:
                raise stop
            case proposal:
                self._tell(self._judge(landed, proposal, archive), archive)

    def _judge(self, landed: Landed, proposal: Proposal, archive: Archive) -> Entry:
        begin = time.perf_counter()
        progress = self._progress(f"iteration {landed.request.id}")
        entry = self._best_of(landed.request, proposal, archive, progress)
        evaluation = entry.evaluation
        judged = time.perf_counter()
        if entry.correct:
            entry = replace(entry, decision=self.promotion.decide(archive.incumbent, entry, progress))
        end = time.perf_counter()
        seconds = {
            "model": proposal.seconds,
            **evaluation.phases,
            "promotion": end - judged,
            # an answer that a process before this one had heard took its time there
            "total": max(landed.seconds, proposal.seconds) + end - begin,
        }
        return self._keep(replace(entry, seconds=seconds), proposal.text)

    def _best_of(self, request: Request, proposal: Proposal, archive: Archive, progress: Progress) -> Entry:
        """Judge the candidates of an answer. The best one becomes the entry, with a line on each other."""
        if proposal.source is None:
            failure = proposal.failure or Evaluation(Outcome.NO_CODE, "the answer holds no candidate")
            return Entry(request.id, None, failure, request, proposal.reply)
        judged: dict[str, tuple[Entry, Unit]] = {}
        for number, candidate in enumerate((proposal.unit or proposal.source, *proposal.others), start=1):
            unit = as_unit(candidate)
            if number > 1:
                progress(f"candidate {number} of the answer")
            if unit.form.spelling in judged:
                continue
            evaluation = self._evaluate(candidate, unit.form.spelling, archive, progress)
            entry = Entry(request.id, unit.source, evaluation, request, proposal.reply, spelling=unit.form.spelling)
            judged[unit.form.spelling] = (entry, unit)
        entries = [entry for entry, _ in judged.values()]
        best = max(entries, key=lambda each: (each.correct, each.score, each.evaluation.outcome is Outcome.WRONG))
        also = [f"candidate {i}: {_told(each)}" for i, each in enumerate(entries, start=1) if each is not best]
        _, unit = judged[best.spelling]
        return replace(best, also=tuple(also), likeness=self._neighbours.nearest(best, unit.form.structure, archive))

    def _evaluate(self, candidate: str | Unit, spelled: str, archive: Archive, progress: Progress) -> Evaluation:
        twin = archive.twin(spelled)
        if twin is not None:
            return Evaluation(Outcome.DUPLICATE, _same_program(twin))
        return self.evaluate(candidate, progress)

    def _keep(self, entry: Entry, answer: str | None) -> Entry:
        self.journal.judge(entry, answer)
        self.record(entry)
        return entry

    def _tell(self, entry: Entry, archive: Archive) -> None:
        self._learn(entry, archive)
        archive.add(entry)
        if entry.request is not None:
            self.strategy.tell(entry.request, entry.evaluation)
        self._announce(archive)

    def _learn(self, entry: Entry, archive: Archive) -> None:
        if self.learner is not None and entry.reply is not None:
            rise = entry.score / archive.incumbent.score if entry.promoted else 1.0
            self.learner.learn(entry.reply, max(0.0, math.log(rise)))

    def _progress(self, what: str) -> Progress:
        def progress(doing: str) -> None:
            for watcher in self.watchers:
                watcher.step(f"{what}: {doing}")

        return progress

    def _announce(self, archive: Archive) -> None:
        for watcher in self.watchers:
            watcher.entry(archive)

    def _complaint(self, evaluation: Evaluation, source: str) -> str:
        told = render(evaluation.diagnostics, source, "caret") or f"  {evaluation.message}"
        return f"({evaluation.outcome}):\n{told}"


def _same_program(twin: Entry) -> str:
    which = f"iteration {twin.iteration}" if twin.iteration else "the seed kernel"
    return f"the same program as {which}, comments, names and the order of declarations aside"


def _told(entry: Entry) -> str:
    if entry.correct:
        return f"correct, score {entry.score:.4f}"
    return f"{entry.evaluation.outcome}: {entry.evaluation.message[:160]}"
