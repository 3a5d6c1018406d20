"""The end of a sweep: the runs that count, and the aggregates over their seeds."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from metalsci.cli.sweep_table import SweepTable, as_csv, jobs, runs_table, seeds_table, unfinished
from metalsci.report.means import geometric_mean


def result(
    task: str = "lbm",
    model: str = "rewrite",
    seed: int = 0,
    speedup: float = 2.0,
    heldout: float | None = 1.5,
    verdict: str = "generalizes",
) -> dict[str, Any]:
    gate = {"heldout_speedup": heldout, "verdict": verdict, "phi": 0.25, "seed": {"outcome": "scored"}}
    spent = {"tokens": 10, "dollars": 0.5}
    search = {"self_speedup": speedup, "best_iteration": 3, "iterations": 5}
    known = {"task": task, "model": model, "seed": seed, "gate": gate, "spent": spent, "seconds": {"total": 7.5}}
    return {**known, **search}


def job(folder: Path, summary: dict[str, Any] | str | None = None, journal: bool = True) -> None:
    (folder / ".hydra").mkdir(parents=True)
    if journal:
        (folder / "journal.jsonl").write_text("")
    if summary is not None:
        (folder / "summary.json").write_text(summary if isinstance(summary, str) else json.dumps(summary))


def test_runs_are_found_at_any_depth_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for place in ("lbm/10", "lbm/9", "fft3d/2/deep"):
        job(tmp_path / place)
    assert [j.relative_to(tmp_path).as_posix() for j in jobs(tmp_path)] == ["lbm/9", "lbm/10", "fft3d/2/deep"]


def test_a_summary_that_is_not_whole_is_none_and_its_run_can_go_on(tmp_path: Path) -> None:
    job(tmp_path / "0", result())
    job(tmp_path / "1", "")
    job(tmp_path / "2", "{", journal=False)
    assert unfinished(tmp_path) == [tmp_path / "1"]


def test_the_geometric_mean_of_ratios_has_student_s_interval() -> None:
    mean = geometric_mean([2.0, 8.0])
    assert mean.value == pytest.approx(4.0)
    half = 12.71 * math.log(4) / math.sqrt(2) / math.sqrt(2)
    assert (math.log(mean.low), math.log(mean.high)) == pytest.approx(
        (math.log(4) - half, math.log(4) + half), rel=1e-3
    )
    assert math.isnan(geometric_mean([2.0]).low)
    assert math.isnan(geometric_mean([]).value)
    assert geometric_mean([0.0, 3.0]).value == pytest.approx(3.0)
    narrow = geometric_mean([1.0, 2.0] * 20)
    assert narrow.low == pytest.approx(math.exp(math.log(2) / 2 - 2.0227 * 0.351 / math.sqrt(40)), rel=1e-3)


def test_seeds_are_put_together_by_task_and_model() -> None:
    results = {
        "0": result(speedup=2.0),
        "1": result(seed=1, speedup=8.0, verdict="wrong", heldout=None),
        "2": result(model="gpt", speedup=1.5),
        "3": None,
    }
    _, first, second = seeds_table(results, {})
    assert first[:4] == ["lbm", "rewrite", "2", "4.00×"]
    assert first[5:] == ["1.50×", "", "1/2"]
    assert second[:5] == ["lbm", "gpt", "1", "1.50×", ""]
    assert "no result" in runs_table(results, {})[-1][-1]


def test_runs_with_other_settings_are_not_seeds_of_one_another() -> None:
    results = {"0": result(speedup=2.0), "1": result(seed=1, speedup=2.0), "2": result(speedup=8.0)}
    settings = {"0": "strategy=beam", "1": "strategy=beam", "2": "strategy=islands"}
    head, first, second = seeds_table(results, settings)
    assert head[2] == "settings"
    assert first[2:5] == ["strategy=beam", "2", "2.00×"]
    assert second[2:5] == ["strategy=islands", "1", "8.00×"]
    assert [row[4] for row in runs_table(results, settings)] == ["settings", *settings.values()]
    last = list(csv.DictReader(io.StringIO(as_csv(results, settings))))[-1]
    assert last["settings"] == "strategy=islands"


def test_the_csv_holds_figures_in_full() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv({"a/0": result(seed=7, speedup=1.23456789), "a/1": None}, {}))))
    assert (rows[0]["seed"], rows[0]["self_speedup"], rows[0]["dollars"]) == ("7", "1.23456789", "0.5")
    assert rows[1]["run"] == "a/1"
    assert rows[1]["verdict"] is None


@pytest.mark.parametrize(("summaries", "code"), [([result(), result(seed=1)], None), ([result(), None], 1)])
def test_the_exit_code_tells_and_the_files_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], summaries: list[dict[str, Any] | None], code: int | None
) -> None:
    for number, summary in enumerate(summaries):
        job(tmp_path / f"lbm/{number}", summary)
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})
    if code is None:
        SweepTable().on_multirun_end(config)
    else:
        with pytest.raises(SystemExit) as exit:
            SweepTable().on_multirun_end(config)
        assert exit.value.code == code
    assert len(json.loads((tmp_path / "sweep.json").read_text())) == len(summaries)
    assert (tmp_path / "sweep.csv").read_text().startswith("run,task,model,seed")
    assert (tmp_path / "sweep.md").read_text().count("## ") == 2


def test_a_sweep_that_is_only_estimated_leaves_nothing_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "sweeps/today/noon"
    known = {"hydra": {"sweep": {"dir": str(sweep)}}, "paths": {"outputs": str(tmp_path / "sweeps")}, "dry_run": True}
    config = OmegaConf.create(known)
    SweepTable().on_multirun_start(config)
    SweepTable().on_multirun_end(config)
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "sweeps").exists()


def test_a_sweep_of_which_no_run_began_leaves_nothing_and_exits_like_a_refused_command(tmp_path: Path) -> None:
    sweep = tmp_path / "sweeps/today/noon"
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(sweep)}}, "paths": {"outputs": str(tmp_path / "sweeps")}})
    SweepTable().on_multirun_start(config)
    assert list(sweep.iterdir())
    with pytest.raises(SystemExit) as exit:
        SweepTable().on_multirun_end(config)
    assert exit.value.code == 2
    assert not (tmp_path / "sweeps").exists()
