"""The cost of a search of ten thousand evaluations: `python benchmarks/search.py [EVALUATIONS]`.

Processor time of this process, on a landscape, so that model, device and reference take nothing. The framework's share
of an iteration holds the prompt for a language model, the reading of the answer, the journal and the run's files. Its
limit is 25 ms, of which the strategy 1 ms; the journal is to load in 1 s, a run to be replayed in 10 s, in 200 MB.

A second table is by the wall clock: answers of a minute, on a scale of 1:20, one after the other and eight at once.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from metalsci.cli.strategy_ranking import make_strategy
from metalsci.evaluation.results import Evaluation, Outcome, Roofline, SizeResult, Timing
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.files.locations import data
from metalsci.models.protocol import Prompt, Response
from metalsci.msl.language.parse import Unit, parse
from metalsci.search.account import Account
from metalsci.search.archive import Archive
from metalsci.search.budget import Budget
from metalsci.search.conversation import Conversation
from metalsci.search.journal import Journal
from metalsci.search.loop import Search
from metalsci.search.proposer import Proposer
from metalsci.search.request import Request
from metalsci.search.run_folder import RunFolder
from metalsci.search.scheduling import Scheduling
from metalsci.search.strategies.protocol import Strategy
from metalsci.task.definition import TaskView

SEED = (data("tasks") / "lbm" / "seed.metal").read_text()
TASK = TaskView("lbm", (data("tasks") / "lbm" / "brief.md").read_text(), SEED, parse(SEED).kernels, ("a", "b", "c"))
ANSWER = 60.0 / 20  # seconds
FLIGHTS = (1, 8)
LATE = 200  # iterations at either end that are compared


class Answers:
    """A model that takes no time: the seed kernel with another constant."""

    name = "answers"

    def propose(self, prompt: Prompt) -> Response:
        return Response(f"Idea {prompt.iteration}.\n\n```metal\n{SEED}constant int V = {prompt.iteration};\n```\n")


class LateAnswers(Answers):
    """A model that takes its time."""

    name = "late answers"

    def propose(self, prompt: Prompt) -> Response:
        time.sleep(ANSWER)
        return super().propose(prompt)


class Timed:
    """A strategy whose processor time is recorded."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.seconds: list[float] = []

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        begin = time.process_time()
        requests = self.strategy.ask(archive, n)
        self.seconds.append(time.process_time() - begin)
        return requests

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        begin = time.process_time()
        self.strategy.tell(request, evaluation)
        self.seconds[-1] += time.process_time() - begin


class Clock:
    """A watcher that records the processor time between entries."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def step(self, text: str) -> None: ...

    def entry(self, archive: Archive) -> None:
        self.at.append(time.process_time())

    @property
    def between(self) -> list[float]:
        return [after - before for before, after in zip(self.at, self.at[1:], strict=False)]


def evaluate(source: str | Unit, progress: object) -> Evaluation:
    text = source if isinstance(source, str) else source.source
    value = 0.001 + hash(text) % 1000 / 1000
    timing = Timing(tuple(1e-3 + value * 1e-6 * i for i in range(10)))
    sizes = tuple(SizeResult(s, Outcome.SCORED, "fine", 0.1, timing, Roofline(value, 2.0, "GB/s")) for s in "abc")
    return Evaluation(Outcome.SCORED, sizes=sizes, score=0.1 + value)


def search(
    folder: Path, option: str, evaluations: int, model: Answers | None = None, in_flight: int = 1
) -> tuple[Timed, Clock]:
    watch, clock = Stopwatch(), Clock()
    strategy = Timed(make_strategy(data("conf") / "strategy" / f"{option}.yaml", 0))
    account, budget, files = Account(lambda: watch.total), Budget(evaluations), RunFolder(folder)
    journal = Journal(folder / "journal.jsonl", "benchmark", 0)
    conversation = Conversation(model or Answers(), budget, account, journal, files, watch)
    Search(
        task=TASK,
        propose=Proposer(TASK, conversation, files),
        evaluate=evaluate,
        strategy=strategy,
        budget=budget,
        journal=journal,
        account=account,
        flights=Scheduling(in_flight).flights(),
        watchers=(clock,),
        record=files.result,
    ).run()
    return strategy, clock


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


def main() -> None:
    evaluations = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    table = Table(title=f"a search of {evaluations:,} evaluations, processor time", title_justify="left")
    for name in ("strategy", "iteration, first", "last", "strategy's part", "load", "replay", "peak memory"):
        table.add_column(name, justify="right")
    for option in ("one_plus_one", "islands"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            strategy, clock = search(folder, option, evaluations)
            begin = time.process_time()
            for _ in Journal(folder / "journal.jsonl", "benchmark", 0).events():
                pass
            load = time.process_time() - begin
            begin = time.process_time()
            search(folder, option, evaluations)
            replay = time.process_time() - begin
        first, last = (1e3 * statistics.median(part) for part in (clock.between[:LATE], clock.between[-LATE:]))
        part = 1e3 * statistics.median(strategy.seconds[-LATE:])
        row = (f"{first:.2f} ms", f"{last:.2f} ms", f"{part:.3f} ms", f"{load:.2f} s", f"{replay:.2f} s")
        table.add_row(option, *row, f"{memory_mb():.0f} MB")
    Console().print(table)
    Console().print(side_by_side())


def side_by_side() -> Table:
    """Compare 25 answers of a minute one after the other with the same eight at once, on a scale of 1:20."""
    table = Table(title="25 answers of 60 s, on a scale of 1:20, wall clock", title_justify="left")
    for name in ("in flight", "seconds", "of the time of one at once"):
        table.add_column(name, justify="right")
    first = 0.0
    for in_flight in FLIGHTS:
        with tempfile.TemporaryDirectory() as name:
            begin = time.perf_counter()
            search(Path(name), "islands", 25, LateAnswers(), in_flight)
            seconds = time.perf_counter() - begin
        first = first or seconds
        table.add_row(str(in_flight), f"{seconds:.2f}", f"{seconds / first:.3f}")
    return table


if __name__ == "__main__":
    main()
