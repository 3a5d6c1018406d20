"""A recorded run's answers again, in a whole search."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
from toy_search import SEED, fence, search

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.errors import ModelError
from metalsci.models.protocol import Prompt, Reply, Response, Stop, Usage
from metalsci.models.replay import Replay
from metalsci.msl.language.parse import Unit
from metalsci.search.budget import Budget
from metalsci.search.journal import read_recording
from metalsci.search.loop import Finished
from metalsci.search.prompting.prompt_builder import PromptBuilder
from metalsci.search.proposal import Evaluate, Progress
from metalsci.search.replayed_evaluations import as_recorded


@dataclass
class Scripted:
    answers: list[Response]
    name: str = "scripted"
    asked: int = 0

    def propose(self, prompt: Prompt) -> Response:
        self.asked += 1
        return self.answers[self.asked - 1]


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, Finished]:
    """Make a run of three iterations; the second answer was cut off and continued."""
    text = fence(3)
    answers = [
        Response(fence(1), "thoughts", Usage(5, 1, 9, 2), 0.5),
        Response(text[:60], stop=Stop.LENGTH),
        Response(text[60:]),
        Response("no code"),
    ]
    folder = tmp_path / "recorded"
    folder.mkdir()
    return folder, search(folder, Scripted(answers), Budget(3))


@pytest.fixture
def again(tmp_path: Path) -> Path:
    folder = tmp_path / "again"
    folder.mkdir()
    return folder


def test_the_search_is_the_same_and_costs_nothing(recorded: tuple[Path, Finished], again: Path) -> None:
    folder, first = recorded
    done = search(again, Replay(run=str(folder), strict=True), Budget(3))
    assert [(e.source, e.score) for e in done.archive.entries] == [(e.source, e.score) for e in first.archive.entries]
    assert done.archive.entries[1].reply == Reply("Idea 1.", Usage(5, 1, 9, 2), 0.0)
    assert (done.spent.dollars, first.spent.dollars) == (0.0, 0.5)
    assert Replay(run=str(folder / "journal.jsonl"), strict=True).name == "replay"


@pytest.fixture
def noisy() -> Evaluate:
    """Judge every kernel as right, and later ones as better: another order than that of the recorded scores."""
    scores = itertools.count(1)

    def judge(source: str | Unit, progress: Progress) -> Evaluation:
        return Evaluation(Outcome.SCORED, score=float(next(scores)))

    return judge


def prompts(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.glob("*_prompt.md")}


def test_other_timings_change_nothing_of_a_replay(tmp_path: Path, again: Path, noisy: Evaluate) -> None:
    """A better kernel comes first, so that a replay by its own timings would keep another incumbent."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    first = search(folder, Scripted([Response(fence(n)) for n in (3, 1, 1, 2)]), Budget(4))
    assert first.archive.incumbent.iteration == 1
    recording = read_recording(folder / "journal.jsonl")
    replay = Replay(run=str(folder), strict=True)
    done = search(again, replay, Budget(4), evaluate=as_recorded(recording, noisy))
    assert done.archive.incumbent.iteration == 1
    assert [e.evaluation for e in done.archive.entries] == [e.evaluation for e in first.archive.entries]
    assert prompts(again) == prompts(folder)
    assert len(prompts(again)) == 4


def test_a_loose_replay_takes_the_answers_and_judges_anew(
    recorded: tuple[Path, Finished], again: Path, noisy: Evaluate
) -> None:
    done = search(again, Replay(run=str(recorded[0]), strict=False), Budget(3), evaluate=noisy)
    assert [e.score for e in done.archive.entries] == [1.0, 2.0, 3.0, 0.0]
    assert [e.source for e in done.archive.entries] == [e.source for e in recorded[1].archive.entries]


def test_what_was_not_recorded_is_judged(recorded: tuple[Path, Finished], noisy: Evaluate) -> None:
    evaluate = as_recorded(read_recording(recorded[0] / "journal.jsonl"), noisy)
    assert evaluate(SEED.replace("= 0", "= 8"), print).score == 1.0
    assert evaluate(SEED, print).score == 1.0  # as recorded; the second of the noisy ones would be 2


def test_an_answer_to_a_prompt_that_says_something_else_is_refused(
    recorded: tuple[Path, Finished], again: Path
) -> None:
    builder = PromptBuilder(history=0)
    with pytest.raises(ModelError, match="iteration 2 asks for something else"):
        search(again, Replay(run=str(recorded[0]), strict=True), Budget(3), prompts=builder)


def test_the_end_of_the_recording_ends_the_search(recorded: tuple[Path, Finished], again: Path) -> None:
    done = search(again, Replay(run=str(recorded[0]), strict=True), Budget(9))
    assert done.ended_by == "answers"
    assert len(done.archive.proposals) == 3


def test_a_replay_can_be_stopped_and_resumed(recorded: tuple[Path, Finished], again: Path) -> None:
    search(again, Replay(run=str(recorded[0]), strict=True), Budget(1))
    done = search(again, Replay(run=str(recorded[0]), strict=True), Budget(3))
    assert [e.score for e in done.archive.entries] == [1.0, 2.0, 4.0, 0.0]


def test_an_answer_to_another_prompt_is_refused_unless_allowed(recorded: tuple[Path, Finished]) -> None:
    other = Prompt("another system prompt", "user", 1, "kernel")
    with pytest.raises(ModelError, match=r"iteration 1 asks for something else.*model\.strict=false"):
        Replay(run=str(recorded[0]), strict=True).propose(other)
    assert Replay(run=str(recorded[0]), strict=False).propose(other).text == fence(1)


def test_a_recording_that_was_killed_is_read_as_far_as_it_goes(recorded: tuple[Path, Finished], again: Path) -> None:
    journal = recorded[0] / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"type":"answered","iter')
    assert len(search(again, Replay(run=str(journal), strict=True), Budget(9)).archive.proposals) == 3


def test_what_is_no_recording_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run=FOLDER"):
        Replay(run=None, strict=True)
    with pytest.raises(ValueError, match="nowhere is not the folder of a recorded run"):
        Replay(run=str(tmp_path / "nowhere"), strict=True)
    (tmp_path / "journal.jsonl").write_text("hello\n")
    with pytest.raises(ValueError, match=r"journal\.jsonl is not the journal of a run"):
        Replay(run=str(tmp_path), strict=True)
