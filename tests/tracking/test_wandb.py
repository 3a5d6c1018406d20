"""A real offline W&B run, read back from the file that W&B itself wrote."""

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.msl.diagnostics import Diagnostic, Finding, Severity
from metalsci.search.archive import Archive, Entry
from metalsci.tracking.protocol import RunInfo
from metalsci.tracking.wandb import WandbTracker
from metalsci.tracking.wandb_mode import WandbMode

HEADER, BLOCK, RECORD = 7, 32 * 1024, struct.Struct("<IHB")


def records(path: Path) -> Iterator[Any]:
    """Read the protobuf records of a .wandb file: a 7-byte header, then a LevelDB-style log."""
    from wandb.proto import wandb_internal_pb2

    data, at, parts = path.read_bytes(), HEADER, []
    while at + RECORD.size <= len(data):
        room = BLOCK - at % BLOCK
        if room < RECORD.size:
            at += room
            continue
        _, length, kind = RECORD.unpack_from(data, at)
        parts.append(data[at + RECORD.size : at + RECORD.size + length])
        at += RECORD.size + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record


def history(path: Path) -> list[dict[str, Any]]:
    logged = (r.history.item for r in records(path) if r.WhichOneof("record_type") == "history")
    return [{"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items} for items in logged]


def summary(path: Path) -> dict[str, Any]:
    values = {}
    for record in records(path):
        if record.WhichOneof("record_type") == "summary":
            for item in record.summary.update:
                values["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    return values


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Run a sweep of two smoke runs; return their .wandb files and their run folders, in order."""
    folder = tmp_path_factory.mktemp("wandb")
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")} | {"HOME": str(folder)}
    command = [sys.executable, "-m", "metalsci.run", "experiment=smoke", "-m", "seed=0,1"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "W&B offline" in done.stdout
    files = sorted(folder.rglob("run-*.wandb"))
    assert len(files) == 2
    runs = {p.parent.name: p.parent for p in folder.rglob("summary.json") if (p.parent / "journal.jsonl").exists()}
    return files, [runs["0"], runs["1"]]


def test_every_iteration_is_logged_with_its_figures(sweep):
    files, folders = sweep
    for file, folder in zip(files, folders, strict=True):
        rows = [r for r in history(file) if "iteration" in r]
        assert [r["iteration"] for r in rows] == [0, 1, 2]
        for row in rows:
            result = json.loads((folder / f"{row['iteration']:02}_result.json").read_text())
            assert row["outcome"] == result["outcome"]
            assert row["score"] == pytest.approx(result["score"])
            assert (
                row["best_score"] >= rows[0]["score"]
            )  # a higher score is not promoted if a test says that it is chance
            if result["outcome"] == "scored":
                timed = result["sizes"][0]
                assert row["ms/128×128·10"] > 0
                roof = timed["roofline"]
                assert row["fraction/128×128·10"] == pytest.approx(roof["achieved"] / roof["ceiling"])
                assert row["self_speedup"] > 0


def test_the_gate_s_result_is_in_the_summary(sweep):
    files, folders = sweep
    for file, folder in zip(files, folders, strict=True):
        gate = json.loads((folder / "gate.json").read_text())
        logged = summary(file)
        assert logged["gate/verdict"] == gate["verdict"]
        assert logged["gate/heldout_speedup"] == pytest.approx(gate["heldout_speedup"])
        assert logged["self_speedup"] > 0


def test_kernels_are_an_artifact(sweep):
    files, _ = sweep
    for file in files:
        artifacts = [r.request.log_artifact.artifact for r in records(file) if r.request.HasField("log_artifact")]
        artifacts += [r.artifact for r in records(file) if r.WhichOneof("record_type") == "artifact"]
        (artifact,) = [a for a in artifacts if a.type == "kernel"]
        names = {entry.path for entry in artifact.manifest.contents}
        assert {"best.metal", "best.py", "00_seed.metal", "gate.json", "summary.json"} <= names


def test_the_runs_of_a_sweep_share_a_group_and_carry_tags(sweep):
    files, _ = sweep
    runs = [next(r.run for r in records(f) if r.WhichOneof("record_type") == "run") for f in files]
    assert runs[0].run_group
    assert runs[0].run_group == runs[1].run_group
    assert runs[0].run_id != runs[1].run_id
    for run in runs:
        assert {"task:heat2d", "model:rewrite"} <= set(run.tags)
        assert run.job_type == "search"


def test_a_server_that_cannot_be_reached_does_not_cost_the_run(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")} | {"HOME": str(tmp_path)}
    env |= {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "metalsci.run", "experiment=smoke"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "W&B offline, because it did not take the run" in done.stdout
    (file,) = tmp_path.rglob("run-*.wandb")
    assert summary(file)["gate/verdict"]


def test_what_was_wrong_is_logged_as_text(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    diagnostic = Diagnostic(Severity.ERROR, 3, 1, "unknown type name 'flaot'")
    refused = Evaluation(Outcome.COMPILE_ERROR, diagnostic.message, (diagnostic,))
    racy = Evaluation(Outcome.WRONG, "right by luck", findings=(Finding("step, line 4: data race on u[1]"),))
    archive = Archive(Entry(0, "seed", Evaluation(Outcome.SCORED, score=0.5), seconds={}))
    tracker = WandbTracker(project="metalsci", entity=None, mode=WandbMode.offline, group=None, tags=())
    tracker.start(RunInfo("run", "heat2d", "rewrite", None, tmp_path, {}))
    for evaluation in (refused, racy):
        archive.add(Entry(len(archive), "source", evaluation, seconds={}))
        tracker.entry(archive)
    tracker.close(failed=False)
    file = next(tmp_path.rglob("run-*.wandb"))
    deadline = time.monotonic() + 60
    while len(history(file)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)  # W&B's own process writes its last records a moment after it has said that it is done
    first, second = history(file)
    assert "3:1: error: unknown type name 'flaot'" in first["diagnostics"]
    assert second["findings"] == "step, line 4: data race on u[1]"
    assert second["message"] == "right by luck"
    assert "diagnostics" not in second
