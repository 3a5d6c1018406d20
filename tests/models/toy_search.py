"""A whole search, but for the device: the score of a candidate is the number that it writes."""

from pathlib import Path

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.models.protocol import LanguageModel, Model
from metalsci.msl.language.parse import parse
from metalsci.search.budget import Budget
from metalsci.search.history import History
from metalsci.search.journal import Journal
from metalsci.search.loop import Finished, Search
from metalsci.search.prompting.prompt_builder import PromptBuilder
from metalsci.search.replayed_evaluations import Evaluate
from metalsci.search.run_folder import RunFolder
from metalsci.search.strategies.one_plus_one import OnePlusOne
from metalsci.task.definition import TaskView

SEED = "kernel void step(device float *u, uint i [[thread_position_in_grid]]) { u[i] = 0;\n}"
TASK = TaskView("toy", "Write zeros.", SEED, parse(SEED).kernels, ("N=8",))


def fence(value: int) -> str:
    return f"Idea {value}.\n```metal\n{SEED.replace('= 0', f'= {value}')}\n```\n"


def judge(source, progress) -> Evaluation:
    return Evaluation(Outcome.SCORED, score=1.0 + int(source.split("u[i] = ")[1].split(";")[0]))


class Steps:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def step(self, text: str) -> None:
        self.told.append(text)

    def entry(self, history: History) -> None: ...


def search(
    folder: Path,
    model: Model | LanguageModel,
    budget: Budget,
    steps: Steps | None = None,
    evaluate: Evaluate = judge,
    prompts: PromptBuilder | None = None,
) -> Finished:
    return Search(
        task=TASK,
        evaluate=evaluate,
        model=model,
        strategy=OnePlusOne(),
        budget=budget,
        journal=Journal(folder / "journal.jsonl", "x", 7),
        folder=RunFolder(folder),
        watchers=(steps or Steps(),),
        stopwatch=Stopwatch(),
        prompts=prompts,
    ).run()
