"""The shipped package works without a checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from metalsci.files.locations import data


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the wheel. The dependencies are this environment's; `metalsci` is the wheel's."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder)]
    subprocess.run([*build, str(data("conf").parent)], check=True, timeout=600)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_a_search_runs_from_the_wheel_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metalsci.run", "task=saxpy", "task.sizes=[{N: 5000}]", "task.heldout={N: 7000}"]
    command += ["budget.iterations=1", "repeats.timed=2", "gate.repeats=2", "tracker=none"]
    env = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    (summary,) = tmp_path.rglob("summary.json")
    assert json.loads(summary.read_text())["task"] == "saxpy"
    folder = (summary.parent / "config.yaml").read_text()
    assert str(installed / "metalsci" / "_data" / "tasks") in folder


def test_the_wheel_holds_every_data_file_of_the_checkout(installed: Path) -> None:
    root = data("conf").parent
    tracked = subprocess.run(["git", "ls-files", "conf", "tasks", "metalsci"], cwd=root, capture_output=True, text=True)
    for name in tracked.stdout.split():
        at = installed / name if name.startswith("metalsci/") else installed / "metalsci" / "_data" / name
        assert at.exists(), name


def test_the_version_is_that_of_the_tag(tmp_path: Path) -> None:
    """Without a tag, as in a shallow clone, it is a development version."""
    clone, git = tmp_path / "clone", ["git", "-C", str(tmp_path / "clone")]
    subprocess.run(["git", "clone", "-q", "--depth", "1", data("conf").parent.as_uri(), str(clone)], check=True)
    assert ".dev" in built_version(clone)
    subprocess.run([*git, "tag", "v9.8.7"], check=True)
    assert built_version(clone) == "9.8.7"


def built_version(folder: Path) -> str:
    command = [sys.executable, "-m", "hatchling", "version"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
