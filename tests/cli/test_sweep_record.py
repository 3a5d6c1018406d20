"""A sweep's folder tells how many jobs it will have, and a watcher waits for all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from omegaconf import OmegaConf
from run_folders import write_run

from metalsci.cli.run_listing import RunFilter
from metalsci.cli.run_watching import Watched
from metalsci.cli.sweep_record import LOCK, distinctions, is_at_work, planned_jobs
from metalsci.cli.sweep_table import SweepTable
from metalsci.runs import main as list_runs


def write_sweep(folder: Path, *overrides: str, **sweeper: object) -> Path:
    folder.mkdir(exist_ok=True)
    told = {"hydra": {"sweeper": sweeper, "overrides": {"task": list(overrides)}}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(told))
    return folder


@pytest.mark.parametrize(
    ("overrides", "sweeper", "count"),
    [
        (["task=lbm,heat2d", "seed=range(0,5)", "budget.iterations=3"], {}, 10),
        (["experiment=seeds", "task=lbm"], {"params": {"seed": "0,1,2,3,4"}}, 5),
        (["seed=0,1"], {"params": {"seed": "0,1,2,3,4"}}, 2),
        (["task=lbm"], {"n_trials": 20, "params": {"model.boldness": "interval(0.0, 1.0)"}}, 20),
        (["tags=[a,b]", "seed=3"], {"params": None}, 1),
        (["task=glob(*)"], {}, None),
    ],
)
def test_the_jobs_of_a_sweep_are_counted(
    tmp_path: Path, overrides: list[str], sweeper: dict[str, object], count: int | None
) -> None:
    assert planned_jobs(write_sweep(tmp_path, *overrides, **sweeper)) == count


@pytest.mark.parametrize("content", ["", "- a list", "hydra: {", "hydra: {sweeper: {}, overrides: {task: ['a=[']}}"])
def test_a_record_that_is_none_tells_no_count(tmp_path: Path, content: str) -> None:
    (tmp_path / "multirun.yaml").write_text(content)
    assert planned_jobs(tmp_path) is None


def test_what_tells_jobs_apart_is_neither_what_they_share_nor_a_column_of_the_table(tmp_path: Path) -> None:
    told = {
        "0": ["task=lbm", "strategy=beam", "tags=[a]"],
        "1": ["task=hmc", "strategy=islands", "tags=[a]"],
        "2": None,
    }
    for name, arguments in told.items():
        (tmp_path / name).mkdir()
        if arguments is not None:
            (tmp_path / name / "command.json").write_text(json.dumps({"arguments": arguments}))
    found = distinctions({name: tmp_path / name for name in told})
    assert found == {"0": "strategy=beam", "1": "strategy=islands"}
    assert distinctions({}) == {}


def test_a_watcher_waits_between_two_jobs_of_a_sweep(tmp_path: Path) -> None:
    write_sweep(tmp_path, "seed=0,1,2")
    write_run(tmp_path / "0")
    with FileLock(tmp_path / LOCK):
        seen = Watched.now(RunFilter([tmp_path], {}))
        assert not seen.is_over
        assert seen.counts == "1 ended, 2 waiting"
        assert "left: at most 6 candidates" in seen.spent
    assert Watched.now(RunFilter([tmp_path], {})).is_over


def test_a_sweep_that_ended_between_two_jobs_names_the_command_that_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(tmp_path, "seed=0,1,2")
    write_run(tmp_path / "0")
    list_runs([str(tmp_path)])
    told = capsys.readouterr().out
    assert f"sweep {tmp_path}: 1 ended, 2 not begun" in told
    assert f"go on: python -m metalsci.run resume={tmp_path}" in told
    with FileLock(tmp_path / LOCK):
        list_runs([str(tmp_path)])
    told = capsys.readouterr().out
    assert "1 ended, 2 waiting" in told
    assert "go on" not in told


def test_a_sweep_is_at_work_from_its_start_to_its_end(tmp_path: Path) -> None:
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}, "paths": {"outputs": str(tmp_path)}})
    (tmp_path / "kept").touch()
    table = SweepTable()
    table.on_multirun_start(config)
    assert is_at_work(tmp_path)
    with pytest.raises(SystemExit):
        table.on_multirun_end(config)
    assert not is_at_work(tmp_path)


def test_in_a_pipe_a_watched_sweep_is_a_line_a_change(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "sweep", "seed=0,1")
    command = [sys.executable, "-m", "metalsci.runs", str(sweep), "--watch", "--every", "0.05"]
    with FileLock(sweep / LOCK):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline().startswith("2 waiting; spent: 0 candidates")
        write_run(tmp_path / "made").rename(sweep / "0")
        assert process.stdout.readline().startswith("1 ended, 1 waiting; spent: 3 candidates")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert f"report: python -m metalsci.report {sweep}" in out
