"""Every strategy of conf/strategy: it can be configured, it searches, it survives its process, it refuses nonsense."""

import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from toy_search import fence, search, value_of

from metalsci.files.locations import data
from metalsci.models.protocol import Prompt, Response
from metalsci.search.archive import Archive
from metalsci.search.budget import Budget
from metalsci.search.flights import SideBySide
from metalsci.search.journal import Journal, Record, read_recording
from metalsci.search.landscapes.ladder import Ladder
from metalsci.search.landscapes.landscape import Landscape
from metalsci.search.strategies.protocol import Strategy
from metalsci.search.strategy_comparison import climb

OPTIONS = sorted(path.stem for path in (data("conf") / "strategy").glob("*.yaml"))
KILLS = 200


def make(option: str, seed: int = 0, **settings: Any) -> Strategy:
    if option == "openevolve":
        pytest.importorskip("openevolve")  # an extra
    loaded = OmegaConf.merge(OmegaConf.load(data("conf") / "strategy" / f"{option}.yaml"), settings)
    made: Strategy = instantiate(OmegaConf.create({"seed": seed, "strategy": loaded}).strategy, _convert_="all")
    return made


@pytest.mark.parametrize("option", OPTIONS)
def test_it_finds_better_kernels_and_does_the_same_again(option: str) -> None:
    first, again = (climb(make(option), Landscape(Ladder(), 1), 60) for _ in range(2))
    assert first == again
    assert len(first) == 61
    assert first[-1] > 0.5


@pytest.mark.parametrize("option", OPTIONS)
def test_it_keeps_several_answers_under_way(option: str) -> None:
    worths = climb(make(option), Landscape(Ladder(), 1), 60, SideBySide(5, in_order=True))
    assert len(worths) == 61
    assert worths[-1] > 0.5


class Reckoner:
    """A model whose answer depends on the prompt alone: the parent's number and the request's."""

    name = "reckoner"

    def propose(self, prompt: Prompt) -> Response:
        rng = random.Random(f"{value_of(prompt.parent)} {prompt.iteration}")
        if rng.random() < 0.2:
            return Response("I have no idea.")
        return Response(fence(value_of(prompt.parent) + rng.choice((-2, 1, 1, 2, 3))))


class Fatal(Journal):
    """A journal in whose process a signal arrives after some records, before or after the disk has the last one."""

    def __init__(self, path: Path, records: int, before: bool) -> None:
        self.records, self.before = records, before
        super().__init__(path, "x", 7)

    def _append(self, record: Record) -> None:
        self.records -= 1
        if self.records < 0 or (self.records == 0 and self.before):
            raise KeyboardInterrupt
        super()._append(record)
        if self.records == 0:
            raise KeyboardInterrupt


def live(folder: Path, option: str, journal: Journal | None = None) -> Archive:
    """Run one process of a run with four answers under way."""
    flights = SideBySide(4, in_order=True)
    try:
        return search(folder, Reckoner(), Budget(16), strategy=make(option), flights=flights, journal=journal).archive
    finally:
        for thread in threading.enumerate():
            if thread.name.startswith("request "):
                thread.join(10)  # a process that is killed takes them along


@pytest.mark.parametrize("option", OPTIONS)
def test_a_run_that_is_killed_anywhere_asks_and_keeps_what_it_would_have(tmp_path: Path, option: str) -> None:
    """200 kills over all strategies: the resumed run has the requests and the archive of the uninterrupted one."""
    (whole := tmp_path / "whole").mkdir()
    (parts := tmp_path / "parts").mkdir()
    live(whole, option)
    rng = random.Random(option)
    kills = 0
    for _ in range(KILLS // len(OPTIONS) + 1):
        try:
            live(parts, option, Fatal(parts / "journal.jsonl", rng.randint(1, 3), rng.random() < 0.5))
        except KeyboardInterrupt:
            kills += 1
    live(parts, option)
    assert kills > 10
    wanted, got = (read_recording(f / "journal.jsonl") for f in (whole, parts))
    assert [e.request for e in got.entries] == [e.request for e in wanted.entries]
    assert [(e.source, e.score, e.promoted) for e in got.entries] == [
        (e.source, e.score, e.promoted) for e in wanted.entries
    ]
    answered = (parts / "journal.jsonl").read_text().count('"type":"answered"')
    assert answered == 16  # nothing was asked twice


@pytest.mark.parametrize(
    ("option", "settings", "message"),
    [
        ("best_of_n", {"history": -1}, r"strategy\.history=-1"),
        ("beam", {"width": 0}, r"strategy\.width=0"),
        ("beam", {"siblings": 0}, r"strategy\.siblings=0"),
        ("mu_plus_lambda", {"mu": 0}, r"strategy\.mu=0"),
        ("mu_plus_lambda", {"crossover": 1.5}, r"strategy\.crossover=1\.5"),
        ("islands", {"islands": 0}, r"strategy\.islands=0"),
        ("islands", {"reset_every": -1}, r"strategy\.reset_every=-1"),
        ("restarts", {"patience": 0}, r"strategy\.patience=0"),
        ("restarts", {"pool": 0}, r"strategy\.pool=0"),
        ("bandit", {"parents": ["anyone"]}, r"strategy\.parents=\['anyone'\]: some of incumbent, best"),
        ("bandit", {"exploration": -1.0}, r"strategy\.exploration"),
        ("pareto", {"objectives": ["size"]}, r"strategy\.objectives=\['size'\]: score, and some of"),
        ("pareto", {"most": 0}, r"strategy\.most=0"),
        ("map_elites", {"descriptors": []}, r"strategy\.descriptors"),
        ("map_elites", {"greed": 2.0}, r"strategy\.greed=2\.0"),
    ],
)
def test_nonsense_is_refused_with_the_setting(option: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        make(option, **settings)
    assert isinstance(caught.value.__cause__ or caught.value, ValueError)
