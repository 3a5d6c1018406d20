"""The exchange with a model over a wire: budget, journal, pieces on disk, continuation.

The model here answers from a script; the real ones are in tests/models.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from toy_search import fence, judge, search

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.errors import DeadlineError, ModelError, OutOfAnswersError
from metalsci.models.protocol import Expense, LanguageModel, ModelCall, Prompt, Reply, Response, Stop, Usage
from metalsci.msl.language.parse import parse
from metalsci.search.budget import Budget, BudgetError
from metalsci.search.conversation import LONGEST, shortened, wants_more
from metalsci.search.proposal import Progress
from metalsci.search.run_folder import RunFolder
from metalsci.task.definition import TaskView

SEED = "kernel void step(device float *u, uint i [[thread_position_in_grid]]) { u[i] = 0;\n}"
TASK = TaskView("toy", "Write zeros.", SEED, parse(SEED).kernels, ("N=8",))


def answer(text: str, stop: Stop = Stop.END, dollars: float | None = 0.25) -> Response:
    return Response(text, usage=Usage(input=60, output=40), cost=dollars, stop=stop)


@dataclass
class Wire:
    """Model that says its lines in order, each in pieces. An exception among them is raised in its turn."""

    lines: list[Response | BaseException]
    worst: Expense = field(default_factory=lambda: Expense(100, 0.25))
    name: str = "wire"
    asked: list[Prompt] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        assert call is not None
        self.asked.append(prompt)
        line = self.lines[len(self.asked) - 1]
        if isinstance(line, BaseException):
            for piece in line.args:
                call.heard(piece)
            raise line
        for start in range(0, len(line.text), 7):
            call.heard(line.text[start : start + 7])
        return line

    def worst_case(self, prompt: Prompt) -> Expense:
        return self.worst

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        return Response(text, usage=Usage(1, 0, len(text), 0, estimated=True), cost=0.125, stop=Stop.CUT)

    def learn(self, reply: Reply, gain: float) -> None:
        self.gains.append(gain)


def recorded(folder: Path) -> Iterator[dict[str, Any]]:
    records = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
    return (r for r in records if r["type"] == "answered")


def test_the_script_is_a_language_model() -> None:
    assert isinstance(Wire([]), LanguageModel)


def test_dollars_end_the_search_before_the_call_that_could_overdraw_them(tmp_path: Path) -> None:
    model = Wire([answer(fence(1)), answer(fence(2)), answer(fence(3))])
    done = search(tmp_path, model, Budget(9, dollars=0.7))
    assert done.ended_by == "dollars"
    assert len(model.asked) == 2
    assert (done.spent.dollars, done.spent.tokens, done.spent.unpriced) == (0.5, 200, 0)
    assert not (tmp_path / "03_prompt.md").exists()  # what is not asked is not on disk


def test_a_resumed_run_goes_on_with_the_account_it_had(tmp_path: Path) -> None:
    model = Wire([answer(fence(i)) for i in range(1, 6)])
    search(tmp_path, model, Budget(9, tokens=200))
    done = search(tmp_path, model, Budget(9, tokens=399))
    assert done.ended_by == "tokens"
    assert len(model.asked) == 3
    assert done.spent.tokens == 300


def test_a_budget_in_dollars_needs_a_price(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="price"):
        search(tmp_path, Wire([], worst=Expense(100, None)), Budget(9, dollars=1))


def test_answers_without_a_price_are_counted(tmp_path: Path) -> None:
    done = search(tmp_path, Wire([answer(fence(1), dollars=None)], Expense(100, None)), Budget(1, tokens=1000))
    assert (done.spent.unpriced, done.spent.tokens) == (1, 100)


def test_a_truncated_answer_is_continued_once_and_read_as_one(tmp_path: Path) -> None:
    text = fence(4)
    model = Wire([answer(text[:50], Stop.LENGTH), answer(text[50:])])
    done = search(tmp_path, model, Budget(1))
    assert [p.said for p in model.asked] == ["", text[:50]]
    assert done.archive.last.score == 5.0
    assert (tmp_path / "01_response.md").read_text() == text
    assert done.spent.tokens == 200
    assert [r["response"]["stop"] for r in recorded(tmp_path)] == ["length", "end"]


def test_an_answer_that_is_too_long_twice_is_an_outcome(tmp_path: Path) -> None:
    text = fence(4)
    model = Wire([answer(text[:50], Stop.LENGTH), answer(text[50:60], Stop.LENGTH)])
    done = search(tmp_path, model, Budget(1))
    assert done.archive.last.evaluation.outcome is Outcome.TRUNCATED


def test_a_continuation_that_the_budget_does_not_allow_is_not_asked_for(tmp_path: Path) -> None:
    model = Wire([answer(fence(4)[:50], Stop.LENGTH)])
    done = search(tmp_path, model, Budget(5, dollars=0.3))
    assert done.archive.last.evaluation.outcome is Outcome.TRUNCATED
    assert done.ended_by == "dollars"


def test_an_answer_that_broke_off_goes_on_where_it_was(tmp_path: Path) -> None:
    text = fence(4)
    cuts = [answer("", Stop.CUT), answer(text[:50], Stop.CUT), answer(text[50:])]
    model = Wire([*cuts])
    assert search(tmp_path, model, Budget(1)).archive.last.score == 5.0
    assert [p.said for p in model.asked] == ["", "", text[:50]]


def test_a_connection_that_keeps_breaking_stops_the_run_which_goes_on_later(tmp_path: Path) -> None:
    text = fence(4)
    model = Wire([*(answer(text[i : i + 10], Stop.CUT) for i in (0, 10, 20)), answer(text[30:])])
    with pytest.raises(ModelError, match="broke off 3 times"):
        search(tmp_path, model, Budget(1))
    assert search(tmp_path, model, Budget(1)).archive.last.score == 5.0
    assert model.asked[-1].said == text[:30]


@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit])
def test_what_had_arrived_when_the_process_was_stopped_is_not_lost(tmp_path: Path, death: type[BaseException]) -> None:
    text = fence(4)
    model = Wire([death(text[:30], text[30:50]), answer(text[50:])])
    with pytest.raises(death):
        search(tmp_path, model, Budget(1))
    assert not list(recorded(tmp_path))
    done = search(tmp_path, model, Budget(1))
    assert model.asked[1].said == text[:50]
    assert done.archive.last.score == 5.0
    assert done.spent.estimated == 1
    assert done.spent.dollars == 0.375
    assert not list(tmp_path.glob("*.partial"))


def test_a_piece_that_the_journal_has_is_not_taken_twice(tmp_path: Path) -> None:
    """A process killed between the journal's record and the removal of the pieces."""
    text = fence(4)
    model = Wire([answer(text[:50], Stop.CUT), KeyboardInterrupt(), answer(text[50:])])
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, model, Budget(1))
    RunFolder(tmp_path).partial(1, 0).write_text(text[:50])
    done = search(tmp_path, model, Budget(1))
    assert (tmp_path / "01_response.md").read_text() == text
    assert done.archive.last.score == 5.0


def test_the_response_is_on_disk_before_anything_else_happens_to_it(tmp_path: Path) -> None:
    def evaluate(source: str, progress: Progress) -> Evaluation:
        if "= 4" in source:
            assert next(recorded(tmp_path))["response"]["text"] == fence(4)
        return judge(source, progress)

    model = Wire([answer(fence(4))])
    search(tmp_path, model, Budget(1), evaluate=evaluate)


@pytest.mark.parametrize(
    ("error", "ended_by"),
    [(DeadlineError("no time left"), "minutes"), (OutOfAnswersError("the recording has ended"), "answers")],
)
def test_a_model_may_end_the_search(tmp_path: Path, error: DeadlineError | OutOfAnswersError, ended_by: str) -> None:
    error.args = ()
    done = search(tmp_path, Wire([answer(fence(1)), error]), Budget(9))
    assert done.ended_by == ended_by
    assert len(done.archive.proposals) == 1


def test_a_model_that_cannot_go_on_leaves_a_run_that_can(tmp_path: Path) -> None:
    error = ModelError()
    model = Wire([answer(fence(1)), error, answer(fence(2))])
    with pytest.raises(ModelError):
        search(tmp_path, model, Budget(2))
    done = search(tmp_path, model, Budget(2))
    assert [e.score for e in done.archive.entries] == [1.0, 2.0, 3.0]
    assert len(model.asked) == 3


def test_a_model_that_learns_is_told_its_gains_again_when_a_run_is_resumed(tmp_path: Path) -> None:
    first = Wire([answer(fence(1)), answer(fence(0)), answer(fence(3))])
    search(tmp_path, first, Budget(3))
    assert first.gains == pytest.approx([0.693147, 0.0, 0.693147], abs=1e-5)
    again = Wire([])
    search(tmp_path, again, Budget(3))
    assert again.gains == first.gains


def test_an_answer_is_cut_off_before_it_is_read() -> None:
    long = Response("x" * (LONGEST + 5))
    short = shortened(long)
    assert len(short.text) == LONGEST
    assert short.stop is Stop.LENGTH
    assert not wants_more([short])
    assert shortened(Response("short")) == Response("short")
