"""Several answers at once: awaited together, judged one at a time, in an order that is kept."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from toy_search import fence, judge, search, value_of

from metalsci.evaluation.results import Evaluation
from metalsci.models.errors import ModelError
from metalsci.models.protocol import Expense, ModelCall, Prompt, Response, Stop, Usage
from metalsci.search.budget import Budget
from metalsci.search.flights import AsRecorded, SideBySide
from metalsci.search.journal import read_recording
from metalsci.search.loop import Finished
from metalsci.search.proposal import Progress
from metalsci.search.scheduling import Order, Scheduling


@dataclass
class Together:
    """Model that answers nobody before `most` ask at once, so a search that asks one after the other never ends."""

    most: int
    name: str = "together"
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.barrier = threading.Barrier(self.most, timeout=60)

    def propose(self, prompt: Prompt) -> Response:
        self.asked.append(prompt.iteration)
        self.barrier.wait()
        return Response(fence(prompt.iteration))


@pytest.mark.parametrize("in_order", [True, False])
def test_eight_answers_are_awaited_at_once(tmp_path: Path, in_order: bool) -> None:
    """24 answers take the time of three: a barrier lets nobody pass before eight are under way."""
    model = Together(8)
    done = search(tmp_path, model, Budget(24), flights=SideBySide(8, in_order=in_order))
    assert sorted(model.asked) == list(range(1, 25))
    assert len(done.archive) == 25
    assert done.ended_by == "iterations"


def test_candidates_are_judged_one_at_a_time(tmp_path: Path) -> None:
    busy = threading.Lock()

    def evaluate(source: str, progress: Progress) -> Evaluation:
        assert busy.acquire(blocking=False)
        try:
            return judge(source, progress)
        finally:
            busy.release()

    search(tmp_path, Together(4), Budget(12), evaluate=evaluate, flights=SideBySide(4, in_order=False))


class Backwards:
    """Model that answers a request when the next one has been judged, the last of `most` at once."""

    name = "backwards"

    def __init__(self, most: int) -> None:
        self.most = most
        self.judged = {i: threading.Event() for i in range(1, most + 1)}

    def propose(self, prompt: Prompt) -> Response:
        if prompt.iteration < self.most:
            assert self.judged[prompt.iteration + 1].wait(60)
        return Response(fence(prompt.iteration))

    def judge(self, source: str, progress: Progress) -> Evaluation:
        if value_of(source):
            self.judged[value_of(source)].set()
        return judge(source, progress)


def told(done: Finished) -> Sequence[int]:
    return [e.iteration for e in done.archive.proposals]


def test_in_the_order_of_asking_timing_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    serial = search(tmp_path / "a", Together(1), Budget(8), flights=SideBySide(4, in_order=True))
    jumbled = search(tmp_path / "b", Together(4), Budget(8), flights=SideBySide(4, in_order=True))
    assert told(serial) == told(jumbled) == list(range(1, 9))
    assert [e.request for e in serial.archive.entries] == [e.request for e in jumbled.archive.entries]


def test_an_early_answer_waits_for_its_turn(tmp_path: Path) -> None:
    second = threading.Event()

    class Late(Together):
        def propose(self, prompt: Prompt) -> Response:
            if prompt.iteration == 1:
                assert second.wait(60)
            else:
                second.set()
            return Response(fence(prompt.iteration))

    assert told(search(tmp_path, Late(1), Budget(2), flights=SideBySide(2, in_order=True))) == [1, 2]


def test_as_they_arrive_the_order_is_recorded_and_replayed(tmp_path: Path) -> None:
    model = Backwards(3)
    first = search(tmp_path, model, Budget(3), evaluate=model.judge, flights=SideBySide(3, in_order=False))
    assert told(first) == [3, 2, 1]
    again = search(tmp_path, Together(1), Budget(4))
    assert told(again) == [3, 2, 1, 4]
    recording = read_recording(tmp_path / "journal.jsonl")
    (other := tmp_path / "other").mkdir()
    replayed = search(other, Together(1), Budget(4), flights=AsRecorded(recording.schedule))
    assert told(replayed) == [3, 2, 1, 4]
    assert [e.request for e in replayed.archive.entries] == [e.request for e in again.archive.entries]


@dataclass
class Meter:
    """Model that adds up how much its answers under way may cost together."""

    name: str = "meter"
    under_way: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def propose(self, prompt: Prompt, call: ModelCall | None = None) -> Response:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        gone = threading.Event()
        gone.wait(0.02)
        with self.lock:
            self.under_way -= 1
        return Response(fence(prompt.iteration), usage=Usage(50, 0, 50), cost=0.3)

    def worst_case(self, prompt: Prompt) -> Expense:
        return Expense(100, 0.4)

    def interrupted(self, prompt: Prompt, text: str) -> Response:
        return Response(text, stop=Stop.CUT)


@pytest.mark.parametrize(
    ("budget", "limit", "answers"),
    [(Budget(20, dollars=1.0), "dollars", 2), (Budget(20, tokens=350), "tokens", 3)],
)
def test_answers_under_way_do_not_overdraw_a_budget_together(
    tmp_path: Path, budget: Budget, limit: str, answers: int
) -> None:
    model = Meter()
    done = search(tmp_path, model, budget, flights=SideBySide(6, in_order=False))
    assert done.ended_by == limit
    assert done.spent.dollars <= 1.0
    assert done.spent.tokens <= 350 or budget.tokens is None
    assert model.most <= answers
    assert len(done.archive) - 1 <= answers
    assert len(done.archive) > 1


def test_a_model_that_fails_costs_none_of_the_other_answers(tmp_path: Path) -> None:
    """The others are heard to their end, judged and recorded; a resumed run asks for the missing one alone."""
    asked = []

    class Failing(Together):
        def propose(self, prompt: Prompt) -> Response:
            asked.append(prompt.iteration)
            self.barrier.wait()
            if prompt.iteration == 2:
                raise ModelError("the key was refused")
            return Response(fence(prompt.iteration))

    with pytest.raises(ModelError, match="refused"):
        search(tmp_path, Failing(4), Budget(4), flights=SideBySide(4, in_order=False))
    assert sorted(asked) == [1, 2, 3, 4]
    model = Together(1)
    done = search(tmp_path, model, Budget(4), flights=SideBySide(4, in_order=False))
    assert model.asked == [2]
    assert len(done.archive) == 5


def test_a_process_that_is_stopped_loses_no_answer_that_arrived(tmp_path: Path) -> None:
    judged = []

    def evaluate(source: str, progress: Progress) -> Evaluation:
        judged.append(source)
        if len(judged) == 3:
            raise KeyboardInterrupt
        return judge(source, progress)

    model = Together(4)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, model, Budget(8), evaluate=evaluate, flights=SideBySide(4, in_order=True))
    deadline = threading.Event()
    while (tmp_path / "journal.jsonl").read_text().count('"type":"answered"') < 4:
        assert not deadline.wait(0.01)
    asked = set(model.asked)
    again = Together(1)
    done = search(tmp_path, again, Budget(8), flights=SideBySide(4, in_order=True))
    recorded = [e.iteration for e in done.archive.proposals]
    assert recorded == list(range(1, 9))
    assert not asked & set(again.asked) & {1, 2, 3, 4}


def test_the_settings_say_how_many() -> None:
    with pytest.raises(ValueError, match=r"search\.in_flight=0"):
        Scheduling(in_flight=0)
    assert Scheduling().flights().most == 1
    assert Scheduling(in_flight=3, order=Order.arrived).flights().most == 3
