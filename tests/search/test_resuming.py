"""A strategy that keeps state, over processes that stop: the same requests, the same archive, nothing asked twice."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Never

import pytest
from toy_search import Scripted, fence, judge, search

from metalsci.evaluation.promotion.protocol import Candidate, Decision
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.protocol import Prompt, Response
from metalsci.search.archive import Archive
from metalsci.search.budget import Budget
from metalsci.search.journal import JournalError, read_recording
from metalsci.search.proposal import Progress
from metalsci.search.request import Request, StrategyError
from metalsci.search.status_files import machine_seconds


@dataclass
class TwoIslands:
    """Strategy that improves on the last entry of the island whose turn it is. Its state is built by tell alone."""

    turns: int = 0
    members: dict[int, list[int]] = field(default_factory=lambda: {0: [0], 1: [0]})

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        requests = []
        for _ in range(n):
            island = self.turns % 2
            self.turns += 1
            requests.append(Request((self.members[island][-1],), note={"island": island, "pair": (1, 2)}))
        return requests

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        self.members[request.note["island"]].append(request.id)


def answers(count: int) -> list[str]:
    return [fence(value) for value in range(1, count + 1)]


def entries(folder: Path) -> list[tuple[object, ...]]:
    return [
        (e.iteration, e.request, e.source, e.score, e.promoted)
        for e in read_recording(folder / "journal.jsonl").entries
    ]


def test_a_population_survives_its_process(tmp_path: Path) -> None:
    (whole := tmp_path / "whole").mkdir()
    (parts := tmp_path / "parts").mkdir()
    search(whole, Scripted(answers(8)), Budget(8), strategy=TwoIslands())
    for until in (1, 3, 4, 8):
        done = search(parts, Scripted(answers(8)), Budget(until), strategy=TwoIslands())
    assert entries(parts) == entries(whole)
    assert [done.archive[i].parents for i in range(1, 9)] == [(0,), (0,), (1,), (2,), (3,), (4,), (5,), (6,)]
    request = done.archive[3].request
    assert request and request.note == {"island": 0, "pair": [1, 2]}


def test_a_request_is_on_disk_before_a_model_is_asked_and_is_not_made_again(tmp_path: Path) -> None:
    class Dying(Scripted):
        def propose(self, prompt: Prompt) -> Never:
            assert '"type":"asked"' in (tmp_path / "journal.jsonl").read_text()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, Dying(answers(1)), Budget(1), strategy=TwoIslands())
    model = Scripted(answers(1))
    done = search(tmp_path, model, Budget(1), strategy=TwoIslands())
    assert len(model.prompts) == 1
    assert done.archive.last.iteration == 1
    assert (tmp_path / "journal.jsonl").read_text().count('"type":"asked"') == 1


def test_another_strategy_does_not_go_on_with_a_journal(tmp_path: Path) -> None:
    search(tmp_path, Scripted(answers(2)), Budget(2), strategy=TwoIslands())
    with pytest.raises(JournalError, match="OnePlusOne asks otherwise than the journal has it, from request 1 on"):
        search(tmp_path, Scripted(answers(3)), Budget(3))


class Odd:
    """A strategy with one fault."""

    def __init__(self, requests: Any = (), error: Exception | None = None) -> None:
        self.requests, self.error = requests, error

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        asked: Sequence[Request] = self.requests
        return asked

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Odd(), "strategy Odd asked for nothing, and nothing is under way"),
        (Odd([Request((0,))] * 3), "was asked for 1 requests and gave 3"),
        (Odd([Request((7,))]), "named entry 7, which the archive of 1 does not have"),
        (Odd([Request((0,), (9,))]), "named entry 9"),
        (Odd([Request(())]), "without parents"),
        (Odd(["incumbent"]), "gave 'incumbent' in the place of a Request"),
        (Odd([Request(("0",))]), "named entry '0'"),  # type: ignore[arg-type]
        (Odd([Request((0,), note={"x": object()})]), "cannot be journalled"),
        (Odd(None), "failed in ask: TypeError"),
        (Odd([Request((0,))], ZeroDivisionError("no islands")), "failed in tell: ZeroDivisionError: no islands"),
    ],
)
def test_a_strategy_that_fails_is_one_sentence_and_a_run_that_goes_on(
    tmp_path: Path, strategy: Odd, message: str
) -> None:
    with pytest.raises(StrategyError, match=message) as caught:
        search(tmp_path, Scripted(answers(3)), Budget(3), strategy=strategy)
    assert "\n" not in str(caught.value)
    fixed = search(tmp_path, Scripted(answers(3)), Budget(3), strategy=Odd([Request((0,))]))
    assert len(fixed.archive) == 4


def test_a_parent_without_a_source_is_refused(tmp_path: Path) -> None:
    class LastOne(Odd):
        def ask(self, archive: Archive, n: int) -> Sequence[Request]:
            return [Request((archive.last.iteration,))]

    with pytest.raises(StrategyError, match="named entry 1 as a parent, which has no source"):
        search(tmp_path, Scripted(["no code", "no code"]), Budget(2), strategy=LastOne())


class EverySecond:
    """Rule that promotes every second challenger, whatever it scores."""

    def __init__(self) -> None:
        self.asked: list[tuple[float | None, float | None]] = []

    def decide(self, incumbent: Candidate, challenger: Candidate, progress: Progress) -> Decision:
        progress("tossing a coin")
        self.asked.append((incumbent.evaluation.score, challenger.evaluation.score))
        return Decision(len(self.asked) % 2 == 0, "it was its turn", {"turn": len(self.asked)})


def test_the_rule_that_is_given_decides_and_the_journal_keeps_the_decision(tmp_path: Path) -> None:
    values = [9, 1, -3, 2, 3]
    rule = EverySecond()
    done = search(tmp_path, Scripted([fence(v) for v in values]), Budget(5), promotion=rule)
    assert rule.asked == [(1.0, 10.0), (1.0, 2.0), (2.0, 3.0), (2.0, 4.0)]  # a wrong candidate is no challenger
    assert [e.iteration for e in done.archive.entries if e.promoted] == [2, 5]
    assert done.archive.incumbent.decision == Decision(True, "it was its turn", {"turn": 4})
    again = EverySecond()
    resumed = search(tmp_path, Scripted([]), Budget(5), promotion=again)
    assert not again.asked
    assert resumed.archive.incumbent == done.archive.incumbent


def test_a_run_that_was_stopped_in_a_paired_test_judges_again(tmp_path: Path) -> None:
    class Stopped(EverySecond):
        def decide(self, incumbent: Candidate, challenger: Candidate, progress: Progress) -> Never:
            raise KeyboardInterrupt

    model = Scripted(answers(1))
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, model, Budget(1), promotion=Stopped())
    done = search(tmp_path, model, Budget(1))
    assert (len(model.prompts), done.archive.incumbent.iteration) == (1, 1)


def test_the_machine_s_time_of_an_answer_that_was_heard_before_is_not_less(tmp_path: Path) -> None:
    class Slow(Scripted):
        def propose(self, prompt: Prompt) -> Response:
            time.sleep(0.2)
            return super().propose(prompt)

    def stops(source: str, progress: Progress) -> Evaluation:
        if "= 1" in source:
            raise KeyboardInterrupt
        return judge(source, progress)

    def takes_time(source: str, progress: Progress) -> Evaluation:
        time.sleep(0.1)
        return judge(source, progress)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, Slow([fence(1)]), Budget(1), evaluate=stops)
    done = search(tmp_path, Scripted([]), Budget(1), evaluate=takes_time)
    assert done.archive.last.seconds["model"] >= 0.2
    assert machine_seconds(done.archive.last) >= 0.1


def test_a_copy_with_other_comments_is_not_evaluated_again(tmp_path: Path) -> None:
    judged = []

    def evaluate(source: str, progress: Progress) -> Evaluation:
        judged.append(source)
        return judge(source, progress)

    copy = fence(1).replace("{ u[i]", "{ // the same, with a comment\n  u[i]")
    done = search(tmp_path, Scripted([fence(1), copy]), Budget(2), evaluate=evaluate)
    assert len(judged) == 2
    assert done.archive.last.evaluation.outcome is Outcome.DUPLICATE
    assert "iteration 1" in done.archive.last.evaluation.message
