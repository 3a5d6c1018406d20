"""The loop with a model and an evaluation that are plain functions: no device, no process, milliseconds."""

from dataclasses import dataclass, field

import pytest

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.models.protocol import Prompt, Response
from metalsci.msl.language.parse import parse
from metalsci.search.budget import Budget
from metalsci.search.history import History
from metalsci.search.journal import Journal
from metalsci.search.loop import Finished, Search, SeedKernelError
from metalsci.search.run_folder import RunFolder
from metalsci.search.strategies.one_plus_one import OnePlusOne
from metalsci.task.definition import TaskView

SEED = "kernel void step(device float *u, uint i [[thread_position_in_grid]]) { u[i] = 0; }"
TASK = TaskView("toy", "Write zeros.", SEED, parse(SEED).kernels, ("N=8",))


def kernel(value: int) -> str:
    return SEED.replace("= 0", f"= {value}")


@dataclass
class Scripted:
    """Answers in order; the scores are the numbers in the kernels."""

    answers: list[str]
    name: str = "scripted"
    prompts: list[Prompt] = field(default_factory=list)

    def propose(self, prompt: Prompt) -> Response:
        self.prompts.append(prompt)
        return Response(self.answers[prompt.iteration - 1])


def judge(source: str, progress) -> Evaluation:
    progress("looking")
    value = int(source.split("u[i] = ")[1].split(";")[0])
    if value < 0:
        return Evaluation(Outcome.WRONG, "wrong at N=8: negative")
    return Evaluation(Outcome.SCORED, score=1.0 + value)


class Silent:
    def step(self, text: str) -> None: ...
    def entry(self, history: History) -> None: ...


def fence(value: int) -> str:
    return f"An idea.\n\n```metal\n{kernel(value)}\n```\n"


def search(folder, model, *, iterations=None, evaluate=judge) -> Finished:
    return Search(
        task=TASK,
        evaluate=evaluate,
        model=model,
        strategy=OnePlusOne(),
        budget=Budget(iterations or len(model.answers)),
        journal=Journal(folder / "journal.jsonl", "x", 7),
        folder=RunFolder(folder),
        watchers=(Silent(),),
        stopwatch=Stopwatch(),
    ).run()


def test_the_best_correct_candidate_becomes_the_incumbent(tmp_path):
    done = search(tmp_path, Scripted([fence(1), fence(-5), fence(3), fence(2)]))
    assert done.ended_by == "iterations"
    assert done.history.incumbent.iteration == 3
    assert done.history.self_speedup(done.history.incumbent) == 4.0


def test_the_model_improves_on_the_incumbent_and_sees_what_became_of_the_last_attempt(tmp_path):
    model = Scripted([fence(3), fence(-5), fence(2), "no code here"])
    search(tmp_path, model)
    assert [p.parent.strip() for p in model.prompts] == [SEED, kernel(3), kernel(3), kernel(3)]
    assert "u[i] = -5" in model.prompts[2].user
    assert "wrong" in model.prompts[2].user
    assert [s.strip() for s in model.prompts[3].tried] == [SEED, kernel(3), kernel(-5), kernel(2)]


def test_an_answer_that_was_tried_is_not_evaluated_again(tmp_path):
    seen = []

    def evaluate(source, progress):
        seen.append(source.strip())
        return judge(source, progress)

    done = search(tmp_path, Scripted([fence(1), fence(1)]), evaluate=evaluate)
    assert seen == [SEED, kernel(1)]
    assert done.history.last.evaluation.outcome is Outcome.DUPLICATE


def test_no_code_is_an_outcome_and_the_search_goes_on(tmp_path):
    done = search(tmp_path, Scripted(["I would rather not.", fence(1)]))
    assert [e.evaluation.outcome for e in done.history.proposals] == [Outcome.NO_CODE, Outcome.SCORED]


def test_a_seed_kernel_that_does_not_score_ends_the_search_before_a_model_is_asked(tmp_path):
    model = Scripted([fence(1)])
    with pytest.raises(SeedKernelError, match="toy"):
        search(tmp_path, model, evaluate=lambda s, p: Evaluation(Outcome.WRONG, "wrong at N=8"))
    assert not model.prompts


def test_every_iteration_leaves_its_files(tmp_path):
    search(tmp_path, Scripted([fence(1), "nothing"]))
    names = {p.name for p in tmp_path.iterdir()}
    assert {"00_seed.metal", "00_result.json", "01_prompt.md", "01_response.md", "01_candidate.metal"} <= names
    assert "02_response.md" in names
    assert "02_candidate.metal" not in names


def test_a_run_that_was_stopped_goes_on_and_asks_for_nothing_twice(tmp_path):
    model = Scripted([fence(1), fence(2), fence(3)])
    calls = []

    def evaluate(source, progress):
        calls.append(source)
        if len(calls) == 3:  # the seed kernel, iteration 1, and now iteration 2
            raise KeyboardInterrupt
        return judge(source, progress)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, model, evaluate=evaluate)
    assert len(model.prompts) == 2
    done = search(tmp_path, model)
    assert [p.iteration for p in model.prompts] == [1, 2, 3]  # the second answer was on disk before it was judged
    assert [e.score for e in done.history.entries] == [1.0, 2.0, 3.0, 4.0]


def test_a_resumed_run_may_have_more_iterations(tmp_path):
    model = Scripted([fence(1), fence(2), fence(3)])
    search(tmp_path, model, iterations=1)
    assert len(search(tmp_path, model, iterations=3).history.proposals) == 3
