"""The report that is served: live figures, and a person's words, from this page alone."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from run_folders import write_run

from metalsci.report.contents import read_runs
from metalsci.report.serving import serve
from metalsci.search.spoken_words import Steering, Word, say


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a run that has ended and one that is running."""
    write_run(tmp_path / "ended")
    running = write_run(tmp_path / "running", done=False)
    server = serve([tmp_path], 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with FileLock(running / "run.lock"):
        yield f"http://127.0.0.1:{server.server_address[1]}", running
    server.shutdown()
    server.server_close()


def get(url: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def post(url: str, word: object, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"{url}/say", json.dumps(word).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def token(url: str) -> str:
    return get(url).partition('data-token="')[2].partition('"')[0]


def test_a_running_run_has_controls_and_its_words_reach_the_search(served: tuple[str, Path]) -> None:
    url, running = served
    page = get(url)
    assert 'data-run="running"' in page
    assert 'data-run="ended"' not in page
    header = {"X-Token": token(url)}
    assert post(url, {"run": "running", "note": "Try <b>shuffles</b>."}, **header)[0] == 200
    assert post(url, {"run": "running", "iterations": 30}, **header)[0] == 200
    word, _ = Steering(running).waiting()
    assert (word.note, word.iterations, word.stop) == ("Try <b>shuffles</b>.", 30, False)


def test_what_is_wrong_is_a_sentence(served: tuple[str, Path]) -> None:
    url, running = served
    header = {"X-Token": token(url)}
    cases = [
        ({"run": "ended", "stop": True}, "not running"),
        ({"run": "../../etc", "stop": True}, "not running"),
        ({"run": "running"}, "say stop"),
        ({"run": "running", "iterations": 0}, "at least one"),
        ({"run": "running", "iterations": "x"}, "whole number"),
        ({"run": "running", "note": "x" * 3000}, "at most"),
        ([], "name a run"),
    ]
    for word, told in cases:
        status, answer = post(url, word, **header)
        assert status == 400
        assert told in answer
    assert Steering(running).waiting()[0].is_empty


def test_only_its_own_page_can_speak(served: tuple[str, Path]) -> None:
    url, running = served
    assert post(url, {"run": "running", "stop": True})[0] == 403
    assert post(url, {"run": "running", "stop": True}, **{"X-Token": "guessed"})[0] == 403
    assert post(url, {"run": "running", "stop": True}, **{"X-Token": token(url), "Host": "evil.example"})[0] == 403
    with pytest.raises(urllib.error.HTTPError):
        get(url, Host="evil.example")
    assert Steering(running).waiting()[0].is_empty


def test_the_state_changes_when_a_run_goes_on(served: tuple[str, Path]) -> None:
    url, running = served
    before = get(f"{url}/state")
    assert get(f"{url}/state") == before
    with (running / "journal.jsonl").open("ab") as file:
        file.write(b"{")
    assert get(f"{url}/state") != before


def test_a_budget_that_a_person_gave_is_the_run_s(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", done=False)
    assert read_runs([run])[0].most_iterations == 3
    for iterations in (9, None, 7, None):
        say(run, Word(iterations=iterations, note="on"))
    Steering(run).take(Steering(run).waiting()[1])
    say(run, Word(iterations=20))  # not taken yet
    assert read_runs([run])[0].most_iterations == 7


def test_a_run_that_was_killed_is_no_longer_shown_as_running(served: tuple[str, Path]) -> None:
    url, running = served
    killed = write_run(running.parent / "killed", done=False)
    with FileLock(killed / "run.lock"):
        before = get(f"{url}/state")
        assert 'data-run="killed"' in get(url)
    assert get(f"{url}/state") != before
    assert 'data-run="killed"' not in get(url)
