"""The start of a search, and its ends."""

from pathlib import Path
from typing import Any

import pytest
from toy_search import SEED, Scripted, fence, judge, kernel, search

from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.search.budget import Budget
from metalsci.search.loop import StartError
from metalsci.search.proposal import Progress


def test_a_start_is_the_first_incumbent_and_the_seed_kernel_the_baseline(tmp_path: Path) -> None:
    model = Scripted([fence(5), fence(9)])
    done = search(tmp_path, model, Budget(2), start=kernel(7))
    assert [p.parent.strip() for p in model.prompts] == [kernel(7), kernel(7)]
    assert [(e.iteration, e.score) for e in done.archive.entries] == [(0, 1.0), (0, 8.0), (1, 6.0), (2, 10.0)]
    assert done.archive.self_speedup(done.archive.incumbent) == 10.0
    assert done.archive.seed.source == SEED
    assert (done.archive.attempts, done.spent.iterations) == (2, 2)
    assert (tmp_path / "00_start_result.json").exists()
    assert (tmp_path / "00_result.json").exists()


def test_a_resumed_run_goes_on_from_its_start(tmp_path: Path) -> None:
    search(tmp_path, Scripted([fence(5)]), Budget(1), start=kernel(7))
    model = Scripted([fence(5), fence(6)])
    done = search(tmp_path, model, Budget(2), start=kernel(7))
    assert len(model.prompts) == 1
    assert done.archive.incumbent.decision == Decision(True, "given as the start")
    assert done.archive[0].source == kernel(7)


def test_a_start_that_is_the_seed_kernel_is_none(tmp_path: Path) -> None:
    """As the best of a run is that found nothing. The device calls it a duplicate: it compiles to the same code."""

    def again(source: str, progress: Progress) -> Evaluation:
        if source == kernel(7):
            return Evaluation(Outcome.DUPLICATE, "the same code as the seed kernel")
        return judge(source, progress)

    for until in (1, 2):
        done = search(tmp_path, Scripted([fence(5), fence(9)]), Budget(until), start=kernel(7), evaluate=again)
    assert [(e.iteration, e.parents) for e in done.archive.entries] == [(0, ()), (1, (0,)), (2, (1,))]
    assert done.archive[0].source == SEED


def test_a_start_that_does_not_score_ends_the_search_before_a_model_is_asked(tmp_path: Path) -> None:
    model = Scripted([fence(1)])
    with pytest.raises(StartError, match="negative"):
        search(tmp_path, model, Budget(1), start=kernel(-7))
    assert not model.prompts


def test_a_speedup_that_is_wanted_ends_the_search_when_it_is_reached(tmp_path: Path) -> None:
    model = Scripted([fence(1), fence(3), fence(4)])
    done = search(tmp_path, model, Budget(3, target=4.0))
    assert (done.ended_by, len(model.prompts)) == ("target", 2)
    again = search(tmp_path, model, Budget(3, target=4.0))
    assert (again.ended_by, len(model.prompts)) == ("target", 2)
    further = search(tmp_path, model, Budget(3, target=9.0))
    assert (further.ended_by, len(model.prompts)) == ("iterations", 3)


def test_patience_counts_proposals_since_the_incumbent(tmp_path: Path) -> None:
    model = Scripted([fence(2), fence(1), fence(3), fence(1), "no code", fence(9)])
    done = search(tmp_path, model, Budget(6, patience=2))
    assert (done.ended_by, len(model.prompts)) == ("patience", 5)
    assert done.archive.stale == 2


@pytest.mark.parametrize("limits", [{"target": 0.0}, {"patience": 0}])
def test_an_end_that_is_none_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"budget\.{next(iter(limits))}"):
        Budget(3, **limits)
