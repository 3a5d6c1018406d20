"""Whole runs from the command line, on the software device, against a server that speaks a provider's format."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from provider_server import Anthropic, Fail, Google, OpenAIResponses, ProviderServer, Say, Serve, Stall

from metalsci.files.locations import data

SEED = (data("tasks") / "heat2d" / "seed.metal").read_text()
SMOKE = ("experiment=smoke",)
SECRETS = {
    "ANTHROPIC_API_KEY": "sk-ant-0123456789",
    "OPENAI_API_KEY": "sk-proj-0123456789",
    "GEMINI_API_KEY": "AIza-0123456789",
}


def variant(number: int) -> Say:
    """Make an answer with a source of its own: comments alone would make none."""
    return Say(f"Idea {number}.\n```metal\n{SEED}constant int VARIANT = {number};\n```\n", "Let me see.")


def reach(server: ProviderServer, prefix: str = "") -> list[str]:
    quick = ["attempts=2", "first_wait=0.01", "longest_wait=0.02", f"base_url={server.url}{prefix}"]
    return [f"model.transport.{setting}" for setting in quick]


def environment(home: Path, keys: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_") and not k.endswith("_API_KEY")}
    return {**kept, "HOME": str(home), **keys}


def metalsci(*arguments: str, cwd: Path, keys: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "metalsci.run", *SMOKE, *arguments]
    if any(a.startswith("resume=") for a in arguments):
        command = [sys.executable, "-m", "metalsci.run", *arguments]
    env = environment(cwd, SECRETS if keys is None else keys)
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600)


@contextmanager
def inherited_environments() -> Iterator[dict[str, str]]:
    """Collect the environments of all processes that runs start meanwhile, by command line.

    Left out are the runs themselves, to which the keys are given, and forks that have not executed their command yet.
    """
    seen: dict[str, str] = {}
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            with suppress(psutil.Error):  # processes come and go
                for run in psutil.Process().children():
                    for process in run.children(recursive=True):
                        if (command := process.cmdline()) != run.cmdline():
                            seen[" ".join(command)] = str(process.environ())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def only_run(folder: Path) -> Path:
    (journal,) = folder.glob("outputs/runs/*/*/*/journal.jsonl")
    return journal.parent


@pytest.mark.parametrize(
    ("option", "form", "prefix", "tracker"),
    [
        ("claude-opus-4-7", Anthropic(), "", "wandb"),
        ("gpt-5.5", OpenAIResponses(), "/v1", "none"),
        ("gemini", Google(), "", "none"),
    ],
)
def test_a_run_with_a_provider_and_no_key_anywhere_it_does_not_belong(
    serve: Serve, tmp_path: Path, option: str, form: Anthropic | Google | OpenAIResponses, prefix: str, tracker: str
) -> None:
    """Search for the keys in everything that a run writes or prints, and in the environments of its processes.

    Libraries write debug logs and W&B is offline.
    """
    server = serve(form, variant(1), Fail(503), variant(2))
    arguments = (f"model={option}", *reach(server, prefix), f"tracker={tracker}", "hydra.verbose=true")
    with inherited_environments() as environments:
        done = metalsci(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((only_run(tmp_path) / "summary.json").read_text())
    assert summary["iterations"] == 2
    assert summary["spent"]["tokens"] == 2600
    assert summary["spent"]["dollars"] > 0
    assert (only_run(tmp_path) / "01_reasoning.md").read_text() == "Let me see."
    used = next(s for s in SECRETS.values() if any(s in str(headers) for _, headers, _ in server.requests))
    assert used
    assert any("worker.py" in command for command in environments)
    assert any("wandb" in command for command in environments) == (tracker == "wandb")
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any(p.suffix == ".wandb" for p in written) == (tracker == "wandb")
    assert any("DEBUG" in p.read_text() for p in written if p.name == "metalsci.log")
    for secret in SECRETS.values():
        assert secret not in done.stdout + done.stderr
        assert not [p for p in written if secret.encode() in p.read_bytes()]
        assert not [command for command, seen in environments.items() if secret in seen]


def test_a_missing_key_ends_a_run_at_once_with_what_to_do(tmp_path: Path) -> None:
    done = metalsci("model=gemini", "tracker=none", cwd=tmp_path, keys={})
    assert done.returncode == 1
    assert "set GEMINI_API_KEY or GOOGLE_API_KEY" in done.stderr
    assert ".env" in done.stderr
    assert "Traceback" not in done.stderr
    assert f"resume={only_run(tmp_path).relative_to(tmp_path)}" in done.stderr


def test_a_wrong_key_stops_a_run_that_then_goes_on_and_pays_for_nothing_twice(serve: Serve, tmp_path: Path) -> None:
    server = serve(OpenAIResponses(), variant(1), Fail(401, "invalid_api_key", f"no: {SECRETS['OPENAI_API_KEY']}"))
    done = metalsci("model=gpt", *reach(server, "/v1"), "tracker=none", cwd=tmp_path)
    assert done.returncode == 1
    assert "the key was refused: check OPENAI_API_KEY" in done.stderr
    assert SECRETS["OPENAI_API_KEY"] not in done.stderr + (only_run(tmp_path) / "metalsci.log").read_text()
    folder = only_run(tmp_path)
    assert f"resume={folder.relative_to(tmp_path)}" in done.stderr
    assert "Traceback" not in done.stderr
    other = serve(OpenAIResponses(), variant(2))
    (tmp_path / "keys.env").write_text("OPENAI_API_KEY=a-right-one\n")
    keys = {"METALSCI_ENV": str(tmp_path / "keys.env")}
    again = metalsci(f"resume={folder}", f"model.transport.base_url={other.url}/v1", cwd=tmp_path, keys=keys)
    assert again.returncode == 0, again.stderr
    assert other.requests[0][1]["authorization"] == "Bearer a-right-one"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["iterations"], summary["spent"]["tokens"], len(other.requests)) == (2, 2600, 1)


def test_a_run_stopped_in_the_middle_of_an_answer_goes_on_in_the_middle(serve: Serve, tmp_path: Path) -> None:
    text = variant(1).text
    server = serve(OpenAIResponses(), Stall(text[:-60]))
    command = [sys.executable, "-m", "metalsci.run", *SMOKE, "model=gpt", *reach(server, "/v1"), "tracker=none"]
    env = environment(tmp_path, SECRETS)
    process = subprocess.Popen(
        [*command, "budget.iterations=1"], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not any(len(p.read_text()) == len(text) - 60 for p in tmp_path.rglob("*.partial")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    folder = only_run(tmp_path)
    other = serve(OpenAIResponses(), Say(text[-60:]))
    again = metalsci(f"resume={folder}", f"model.transport.base_url={other.url}/v1", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (folder / "01_response.md").read_text() == text
    assert other.requests[0][2]["input"][1]["content"] == text[:-60]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["outcomes"] == {"duplicate": 1}  # a constant that nothing reads changes no code
    assert summary["spent"]["estimated"] == 1


def test_a_budget_too_small_for_one_call_ends_a_run_cleanly(serve: Serve, tmp_path: Path) -> None:
    server = serve(Google(), variant(1))
    done = metalsci("model=gemini", *reach(server), "tracker=none", "budget.dollars=0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((only_run(tmp_path) / "summary.json").read_text())
    assert (summary["ended_by"], summary["iterations"], len(server.requests)) == ("dollars", 0, 0)


def test_a_budget_in_dollars_for_a_model_without_a_price_says_what_to_set(serve: Serve, tmp_path: Path) -> None:
    server = serve(Google(), variant(1))
    arguments = ("model=gemini", "model.model=new", *reach(server), "tracker=none", "budget.dollars=1")
    done = metalsci(*arguments, cwd=tmp_path)
    assert done.returncode == 2  # nothing was started
    assert "model.price=[INPUT,CACHED,OUTPUT]" in done.stderr
    assert not server.requests


def test_a_recorded_run_is_repeated_offline(tmp_path: Path) -> None:
    first = metalsci("tracker=none", "budget.iterations=1", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    folder = only_run(tmp_path)
    arguments = ("model=replay", f"run={folder}", "tracker=none", "hydra.run.dir=again")
    done = metalsci(*arguments, cwd=tmp_path, keys={})
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "again" / "summary.json").read_text())
    assert (summary["ended_by"], summary["iterations"]) == ("answers", 1)
    assert summary["inputs_seed"] == json.loads((folder / "summary.json").read_text())["inputs_seed"]
    assert (tmp_path / "again" / "01_prompt.md").read_text() == (folder / "01_prompt.md").read_text()
    assert (tmp_path / "again" / "01_candidate.metal").read_text() == (folder / "01_candidate.metal").read_text()
    other = metalsci("task=saxpy", *arguments[:3], "hydra.run.dir=other", "task.sizes=[{N: 4096}]", cwd=tmp_path)
    assert other.returncode == 1
    assert "asks for something else" in other.stderr
    nothing = metalsci("model=replay", "tracker=none", cwd=tmp_path)
    assert nothing.returncode == 2
    assert "run=FOLDER" in nothing.stderr
