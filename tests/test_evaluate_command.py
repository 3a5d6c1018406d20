"""`python -m metalsci.evaluate` as a user meets it: real processes, the software device."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from metalsci.files.locations import data

SMALL = (
    "task=heat2d",
    "task.sizes=[{NX: 40, NY: 24, steps: 6}]",
    "task.heldout={NX: 33, NY: 17, steps: 5}",
    "device.ceilings.bandwidth=10",
    "device.ceilings.fp32=100",
    "repeats.timed=2",
)


def evaluate(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "metalsci.evaluate", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ, capture_output=True, text=True, timeout=600)


def seed_kernel(**changes: tuple[str, str]) -> str:
    text = (data("tasks") / "heat2d" / "seed.metal").read_text()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text


def result(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("outputs/evaluations/**/evaluation.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_seed_kernel_s_table_has_a_row_a_size(tmp_path: Path) -> None:
    done = evaluate(*SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "40×24·6" in done.stdout
    assert "33×17·5" not in done.stdout
    assert "scored" in done.stdout
    assert "GB/s" in done.stdout
    (size,) = result(tmp_path)["sizes"]
    assert 0 < size["result"]["launch"] < size["result"]["timing"]["seconds"][0]
    assert f"{1e6 * size['result']['launch']:.1f} µs" in done.stdout


def test_each_evaluation_has_its_own_inputs_unless_it_is_given_some(tmp_path: Path) -> None:
    assert evaluate(*SMALL, "hydra.run.dir=fresh", cwd=tmp_path).returncode == 0
    assert evaluate(*SMALL, "hydra.run.dir=given", "inputs.seed=5", cwd=tmp_path).returncode == 0
    fresh, given = (json.loads((tmp_path / f / "evaluation.json").read_text()) for f in ("fresh", "given"))
    assert given["inputs_seed"] == 5
    assert fresh["inputs_seed"] > 2**20
    errors = [found["sizes"][0]["result"]["error"] for found in (fresh, given)]
    assert errors[0] != errors[1]


def test_gate_adds_the_held_out_size_and_a_verdict_on_another_kernel(tmp_path: Path) -> None:
    (tmp_path / "mine.metal").write_text("// mine\n" + seed_kernel())
    done = evaluate(*SMALL, "kernel=mine.metal", "gate=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "33×17·5 *" in done.stdout
    found = result(tmp_path)
    assert found["verdict"] in ("generalizes", "tied", "regresses")
    assert [s["heldout"] for s in found["sizes"]] == [False, True]
    assert all(s["speedup"] > 0 for s in found["sizes"])
    assert all(s["result"]["launch"] > 0 for s in found["sizes"])


def test_a_wrong_kernel_is_explained_and_fails(tmp_path: Path) -> None:
    (tmp_path / "mine.metal").write_text(seed_kernel(edge=("u_out[c] = u;", "u_out[c] = 0.0f;")))
    done = evaluate(*SMALL, "kernel=mine.metal", "gate=true", cwd=tmp_path)
    assert done.returncode == 1
    assert "wrong" in done.stdout
    assert "halo" in done.stdout
    assert result(tmp_path)["verdict"] == "wrong"


def test_a_kernel_that_does_not_compile_is_reported_with_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "mine.metal").write_text(seed_kernel(name=("const float u = u_in[c];", "const float u = v_in[c];")))
    done = evaluate(*SMALL, "kernel=mine.metal", cwd=tmp_path)
    assert done.returncode == 1
    line = seed_kernel().split("const float u = u_in[c];")[0].count("\n") + 1
    assert f"mine.metal:{line}:" in done.stdout
    assert "v_in" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("kernel=nowhere.metal",), 2, "kernel=nowhere.metal cannot be read"),
        (("task=heat3d",), 2, "task/heat3d"),
        (("kernal=x",), 2, "did you mean kernel?"),
        (("+kernal=x",), 2, "did you mean kernel?"),
        (("gate=maybe",), 2, "gate/maybe"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = evaluate(*SMALL, *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_several_tasks_make_one_table(tmp_path: Path) -> None:
    done = evaluate(
        "-m", "task=saxpy,heat2d", "task.sizes=[{N: 512, NX: 32, NY: 32, steps: 2}]", *SMALL[3:], cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("┏") == 1
    assert "saxpy" in done.stdout
    assert "heat2d" in done.stdout
