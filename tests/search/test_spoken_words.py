"""A person's words to a search: each is heeded once, journalled, and repeated when the run is resumed."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from toy_search import Scripted, fence, search

from metalsci.models.protocol import Prompt, Response
from metalsci.search.budget import Budget
from metalsci.search.journal import Asked, Journal, read_recording
from metalsci.search.loop import Finished
from metalsci.search.spoken_words import LONGEST_NOTE, Steering, Word, say


class Speaking(Scripted):
    """A model during whose first answer somebody speaks."""

    def __init__(self, answers: Sequence[str], folder: Path, *words: Word) -> None:
        super().__init__(answers)
        self.folder, self.words = folder, words

    def propose(self, prompt: Prompt) -> Response:
        if prompt.iteration == 1:
            for word in self.words:
                say(self.folder, word)
        return super().propose(prompt)


def steered(folder: Path, *words: Word, iterations: int = 4) -> tuple[Finished, Speaking]:
    model = Speaking([fence(i) for i in range(1, 9)], folder, *words)
    return search(folder, model, Budget(iterations), steering=Steering(folder)), model


def asked(folder: Path) -> list[Asked]:
    return [event for event in Journal(folder / "journal.jsonl", "x", 7).events() if isinstance(event, Asked)]


def test_a_stop_ends_the_search_after_the_candidate_that_is_under_way(tmp_path: Path) -> None:
    finished, model = steered(tmp_path, Word(stop=True))
    assert finished.ended_by == "a person"
    assert finished.archive.attempts == len(model.prompts) == 1
    assert asked(tmp_path)[-1].word.stop
    again, model = steered(tmp_path)
    assert again.ended_by == "a person"
    assert model.prompts == []


def test_a_budget_can_be_extended_and_stays_so_when_resumed(tmp_path: Path) -> None:
    finished, _ = steered(tmp_path, Word(iterations=6), iterations=2)
    assert finished.archive.attempts == 6
    again, model = steered(tmp_path, iterations=2)
    assert again.archive.attempts == 6
    assert model.prompts == []


def test_a_note_is_in_the_next_prompt_alone_and_in_the_journal(tmp_path: Path) -> None:
    _, model = steered(tmp_path, Word(note="Try shuffles."), Word(note="And half."))
    told = ["From the person who watches: Try shuffles.\nAnd half." in prompt.user for prompt in model.prompts]
    assert told == [False, True, False, False]
    assert [event.word.note for event in asked(tmp_path)] == ["", "Try shuffles.\nAnd half.", "", ""]
    assert "Try shuffles." in str(asked(tmp_path)[1].requests[0].parts["advice"])
    again, model = steered(tmp_path, iterations=5)
    assert again.archive.attempts == 5
    assert not list((tmp_path / "steering").glob("*.json"))


def test_a_recorded_stop_is_no_part_of_what_a_replay_asks_for(tmp_path: Path) -> None:
    steered(tmp_path, Word(stop=True))
    schedule = read_recording(tmp_path / "journal.jsonl").schedule
    asked_for = [event for event in schedule if isinstance(event, Asked)]
    assert asked_for
    assert all(event.requests for event in asked_for)


def test_what_is_no_word_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "steering").mkdir()
    (tmp_path / "steering" / "1.json").write_text('{"iterations": -5}')
    (tmp_path / "steering" / "2.json").write_text("{")
    assert Steering(tmp_path).waiting()[0].is_empty
    with pytest.raises(ValueError, match="at least one"):
        Word(iterations=0)
    with pytest.raises(ValueError, match="at most"):
        Word(note="x" * (LONGEST_NOTE + 1))


def test_journals_from_before_have_no_word() -> None:
    asked = msgspec.json.decode(b'{"type":"asked","wanted":1,"requests":[]}', type=Asked)
    assert asked.word.is_empty
