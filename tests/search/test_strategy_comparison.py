"""Strategies ranked over landscapes: the ranking gives its uncertainty, and recorded runs are a landscape too."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_search import Scripted, fence, search

from metalsci.cli.strategy_plot import plot_standings
from metalsci.cli.strategy_ranking import StrategyUsageError, rank
from metalsci.search.budget import Budget
from metalsci.search.journal import read_recording
from metalsci.search.landscapes.ladder import Ladder
from metalsci.search.landscapes.recorded_steps import RecordedSteps
from metalsci.search.landscapes.rugged import Rugged
from metalsci.search.strategies.best_of_n import BestOfN
from metalsci.search.strategies.one_plus_one import OnePlusOne
from metalsci.search.strategies.protocol import Strategy
from metalsci.search.strategy_comparison import Interval, compare

STRATEGIES: dict[str, Callable[[int], Strategy]] = {
    "best_of_n": lambda seed: BestOfN(),
    "one_plus_one": lambda seed: OnePlusOne(),
}


def test_climbing_beats_independent_attempts_on_a_ladder() -> None:
    standings = compare(STRATEGIES, {"ladder": lambda seed: Ladder()}, evaluations=40, runs=8)
    assert [(s.strategy, s.verdict) for s in standings] == [("one_plus_one", "better"), ("best_of_n", "control")]
    assert all(len(curve) == 41 for s in standings for curve in s.curves)
    svg = plot_standings(standings)
    assert svg.count("<polyline") == 2
    assert "best_of_n" in svg


def test_a_strategy_is_no_better_than_itself() -> None:
    strategies = {"best_of_n": lambda seed: BestOfN(), "twin": lambda seed: BestOfN()}
    standings = compare(strategies, {"rugged": lambda seed: Rugged(seed=seed)}, evaluations=10, runs=4)
    assert {s.verdict for s in standings} == {"control", "no difference"}


def test_an_interval_holds_its_mean_and_narrows_with_more_runs() -> None:
    rng = random.Random(1)
    values = [rng.gauss(0, 1) for _ in range(200)]
    few, many = Interval.of(values[:10]), Interval.of(values)
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low


def test_recorded_runs_answer_as_they_did(tmp_path: Path) -> None:
    search(tmp_path, Scripted([fence(1), fence(3), "no code", fence(2)]), Budget(4))
    steps = RecordedSteps("recorded", [read_recording(tmp_path / "journal.jsonl")])
    rises = [steps.child([steps.start], random.Random(i)) for i in range(200)]
    worths = {None if child is None else round(steps.worth(child), 3) for child in rises}
    # 0 → 1 doubles, 1 → 3 doubles, nothing comes of one, and 3 → 2 is three quarters
    assert worths == {None, 1.0, -0.415}


def test_the_command_prints_a_table_for_each_landscape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(tmp_path, Scripted([fence(1), fence(3)]), Budget(2))
    plot = tmp_path / "plot.svg"
    rank(evaluations=5, runs=2, only=["beam"], recorded=[tmp_path], plot=plot)
    told = capsys.readouterr().out
    assert re.findall(r"^(\w+): the incumbent after 5", told, re.MULTILINE) == ["rugged", "ladder", "recorded"]
    assert told.count("control") == 3
    assert plot.read_text().startswith("<svg")


def test_what_does_not_exist_is_refused_with_what_does(tmp_path: Path) -> None:
    with pytest.raises(StrategyUsageError, match="no strategy is called bean: there are bandit, beam"):
        rank(evaluations=5, runs=1, only=["bean"], recorded=[], plot=None)
    with pytest.raises(StrategyUsageError, match="nowhere is not the folder of a run"):
        rank(evaluations=5, runs=1, only=["beam"], recorded=[tmp_path / "nowhere"], plot=None)
