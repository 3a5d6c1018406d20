"""A person or a program as the model: files in the run's folder."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_search import SEED, fence, search

from metalsci.models.errors import DeadlineError
from metalsci.models.manual import Manual
from metalsci.models.protocol import ModelCall, Prompt
from metalsci.search.budget import Budget

PROMPT = Prompt("Be brief.", "Say hello.", 1, "")


@pytest.fixture
def manual() -> Manual:
    return Manual(poll=0.01, settle=0.1, show=True)


def soon(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_an_outside_program_runs_a_whole_search(
    manual: Manual, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def program() -> None:
        for iteration in (1, 2):
            prompt = tmp_path / f"{iteration:02}_prompt.md"
            while not prompt.exists():
                time.sleep(0.01)
            assert "Write zeros." in prompt.read_text()
            (tmp_path / f"{iteration:02}_answer.md").write_text(fence(iteration))

    thread = soon(program)
    done = search(tmp_path, manual, Budget(2))
    thread.join()
    assert [e.score for e in done.archive.entries] == [1.0, 2.0, 3.0]
    assert done.spent.dollars == 0
    told = capsys.readouterr().out
    assert "01_prompt.md waits for" in told
    assert "Write zeros." not in told  # no terminal here to show it on


def test_a_run_that_waits_can_be_stopped_and_resumed(manual: Manual, tmp_path: Path) -> None:
    (tmp_path / "01_answer.md").write_text(fence(1))
    done = search(tmp_path, manual, Budget(3, minutes=0.01))
    assert (done.ended_by, len(done.archive.proposals)) == ("minutes", 1)
    (tmp_path / "02_answer.md").write_text(fence(2))
    assert [e.score for e in search(tmp_path, manual, Budget(2)).archive.entries] == [1.0, 2.0, 3.0]


def test_a_file_of_nothing_but_code_is_an_answer(manual: Manual, tmp_path: Path) -> None:
    source = "#define N 8  // ```\n" + SEED.replace("= 0", "= 5")
    (tmp_path / "01_answer.metal").write_text(source)
    done = search(tmp_path, manual, Budget(1))
    assert done.archive.last.score == 6.0
    assert (done.archive.last.source or "").strip() == source


def test_a_file_is_taken_when_it_has_stopped_growing(tmp_path: Path) -> None:
    manual = Manual(poll=0.01, settle=1.0, show=False)  # long enough for a typist on a busy machine
    path = tmp_path / "01_answer.txt"

    def typist() -> None:
        for text in ("one ", "two ", "three"):
            with path.open("a") as file:
                file.write(text)
            time.sleep(0.05)

    thread = soon(typist)
    response = manual.propose(PROMPT, ModelCall(folder=tmp_path))
    thread.join()
    assert response.text == "one two three"


def test_waiting_ends_with_the_budget_s_minutes(manual: Manual, tmp_path: Path) -> None:
    (tmp_path / "01_answer.md").touch()  # opened in an editor, nothing written
    with pytest.raises(DeadlineError):
        manual.propose(PROMPT, ModelCall(folder=tmp_path, deadline=time.monotonic() + 0.3))


def test_the_prompt_is_shown_on_a_terminal(
    manual: Manual, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    (tmp_path / "01_answer.md").write_text("hello")
    manual.propose(PROMPT, ModelCall(folder=tmp_path))
    assert "Say hello." in capsys.readouterr().out
