"""W&B online, against a server on loopback that is well, slow, silent, refusing, broken or dead."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from wandb_server import StandIn

RUN = Path(__file__).with_name("wandb_run.py")
HELPERS = Path(__file__).parents[1] / "helpers"


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


def start(*arguments: str, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "metalsci.run", "experiment=smoke", *arguments]
    return subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(pattern: str, cwd: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not list(cwd.glob(pattern)):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def service(process: subprocess.Popen[str]) -> psutil.Process:
    """Return W&B's own process of a run, as soon as there is one."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # a compiler that has ended meanwhile
                if "wandb-core" in child.name():
                    return child
        time.sleep(0.02)
    raise AssertionError(process.communicate())


class Told:
    """A process that tells W&B of a run and is under way, see wandb_run.py."""

    def __init__(self, folder: Path, server: StandIn, verdict: str = "tied", patience: float | None = None) -> None:
        command = [sys.executable, str(RUN), str(folder), "auto", verdict]
        if patience is not None:
            command.append(str(patience))
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        env = server.environment(folder.parent) | {"PYTHONPATH": str(HELPERS)}
        self.process = subprocess.Popen(command, env=env, **pipes)
        self.said = ""
        assert self.process.stdout
        while not self.said.endswith("under way\n"):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            self.said += line

    def end(self) -> tuple[float, str]:
        """Let it tell its result; return the seconds until it has left nothing behind, and what it said."""
        begin = time.monotonic()
        out, err = self.process.communicate("\n", timeout=200)  # until nobody holds its output: W&B's service neither
        seconds = time.monotonic() - begin
        assert self.process.returncode == 0, err
        assert "Traceback" not in err
        return seconds, self.said + out


def test_a_server_that_is_well_gets_everything(server: StandIn, tmp_path: Path) -> None:
    _, said = Told(tmp_path / "run", server, "wrong").end()
    assert f"W&B online: {server.url}/me/metalsci/runs/" in said
    assert "W&B did not" not in said
    search, gate = server.run("search"), server.run("gate")
    assert [row["iteration"] for row in server.history(search["name"]) if "outcome" in row] == [0, 1]
    assert {"task:lbm", "verdict:wrong"} <= set(search["tags"]) & set(gate["tags"])
    assert search["groupName"] == gate["groupName"] != ""
    (alert,) = server.alerts
    assert (alert["runName"], alert["title"]) == (search["name"], "wrong: lbm-rewrite-0")
    assert alert["text"] == "told in a sentence"


def test_artifacts_have_a_lineage_from_the_seed_kernel_to_the_winner(server: StandIn, tmp_path: Path) -> None:
    Told(tmp_path / "run", server, "tied").end()
    search, gate = server.run("search")["name"], server.run("gate")["name"]
    assert [(used["runName"], used["artifact"]["artifactTypeName"]) for used in server.used] == [
        (search, "seed-kernel"),
        (gate, "seed-kernel"),
        (gate, "candidates"),
    ]
    made = {(a["runName"], a["artifactTypeName"]): a for a in server.artifacts if a["runName"]}
    assert made.keys() == {(search, "run_table"), (search, "candidates"), (gate, "kernel")}
    aliases = {each["alias"] for each in made[gate, "kernel"]["aliases"]}
    assert aliases == {"best", "tied", "latest"}
    # The candidates that the gate uses are the version that the search made.
    (used,) = [u["artifact"] for u in server.used if u["artifact"]["artifactTypeName"] == "candidates"]
    assert used["digest"] == made[search, "candidates"]["digest"]
    assert used["artifactCollectionName"] == made[search, "candidates"]["artifactCollectionName"]
    assert server.alerts == []


@pytest.mark.parametrize("manner", ["slow", "silent", "refusing", "broken", "dead"])
def test_a_server_that_falls_ill_costs_half_a_minute_at_the_end_at_most(
    server: StandIn, tmp_path: Path, manner: str
) -> None:
    told = Told(tmp_path / "run", server)
    server.turn(manner)
    seconds, said = told.end()
    assert seconds < 30
    assert "closed" in said
    if manner != "slow":  # which may be quick enough
        assert "W&B did not take all of it; the run folder has it: " in said


@pytest.mark.parametrize("after", ["nothing", "Viewer", "RunResumeStatus"])
def test_login_and_start_share_one_limit_and_then_the_run_is_offline(
    server: StandIn, tmp_path: Path, after: str
) -> None:
    server.silent_after = after
    if after == "nothing":
        server.turn("silent")
    told = Told(tmp_path / "run", server, patience=2.0)
    assert "W&B offline, because it did not take the run: " in told.said
    _, said = told.end()
    assert "closed" in said
    assert "W&B did not" not in said
    assert list((tmp_path / "run").rglob("*.wandb"))


def test_a_service_that_is_killed_costs_half_a_minute_at_the_end_at_most(server: StandIn, tmp_path: Path) -> None:
    told = Told(tmp_path / "run", server)
    service(told.process).kill()
    seconds, said = told.end()
    assert seconds < 30
    assert "W&B did not take all of it; the run folder has it: " in said


def test_a_server_that_goes_silent_does_not_cost_a_search(server: StandIn, tmp_path: Path) -> None:
    process = start("hydra.run.dir=run", cwd=tmp_path, env=server.environment(tmp_path))
    wait_for("run/01_result.json", tmp_path, process)
    server.turn("silent")
    wait_for("run/summary.json", tmp_path, process)
    begin = time.monotonic()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert time.monotonic() - begin < 40  # the half minute, and pictures and a table on a busy machine
    assert "W&B did not take all of it" in out
    assert "Traceback" not in err


def test_a_service_that_is_killed_costs_neither_the_run_nor_the_next_job_of_the_sweep(tmp_path: Path) -> None:
    # WANDB_SERVICE of a test before this one would lend its service to the run
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env["WANDB_MODE"] = "offline"
    process = start("-m", "seed=0,1", "hydra.sweep.dir=sweep", cwd=tmp_path, env=env)
    wait_for("sweep/0/01_result.json", tmp_path, process)
    service(process).kill()
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert all((tmp_path / "sweep" / job / "summary.json").exists() for job in "01")
    assert list((tmp_path / "sweep" / "1").rglob("*.wandb"))
    assert "Traceback" not in err


def test_with_a_login_a_search_is_online_from_its_first_candidate_to_the_gate(server: StandIn, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metalsci.run", "experiment=smoke"]
    env = server.environment(tmp_path)
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    search = server.run("search")
    assert f"W&B online: {server.url}/me/metalsci/runs/{search['name']}" in done.stdout
    assert "W&B did not" not in done.stdout
    assert "task:heat2d" in search["tags"]
    rows = [row for row in server.history(search["name"]) if "outcome" in row]
    assert [row["iteration"] for row in rows] == [0, 1, 2]
    assert all("best_score" in row for row in rows)
    assert server.run("gate")["groupName"] == search["groupName"]
    assert server.unknown.count("ServerFeaturesQuery") == len(server.unknown)  # nothing was asked that is not answered
