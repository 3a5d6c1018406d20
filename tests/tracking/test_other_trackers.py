"""Several observers at once: CSV, and MLflow and Trackio if they are installed."""

import csv
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from run_folders import result

from metalsci.cli.arguments import UsageError, several_trackers
from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.protocol import Reply, Usage
from metalsci.search.archive import Archive, Entry
from metalsci.tracking.csv_file import CsvFile
from metalsci.tracking.mlflow import MlflowTracker
from metalsci.tracking.protocol import Observer, RunInfo


def follow(tracker: Observer, folder: Path) -> None:
    """Tell a run of two candidates to a tracker from beginning to end."""
    info = RunInfo("name", "lbm", "rewrite", "group", folder, {"task": {"name": "lbm"}}, tags=["mine"], notes="why")
    tracker.start(info)
    archive = Archive(Entry(0, "seed", Evaluation(Outcome.SCORED, score=0.5), seconds={"total": 1.0}))
    tracker.entry(archive)
    reply = Reply("An idea.", Usage(100, 0, 20), 0.25)
    archive.add(Entry(1, "a", Evaluation(Outcome.SCORED, score=1.0), reply=reply, decision=Decision(True)))
    tracker.entry(archive)
    archive.add(Entry(2, "b", Evaluation(Outcome.WRONG, "wrong"), reply=reply))
    tracker.entry(archive)
    (folder / "best.metal").write_text("kernel")
    tracker.finish(result("lbm", "rewrite", 0, 0.2, 1, 2, "generalizes"), [folder / "best.metal"])
    tracker.close(failed=False)


def test_csv_has_a_row_an_iteration_and_adds_up_what_was_spent(tmp_path: Path) -> None:
    follow(CsvFile(), tmp_path)
    rows = list(csv.DictReader((tmp_path / "iterations.csv").open(encoding="utf-8")))
    assert [row["outcome"] for row in rows] == ["scored", "scored", "wrong"]
    assert [row["tokens_so_far"] for row in rows] == ["0", "120", "240"]
    assert [float(row["best_speedup"]) for row in rows] == [1.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="name of a file"):
        CsvFile(name="../elsewhere.csv")


def test_mlflow_has_metrics_verdict_and_kernels(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = (tmp_path / "mlruns").as_uri()
    follow(MlflowTracker(uri=uri), tmp_path)
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("metalsci").experiment_id])
    assert [m.value for m in client.get_metric_history(run.info.run_id, "best_speedup")] == [1.0, 2.0, 2.0]
    assert run.data.metrics["confirmed/self_speedup"] == 2.0
    assert run.data.tags["verdict"] == "generalizes"
    assert run.data.params["task.name"] == "lbm"
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["best.metal"]
    assert run.info.status == "FINISHED"


def test_trackio_has_the_figures(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    # In a process of its own: where Trackio keeps its databases is read when it is imported.
    script = (
        "from pathlib import Path; from test_other_trackers import follow; from metalsci.tracking.trackio import *\n"
        f"follow(TrackioTracker(project='mine'), Path({str(tmp_path)!r}))"
    )
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "helpers")]
    env = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio"), "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (database,) = (path for path in (tmp_path / "trackio").rglob("*.db") if "mine" in path.name)
    with sqlite3.connect(database) as opened:
        assert opened.execute("select count(*) from metrics").fetchone()[0] >= 3


def test_a_list_of_trackers_is_one_tracker_and_further_observers() -> None:
    assert several_trackers(["tracker=[wandb,csv, mlflow]", "task=lbm"]) == [
        "tracker=wandb",
        "+tracker@observers.csv=csv",
        "+tracker@observers.mlflow=mlflow",
        "task=lbm",
    ]
    assert several_trackers(["tracker=none"]) == ["tracker=none"]
    for refused in ("tracker=[]", "tracker=[csv,csv]"):
        with pytest.raises(UsageError, match="name each tracker once"):
            several_trackers([refused])


def test_an_extra_that_is_missing_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(Exception, match=r"pip install 'metalsci\[mlflow\]'"):
        MlflowTracker().start(RunInfo("n", "t", "m", None, tmp_path, {}))
