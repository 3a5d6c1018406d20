"""The loop with a model and an evaluation that are plain functions: no device, no process, milliseconds."""

from pathlib import Path

import pytest
from toy_search import SEED, Judge, Scripted, fence, judge, kernel
from toy_search import search as toy_search

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.search.budget import Budget
from metalsci.search.loop import Finished, SeedKernelError
from metalsci.search.proposal import Progress


def search(folder: Path, model: Scripted, *, iterations: int | None = None, evaluate: Judge = judge) -> Finished:
    return toy_search(folder, model, Budget(iterations or len(model.answers)), evaluate=evaluate)


def test_the_best_correct_candidate_becomes_the_incumbent(tmp_path: Path) -> None:
    done = search(tmp_path, Scripted([fence(1), fence(-5), fence(3), fence(2)]))
    assert done.ended_by == "iterations"
    assert done.archive.incumbent.iteration == 3
    assert done.archive.self_speedup(done.archive.incumbent) == 4.0


def test_the_model_improves_on_the_incumbent_and_sees_what_became_of_the_last_attempt(tmp_path: Path) -> None:
    model = Scripted([fence(3), fence(-5), fence(2), "no code here"])
    search(tmp_path, model)
    assert [p.parent.strip() for p in model.prompts] == [SEED, kernel(3), kernel(3), kernel(3)]
    assert "u[i] = -5" in model.prompts[2].user
    assert "wrong" in model.prompts[2].user
    tried = model.prompts[2].tried
    assert [kernel(v) in tried for v in (0, 3, -5, 2)] == [True, True, True, False]
    assert len(model.prompts[3].tried) == 4


def test_an_answer_that_was_tried_is_not_evaluated_again(tmp_path: Path) -> None:
    seen = []

    def evaluate(source: str, progress: Progress) -> Evaluation:
        seen.append(source.strip())
        return judge(source, progress)

    done = search(tmp_path, Scripted([fence(1), fence(1)]), evaluate=evaluate)
    assert seen == [SEED, kernel(1)]
    assert done.archive.last.evaluation.outcome is Outcome.DUPLICATE


def test_no_code_is_an_outcome_and_the_search_goes_on(tmp_path: Path) -> None:
    done = search(tmp_path, Scripted(["I would rather not.", fence(1)]))
    assert [e.evaluation.outcome for e in done.archive.proposals] == [Outcome.NO_CODE, Outcome.SCORED]


def test_a_seed_kernel_that_does_not_score_ends_the_search_before_a_model_is_asked(tmp_path: Path) -> None:
    model = Scripted([fence(1)])
    with pytest.raises(SeedKernelError, match="toy"):
        search(tmp_path, model, evaluate=lambda s, p: Evaluation(Outcome.WRONG, "wrong at N=8"))
    assert not model.prompts


def test_every_iteration_leaves_its_files(tmp_path: Path) -> None:
    search(tmp_path, Scripted([fence(1), "nothing"]))
    names = {p.name for p in tmp_path.iterdir()}
    assert {"00_seed.metal", "00_result.json", "01_prompt.md", "01_response.md", "01_candidate.metal"} <= names
    assert "02_response.md" in names
    assert "02_candidate.metal" not in names


def test_a_run_that_was_stopped_goes_on_and_asks_for_nothing_twice(tmp_path: Path) -> None:
    model = Scripted([fence(1), fence(2), fence(3)])
    calls = []

    def evaluate(source: str, progress: Progress) -> Evaluation:
        calls.append(source)
        if len(calls) == 3:  # the seed kernel, iteration 1, and now iteration 2
            raise KeyboardInterrupt
        return judge(source, progress)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, model, evaluate=evaluate)
    assert len(model.prompts) == 2
    done = search(tmp_path, model)
    assert [p.iteration for p in model.prompts] == [1, 2, 3]  # the second answer was on disk before it was judged
    assert [e.score for e in done.archive.entries] == [1.0, 2.0, 3.0, 4.0]


def test_a_resumed_run_may_have_more_iterations(tmp_path: Path) -> None:
    model = Scripted([fence(1), fence(2), fence(3)])
    search(tmp_path, model, iterations=1)
    assert len(search(tmp_path, model, iterations=3).archive.proposals) == 3
