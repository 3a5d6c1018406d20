"""An archive's queries, which do not walk over its entries."""

from typing import Any

import pytest
from toy_search import archive_of

from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.search.archive import Archive, Entry

SEED = Entry(0, "float seed;", Evaluation(Outcome.SCORED, score=0.5))


def entry(iteration: int, score: float | None, source: str | None = None) -> Entry:
    evaluation = Evaluation(Outcome.WRONG) if score is None else Evaluation(Outcome.SCORED, score=score)
    return Entry(iteration, source or f"float f = {iteration};", evaluation)


@pytest.fixture
def archive() -> Archive:
    """Make an archive told out of the order of asking, as answers arrive."""
    return archive_of(SEED, entry(2, 0.7), entry(1, 0.6), entry(3, None), entry(4, 0.7, "float f = 2; // again"))


def test_entries_are_found_by_id(archive: Archive) -> None:
    assert [archive[i].iteration for i in range(5)] == [0, 1, 2, 3, 4]
    assert 4 in archive
    assert 5 not in archive
    assert [e.iteration for e in archive.entries] == [0, 2, 1, 3, 4]
    assert archive.last.iteration == 4


def test_the_best_come_first_and_of_equals_the_earliest(archive: Archive) -> None:
    assert [e.iteration for e in archive.best(3)] == [2, 4, 1]
    assert [e.iteration for e in archive.best(9)] == [2, 4, 1, 0]
    assert archive.incumbent is archive[2]


def test_the_incumbent_is_who_was_promoted_last_not_who_scores_highest() -> None:
    archive = Archive(SEED)
    archive.add(Entry(1, "a", Evaluation(Outcome.SCORED, score=0.9), decision=Decision(True)))
    archive.add(Entry(2, "b", Evaluation(Outcome.SCORED, score=0.8), decision=Decision(True)))
    archive.add(Entry(3, "c", Evaluation(Outcome.SCORED, score=2.0), decision=Decision(False)))
    assert archive.incumbent is archive[2]


def test_a_twin_is_whoever_brought_the_spelling(archive: Archive) -> None:
    assert archive.twin(archive[4].spelling) is archive[2]
    assert archive.twin("unknown") is None


def test_what_was_tried_is_what_was_tried_when_it_was_asked(archive: Archive) -> None:
    before = archive.tried
    assert "float  g = 2 ;" in before
    assert "float f = 9;" not in before
    archive.add(archive_of(SEED, entry(9, 0.1)).last)
    assert "float f = 9;" not in before
    assert "float f = 9;" in archive.tried
    assert before.digest != archive.tried.digest


def test_the_last_attempts(archive: Archive) -> None:
    assert [e.iteration for e in archive.recent(2)] == [3, 4]
    assert [e.iteration for e in archive.recent(99)] == [2, 1, 3, 4]
    assert [e.iteration for e in archive.recent_correct(2)] == [1, 4]
    assert list(archive.recent(0)) == []
    assert list(Archive(SEED).recent(3)) == []


def test_no_answer_costs_more_in_a_long_search() -> None:
    """Count the entries that are looked at for a prompt, a strategy and an observer."""
    looked = []

    class Counted(Evaluation):
        def __getattribute__(self, name: str) -> Any:
            looked.append(name)
            return super().__getattribute__(name)

    def grow(archive: Archive, count: int) -> int:
        for i in range(len(archive), len(archive) + count):
            archive.add(Entry(i, str(i), Counted(Outcome.SCORED, score=1.0 / i), spelling=str(i)))
        looked.clear()
        archive.add(Entry(len(archive), "x", Counted(Outcome.SCORED, score=0.4), spelling="x"))
        _ = archive.incumbent, archive.best(5), archive.recent(8), archive.recent_correct(3), archive.tried
        _ = archive.twin("x"), archive.self_speedup(archive.last), archive[len(archive) - 1]
        return len(looked)

    archive = Archive(SEED)
    short, long = grow(archive, 100), grow(archive, 10_000)
    assert long < short + 20  # a search by halves looks at 7 more entries
