"""docs/extending/task.md, followed to the letter in a temporary folder, outside the repository."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from metalsci.files.locations import data

DOCUMENT = data("conf").parent / "docs" / "extending" / "task.md"
SMALL = (
    "task.sizes=[{N: 3000, steps: 2}]", "task.heldout={N: 2001, steps: 3}", "device=cpu",
    "device.ceilings.bandwidth=10", "device.ceilings.fp32=100", "repeats.warmup=1", "repeats.timed=2",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a folder with the document's files: a task in a package of its own, and its yaml."""
    blocks = dict(re.findall(r"```(metal|python|yaml)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))
    task = tmp_path / "mypackage" / "mean3"
    task.mkdir(parents=True)
    (tmp_path / "mypackage" / "__init__.py").write_text("")
    (task / "__init__.py").write_text("")
    (task / "seed.metal").write_text(blocks["metal"])
    (task / "task.py").write_text(blocks["python"])
    (task / "brief.md").write_text("The running mean of three neighbours.\n")
    conf = tmp_path / "conf" / "task"
    conf.mkdir(parents=True)
    text = blocks["yaml"]
    assert "folder: ${paths.tasks}/mean3" in text
    (conf / "mean3.yaml").write_text(text.replace("${paths.tasks}/mean3", "${metalsci.package:mypackage.mean3}"))
    return tmp_path


def run(module: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, "--config-dir", "conf", "task=mean3", *SMALL, *arguments]
    path = os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=600)


def test_its_seed_kernel_is_right_at_every_size(home: Path) -> None:
    done = run("metalsci.evaluate", "gate=true", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "N=2001·3 *" in done.stdout


def test_a_search_runs_on_it(home: Path) -> None:
    done = run("metalsci.run", "tracker=none", "budget.iterations=2", "gate.repeats=3", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    (summary,) = home.glob("outputs/runs/mean3/*/*/summary.json")
    assert json.loads(summary.read_text())["task"] == "mean3"


def test_a_package_that_is_not_there_is_named(home: Path) -> None:
    done = run("metalsci.evaluate", "task.folder=${metalsci.package:nowhere}", home=home)
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
