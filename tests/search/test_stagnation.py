"""The notice of the published harness: three correct attempts within 15 % of the incumbent, none passing it."""

import pytest
from toy_search import archive_of

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.search.archive import Entry
from metalsci.search.prompting.stagnation import stagnates


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], False),
        ([0.5, 0.5], False),
        ([1.0, 0.9, 0.9, 0.9], True),
        ([0.9, 0.9, 0.9], False),  # the first of them became the incumbent: 0.9 against the seed kernel's 0.5
        ([0.9, 0.9, 0.9, 0.8], True),
        ([1.0, 0.86, 0.9, 0.95], True),
        ([1.0, 0.84, 0.9, 0.95], False),  # one fell far behind: another kind of failure
        ([1.0, 0.9, 0.9, 1.1], False),
        ([1.0, 0.9, None, 0.9, None, 0.9], True),  # only correct attempts count
        ([1.0, 0.9, None, 0.9], False),
    ],
)
def test_stagnation(scores: list[float | None], expected: bool) -> None:
    evaluations = [
        Evaluation(Outcome.WRONG) if score is None else Evaluation(Outcome.SCORED, score=score) for score in scores
    ]
    entries = [Entry(i, str(i), evaluation) for i, evaluation in enumerate(evaluations, start=1)]
    seed = Entry(0, "seed", Evaluation(Outcome.SCORED, score=0.5))
    assert stagnates(archive_of(seed, *entries)) is expected
