"""A whole search, except for the device: the score of a candidate is the number that it writes, plus one."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metalsci.evaluation.promotion.protocol import Decision, Promotion
from metalsci.evaluation.promotion.strict import Strict
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.models.protocol import LanguageModel, Model, Prompt, Response
from metalsci.msl.language.parse import as_unit, parse
from metalsci.msl.language.spelling import spelling
from metalsci.search.account import Account
from metalsci.search.archive import Archive, Entry
from metalsci.search.budget import Budget
from metalsci.search.conversation import Conversation
from metalsci.search.flights import Flights
from metalsci.search.journal import Journal
from metalsci.search.loop import Finished, Search
from metalsci.search.prompting.prompt_builder import PromptBuilder
from metalsci.search.proposal import Progress
from metalsci.search.proposer import Proposer
from metalsci.search.run_folder import RunFolder
from metalsci.search.spoken_words import Steering
from metalsci.search.strategies.one_plus_one import OnePlusOne
from metalsci.search.strategies.protocol import Strategy
from metalsci.task.definition import TaskView

SEED = "kernel void step(device float *u, uint i [[thread_position_in_grid]]) { u[i] = 0;\n}"
TASK = TaskView("toy", "Write zeros.", SEED, parse(SEED).kernels, ("N=8",))


def kernel(value: int) -> str:
    return SEED.replace("= 0", f"= {value}")


def fence(value: int) -> str:
    return f"Idea {value}.\n```metal\n{kernel(value)}\n```\n"


def value_of(source: str) -> int:
    (number,) = re.findall(r"u\[i\] = (-?\d+);", source)
    return int(number)


Judge = Callable[[str, Progress], Evaluation]


def judge(source: str, progress: Progress) -> Evaluation:
    """Judge a source; a negative number is wrong."""
    progress("looking")
    value = value_of(source)
    if value < 0:
        return Evaluation(Outcome.WRONG, "wrong at N=8: negative")
    return Evaluation(Outcome.SCORED, score=1.0 + value)


@dataclass
class Scripted:
    """A model that answers from a list."""

    answers: Sequence[str]
    name: str = "scripted"
    prompts: list[Prompt] = field(default_factory=list)

    def propose(self, prompt: Prompt) -> Response:
        self.prompts.append(prompt)
        return Response(self.answers[prompt.iteration - 1])


class Steps:
    """A watcher that remembers its calls."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def step(self, text: str) -> None:
        self.told.append(text)

    def entry(self, archive: Archive) -> None: ...


def search(
    folder: Path,
    model: Model | LanguageModel,
    budget: Budget,
    steps: Steps | None = None,
    evaluate: Judge = judge,
    prompts: PromptBuilder | None = None,
    strategy: Strategy | None = None,
    promotion: Promotion | None = None,
    flights: Flights | None = None,
    journal: Journal | None = None,
    start: str | None = None,
    steering: Steering | None = None,
) -> Finished:
    """Search in `folder`, continuing after the end of its journal."""
    watch = Stopwatch()
    account = Account(lambda: watch.total)
    journal, files = journal or Journal(folder / "journal.jsonl", "x", 7), RunFolder(folder)
    files.candidate(0, SEED)
    conversation = Conversation(model, budget, account, journal, files, watch)
    return Search(
        task=TASK,
        propose=Proposer(TASK, conversation, files, prompts),
        evaluate=lambda candidate, progress: evaluate(as_unit(candidate).source, progress),
        strategy=strategy or OnePlusOne(),
        budget=budget,
        journal=journal,
        promotion=promotion,
        learner=model,
        start=start,
        account=account,
        flights=flights,
        watchers=(steps or Steps(),),
        steering=steering,
        record=files.result,
    ).run()


def archive_of(seed: Entry, *entries: Entry) -> Archive:
    """Make an archive of these entries as a search does: spelled, and promoted by the strict rule if undecided."""
    archive = Archive(with_spelling(seed))
    for entry in entries:
        decision = entry.decision
        if decision is None and entry.correct:
            decision = Strict().decide(archive.incumbent, entry, print)
        archive.add(with_spelling(entry, decision))
    return archive


def with_spelling(entry: Entry, decision: Decision | None = None) -> Entry:
    return Entry(
        entry.iteration,
        entry.source,
        entry.evaluation,
        entry.request,
        entry.reply,
        entry.seconds,
        decision,
        spelling(entry.source) if entry.source is not None else "",
    )
