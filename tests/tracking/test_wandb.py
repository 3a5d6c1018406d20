"""A real offline W&B run, read back from the file that W&B itself wrote."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from run_folders import result, write_run

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.msl.diagnostics import Diagnostic, Finding, Severity
from metalsci.search.archive import Archive, Entry
from metalsci.tracking.protocol import RunInfo
from metalsci.tracking.wandb import WandbTracker
from metalsci.tracking.wandb_figures import NAMED
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
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Run a sweep of two smoke runs; return their .wandb files and their run folders, in order."""
    folder = tmp_path_factory.mktemp("wandb")
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")} | {"HOME": str(folder)}
    command = [sys.executable, "-m", "metalsci.run", "experiment=smoke", "-m", "seed=0,1", "tags=[mine]", "notes=why"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "W&B offline" in done.stdout
    found = files_by_kind(folder)
    assert {kind: len(files) for kind, files in found.items()} == {"search": 2, "gate": 2, "sweep": 1}
    assert found["sweep"][0].parents[2] == found["search"][0].parents[3]
    runs = {p.parent.name: p.parent for p in folder.rglob("summary.json") if (p.parent / "journal.jsonl").exists()}
    return found["search"], [runs["0"], runs["1"]]


def files_by_kind(folder: Path) -> dict[str, list[Path]]:
    """Find the .wandb files in and below a folder, oldest first, by job type."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("run-*.wandb"), key=lambda path: path.parent.name):
        found.setdefault(run_of(path).job_type, []).append(path)
    return found


def run_of(path: Path) -> Any:
    return next(r.run for r in records(path) if r.WhichOneof("record_type") == "run")


def artifacts(path: Path) -> tuple[list[Any], list[Any]]:
    """Collect the artifacts of a run: what it used, and what it made."""
    found = [r.request.log_artifact.artifact for r in records(path) if r.request.HasField("log_artifact")]
    found += [r.artifact for r in records(path) if r.WhichOneof("record_type") == "artifact"]
    return [a for a in found if a.use_after_commit], [a for a in found if not a.use_after_commit]


def test_every_iteration_is_logged_with_its_figures(sweep: tuple[list[Path], list[Path]]) -> None:
    files, folders = sweep
    for file, folder in zip(files, folders, strict=True):
        rows = [r for r in history(file) if "outcome" in r]
        assert [r["iteration"] for r in rows] == [0, 1, 2]
        for row in rows:
            result = json.loads((folder / f"{row['iteration']:02}_result.json").read_text())
            assert row["outcome"] == result["outcome"]
            assert row["score"] == pytest.approx(result["score"])
            assert not row["promoted"] or row["best_score"] == row["score"]
            if result["outcome"] == "scored":
                timed = result["sizes"][0]
                assert row["ms/128×128·10"] > 0
                roof = timed["roofline"]
                assert row["fraction/128×128·10"] == pytest.approx(roof["achieved"] / roof["ceiling"])
                assert row["speedup"] > 0
                assert row["achieved/128×128·10"] == pytest.approx(roof["achieved"])
                assert row["speedup_q1/128×128·10"] <= row["speedup/128×128·10"] <= row["speedup_q3/128×128·10"]
            assert row["tokens_so_far"] == row["dollars_so_far"] == 0
            assert bool(row.get("idea")) == (row["iteration"] > 0)


def test_the_gate_s_result_is_in_the_summary(sweep: tuple[list[Path], list[Path]]) -> None:
    files, folders = sweep
    for file, folder in zip(files, folders, strict=True):
        gate = json.loads((folder / "gate.json").read_text())
        logged = summary(file)
        assert logged["gate/verdict"] == gate["verdict"]
        assert logged["gate/heldout_speedup"] == pytest.approx(gate["heldout_speedup"])
        assert logged["gate/q1"], logged["gate/q3"] == pytest.approx(gate["quartiles"])
        assert logged["gate/evidence"] == gate["evidence"]
        ended = json.loads((folder / "summary.json").read_text())
        assert logged["confirmed/self_speedup"] == pytest.approx(ended["self_speedup"])
        assert "self_speedup" not in logged  # one name, one meaning
        assert logged["outcomes/scored"] == ended["outcomes"]["scored"]


def test_goals_are_named(sweep: tuple[list[Path], list[Path]]) -> None:
    files, _ = sweep
    metrics = [r.metric for r in records(files[0]) if r.WhichOneof("record_type") == "metric"]
    goals = {metric.name or metric.glob_name: metric for metric in metrics}
    assert goals["score"].summary.max
    assert goals["ms/*"].summary.min
    assert goals["*"].step_metric == "iteration"


def test_candidates_are_a_table_and_figures_are_pictures(sweep: tuple[list[Path], list[Path]]) -> None:
    files, _ = sweep
    for file in files:
        logged = {name: value for row in history(file) for name, value in row.items()}
        assert logged["candidates/nrows"] == 3
        table = json.loads((file.parent / "files" / logged["candidates/path"]).read_text())
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        assert [row["iteration"] for row in rows] == [0, 1, 2]
        assert all("kernel void heat_step" in row["source"] for row in rows)
        assert logged["charts/convergence/_type"] == logged["charts/roofline/_type"] == "image-file"


def test_a_sweep_has_a_run_of_its_own(sweep: tuple[list[Path], list[Path]]) -> None:
    files, folders = sweep
    (file,) = files_by_kind(folders[0].parent)["sweep"]
    assert run_of(file).run_group == run_of(files[0]).run_group
    logged = {name: value for row in history(file) for name, value in row.items()}
    assert logged["runs/nrows"] == 2
    assert logged["seeds/nrows"] == 1


def test_the_gate_has_a_run_in_the_group_of_its_search(sweep: tuple[list[Path], list[Path]]) -> None:
    files, folders = sweep
    for search, folder in zip(files, folders, strict=True):
        (file,) = files_by_kind(folder)["gate"]
        found, judged = run_of(file), json.loads((folder / "gate.json").read_text())
        assert found.run_group == run_of(search).run_group
        assert {"task:heat2d", f"verdict:{judged['verdict']}", "mine"} <= set(found.tags)
        (linked,) = [json.loads(c.value_json) for c in found.config.update if c.key == "search_run"]
        assert linked == run_of(search).run_id
        logged = summary(file)
        assert logged["gate/verdict"] == judged["verdict"]
        assert logged["gate/evidence"] == judged["evidence"]
        assert not [name for name in logged if name.startswith("confirmed/")]


def test_artifacts_lead_from_the_seed_kernel_to_the_winner(sweep: tuple[list[Path], list[Path]]) -> None:
    files, folders = sweep
    for file, folder in zip(files, folders, strict=True):
        verdict = json.loads((folder / "gate.json").read_text())["verdict"]
        ((seed,), made) = artifacts(file)
        assert (seed.type, {entry.path for entry in seed.manifest.contents}) == ("seed-kernel", {"00_seed.metal"})
        (candidates,) = [a for a in made if a.type == "candidates"]
        names = {entry.path for entry in candidates.manifest.contents}
        assert {"01_candidate.metal", "02_prompt.md", "journal.jsonl"} <= names
        used, (winner,) = artifacts(*files_by_kind(folder)["gate"])
        assert {a.name: a.digest for a in used} == {a.name: a.digest for a in (seed, candidates)}
        assert set(winner.aliases) >= {"best", verdict.replace(" ", "-")}
        names = {entry.path for entry in winner.manifest.contents}
        assert {"best.metal", "best.py", "00_seed.metal", "gate.json", "summary.json"} <= names


@pytest.mark.parametrize(
    ("verdict", "alarms"),
    [("wrong", 1), ("regresses", 1), ("unsound", 1), ("suspect", 1), ("generalizes", 0), ("tied", 0), ("undecided", 0)],
)
def test_a_bad_verdict_is_an_alert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str, alarms: int) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = write_run(tmp_path / "run", verdict=verdict)
    (folder / "00_seed.metal").write_text("seed")
    tracker = WandbTracker(mode=WandbMode.offline)
    tracker.start(RunInfo("lbm-rewrite-0", "lbm", "rewrite", None, folder, {}))
    assert tracker.finish(result("lbm", "rewrite", 0, 0.4, 3, 3, verdict), [folder / "00_seed.metal"]) == ""
    tracker.close(failed=False)
    wandb.teardown()  # `finish` does not wait until the service has written everything; the end of a process does
    (file,) = files_by_kind(folder)["search"]
    alerts = [r.alert for r in records(file) if r.WhichOneof("record_type") == "alert"]
    told = [(alert.title, alert.text, alert.level) for alert in alerts]
    assert told == [(f"{verdict}: lbm-rewrite-0", "told in a sentence", "WARN")] * alarms


def test_the_runs_of_a_sweep_share_a_group_and_carry_tags(sweep: tuple[list[Path], list[Path]]) -> None:
    files, _ = sweep
    runs = [next(r.run for r in records(f) if r.WhichOneof("record_type") == "run") for f in files]
    assert runs[0].run_group
    assert runs[0].run_group == runs[1].run_group
    assert runs[0].run_id != runs[1].run_id
    for run in runs:
        assert {"task:heat2d", "model:rewrite"} <= set(run.tags)
        assert run.job_type == "search"
        assert run.notes == "why"
        tags = set(run.tags)
        assert "mine" in tags
        assert "strategy:one_plus_one" in tags
        assert any(tag.startswith("device:cpu_metal") for tag in tags)
        (machine,) = [json.loads(c.value_json) for c in run.config.update if c.key == "machine"]
        assert machine["ceilings"]["bandwidth"] > 0
        assert machine["versions"].keys() >= {"metalsci", "mlx"}
        assert machine["load"] >= 0
        (named,) = [json.loads(c.value_json) for c in run.config.update if c.key == NAMED]
        assert (named["task"], named["model"], named["strategy"]) == ("heat2d", "rewrite", "one_plus_one")
    last = [r.run for r in records(files[0]) if r.WhichOneof("record_type") == "run"][-1]
    assert any(tag.startswith("verdict:") for tag in last.tags)


def test_a_server_that_cannot_be_reached_does_not_cost_the_run(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")} | {"HOME": str(tmp_path)}
    env |= {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "metalsci.run", "experiment=smoke"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "W&B offline, because it did not take the run" in done.stdout
    found = files_by_kind(tmp_path)
    assert summary(found["search"][0])["gate/verdict"] == summary(found["gate"][0])["gate/verdict"]


def test_what_was_wrong_is_logged_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    wandb.teardown()  # as above
    file = next(tmp_path.rglob("run-*.wandb"))
    first, second, *table = history(file)
    assert table[0]["candidates/nrows"] == 3  # a run that has no result still has its candidates
    assert "3:1: error: unknown type name 'flaot'" in first["diagnostics"]
    assert second["findings"] == "step, line 4: data race on u[1]"
    assert second["message"] == "right by luck"
    assert "diagnostics" not in second
