"""Strategies ranked over landscapes: the ranking gives its uncertainty, and recorded runs are a landscape too."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_search import Scripted, fence, search

from metalsci.cli.strategy_plot import plot_standings
from metalsci.cli.strategy_ranking import StrategyUsageError, rank
from metalsci.msl.language.spelling import spelling
from metalsci.search.budget import Budget
from metalsci.search.journal import read_recording
from metalsci.search.landscapes.ladder import Ladder
from metalsci.search.landscapes.recorded_steps import RecordedSteps
from metalsci.search.landscapes.rugged import Rugged
from metalsci.search.strategies.best_of_n import BestOfN
from metalsci.search.strategies.one_plus_one import OnePlusOne
from metalsci.search.strategies.protocol import Strategy
from metalsci.search.strategy_comparison import Interval, Standing, compare

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


@pytest.mark.parametrize("terrain", [Rugged(), Ladder()], ids=lambda terrain: terrain.name)
def test_children_of_other_worth_are_other_programs(terrain: Rugged | Ladder) -> None:
    """A search takes programs that differ in names only for one: such children would all be duplicates."""
    rng = random.Random(0)
    children = [terrain.child([terrain.start], rng) for _ in range(60)]
    worths = {terrain.worth(child): spelling(child) for child in children if child is not None}
    assert len(worths) > 1
    assert len(set(worths.values())) == len(worths)


def test_climbing_beats_independent_attempts_on_rugged_ground() -> None:
    standings = compare(STRATEGIES, {"rugged": lambda seed: Rugged(seed=seed)}, evaluations=40, runs=8)
    assert [(s.strategy, s.verdict) for s in standings] == [("one_plus_one", "better"), ("best_of_n", "control")]
    assert standings[1].final.mean > 0.5


def test_each_of_many_strategies_has_a_line_of_its_own() -> None:
    names = [f"strategy {number}" for number in range(20)]
    flat = Interval(1.0, 1.0, 1.0)
    svg = plot_standings([Standing(name, "flat", [[0.0, 1.0]], flat, flat) for name in names])
    lines = re.findall(r'<polyline [^>]*stroke="([^"]+)" [^>]*stroke-dasharray="([^"]+)"', svg)
    assert len(set(lines)) == len(names)


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


def test_no_kernel_is_faster_than_the_fastest_that_was_recorded(tmp_path: Path) -> None:
    search(tmp_path, Scripted([fence(1), fence(3)]), Budget(2))
    steps = RecordedSteps("recorded", [read_recording(tmp_path / "journal.jsonl")])
    speed = steps.start
    for draw in range(10):
        speed = steps.child([speed], random.Random(draw)) or speed
    assert steps.worth(speed) == 2.0


def test_runs_of_several_tasks_are_several_landscapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for task, answers in (("easy", [fence(3)]), ("hard", [fence(0), "no code"]), ("none", [])):
        (tmp_path / task).mkdir()
        search(tmp_path / task, Scripted([*answers, fence(1)]), Budget(len(answers) + 1))
        (tmp_path / task / "config.yaml").write_text(f"task:\n  name: {task}\n")
    rank(evaluations=3, runs=2, only=["beam"], recorded=list(tmp_path.iterdir()), plot=None)
    told = " ".join(capsys.readouterr().out.split())
    assert "recorded: steps of easy 2, hard 3, none 1; each search has one of these tasks, in turn." in told
    assert "Give --runs 3 or more" in told


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
