"""`best.py` of a finished search, imported and executed as a user would.

Only the kernel call itself goes to the software device instead of Metal.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from composing import Compose
from hydra.utils import instantiate
from software_worker import SoftwareKernel

from metalsci.experiment.best_check import check_best
from metalsci.experiment.best_module import best_py
from metalsci.files.locations import data
from metalsci.msl.language.math_mode import MathMode
from metalsci.task.definition import Size


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder of a finished search on lbm, small."""
    folder = tmp_path_factory.mktemp("export")
    command = [sys.executable, "-m", "metalsci.run", "task=lbm", "task.sizes=[{NX: 24, NY: 16, steps: 3}]"]
    command += ["task.heldout={NX: 16, NY: 24, steps: 2}", "budget.iterations=6", "repeats.timed=3", "gate.repeats=3"]
    done = subprocess.run([*command, "tracker=none"], cwd=folder, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (summary,) = folder.rglob("summary.json")
    return summary.parent


@pytest.fixture
def best(run: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(mx.fast, "metal_kernel", SoftwareKernel)
    spec = importlib.util.spec_from_file_location("best", run / "best.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_best_py_computes_what_the_task_asks_for(best: ModuleType, composed: Compose) -> None:
    task = instantiate(composed("task=lbm").task).task
    size = Size("other", {"NX": 40, "NY": 24, "steps": 5})
    inputs = task.inputs(size, np.random.default_rng(0))
    f = mx.array(inputs["f"])
    for _ in range(size.steps):
        f = best.lbm_step(f, size.NX, size.NY, 0.8, f_out_shape=f.shape, grid=(size.NX, size.NY, 1))
    assert task.check(size, [np.array(f)], task.reference(size, inputs)).correct


def test_best_py_tells_where_it_comes_from(run: Path, best: ModuleType) -> None:
    summary = json.loads((run / "summary.json").read_text())
    text = best.__doc__ or ""
    assert summary["gate"]["verdict"] in text
    assert f"{summary['self_speedup']:.2f}" in text
    assert run.name in text
    assert "(9, 16, 24)" in best.lbm_step.__doc__
    assert "float32" in best.lbm_step.__doc__


def test_best_py_imports_nothing_but_mlx(run: Path) -> None:
    lines = (run / "best.py").read_text().splitlines()
    imports = ["from __future__ import annotations", "import mlx.core as mx", "from types import SimpleNamespace"]
    assert [line for line in lines if line.startswith(("import", "from"))] == imports


def test_its_host_loop_is_right_on_a_small_problem(run: Path, best: ModuleType) -> None:
    check = check_best(run / "best.py", "lbm", best.run)
    assert check.correct and check.error > 0


def test_a_wrong_host_loop_is_found(run: Path, best: ModuleType) -> None:
    wrong = check_best(run / "best.py", "lbm", lambda inputs, size, physics: [inputs["f"]])
    assert not wrong.correct


def test_without_an_apple_gpu_it_says_what_to_do_instead(run: Path) -> None:
    done = subprocess.run([sys.executable, run / "best.py"], env=os.environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs an Apple GPU" in done.stderr and "metalsci.evaluate task=lbm" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", sorted(path.stem for path in data("conf").glob("task/*.yaml")))
def test_every_task_has_host_code_that_can_be_exported(
    name: str, composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own check accepts the seed kernels, called through the exported module."""
    monkeypatch.setattr(mx.fast, "metal_kernel", SoftwareKernel)
    problem = instantiate(composed(f"task={name}").task)
    module: dict[str, Any] = {"__name__": "best"}
    exec(best_py(problem, problem.task.seed_kernel, {}, MathMode.safe), module)
    assert check_best(Path("best.py"), name, module["run"]).correct
