"""Processes killed at random points, with four answers under way: every resume is what would have been.

`make kills` kills 204 over six strategies; a few are tried with every run of the tests.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from toy_search import fence, search, value_of

from metalsci.files.locations import data
from metalsci.models.protocol import Prompt, Response
from metalsci.search.budget import Budget
from metalsci.search.flights import SideBySide
from metalsci.search.journal import read_recording
from metalsci.search.strategies.protocol import Strategy

STRATEGIES = ("one_plus_one", "mu_plus_lambda", "islands", "map_elites", "restarts", "bandit")
ITERATIONS = 16
KILLS = 34  # of each strategy, 204 in all

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")


class Answering:
    """A model whose answer depends on the prompt alone, and comes when it likes."""

    name = "answering"

    def propose(self, prompt: Prompt) -> Response:
        rng = random.Random(f"{value_of(prompt.parent)} {prompt.iteration}")
        time.sleep(random.random() * 0.003)  # four of them are to overlap in ever other ways
        if rng.random() < 0.2:
            return Response("I have no idea.")
        return Response(fence(value_of(prompt.parent) + rng.choice((-2, 1, 1, 2, 3))))


def make(option: str) -> Strategy:
    loaded = OmegaConf.load(data("conf") / "strategy" / f"{option}.yaml")
    strategy: Strategy = instantiate(OmegaConf.create({"seed": 3, "strategy": loaded}).strategy, _convert_="all")
    return strategy


def live(folder: Path, option: str) -> int:
    """Search in a process of its own; return its id."""
    process = os.fork()
    if process:
        return process
    try:
        search(folder, Answering(), Budget(ITERATIONS), strategy=make(option), flights=SideBySide(4, in_order=True))
    except BaseException:
        os._exit(1)
    os._exit(0)


def kill_at(process: int, journal: Path, size: int) -> bool:
    """Kill a process once its journal has so many bytes. Return False if it had ended before."""
    while not journal.exists() or journal.stat().st_size < size:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            assert status == 0
            return False
        time.sleep(0.0002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return True


def killed(folder: Path, option: str, kills: int) -> int:
    """Kill a run at random places, then let it end. Return the number of kills that met it alive."""
    rng = random.Random(f"kills {option}")
    (whole := folder / "whole").mkdir()
    assert os.waitpid(live(whole, option), 0)[1] == 0
    wanted = read_recording(whole / "journal.jsonl")
    length = (whole / "journal.jsonl").stat().st_size
    done = attempt = 0
    while done < kills:
        attempt += 1
        (parts := folder / f"parts{attempt}").mkdir()
        journal = parts / "journal.jsonl"
        for place in sorted(rng.randrange(200, length) for _ in range(min(8, kills - done))):
            done += kill_at(live(parts, option), journal, place)
        assert os.waitpid(live(parts, option), 0)[1] == 0
        got = read_recording(journal)
        assert [e.request for e in got.entries] == [e.request for e in wanted.entries]
        assert [(e.source, e.score, e.promoted) for e in got.entries] == [
            (e.source, e.score, e.promoted) for e in wanted.entries
        ]
    return done


@pytest.mark.parametrize("option", ["islands", "bandit"])
def test_a_killed_process_changes_nothing(tmp_path: Path, option: str) -> None:
    assert killed(tmp_path, option, 3) >= 3


@pytest.mark.kills
@pytest.mark.parametrize("option", STRATEGIES)
def test_many_killed_processes_change_nothing(tmp_path: Path, option: str) -> None:
    assert killed(tmp_path, option, KILLS) >= KILLS
