"""The programs of examples/, run as a reader runs them, say what their text promises."""

import subprocess
import sys
from pathlib import Path

import pytest

from metalsci.files.locations import data

EXAMPLES = data("conf").parent / "examples"
PRINTED = {
    "find_a_race": ["with barriers: [ 2016.  6112. 10208. 14304.]", "without: data race in line "],
    "judge_kernels": ["mine: scored", "wrong: wrong", "beyond: out of bounds in line 12", "mine runs "],
    "own_model": [" times as fast as the seed kernel; the gate says: "],
    "predict_on_a_mac": ["M1 Pro: predicted ", "M2 Max: predicted "],
}


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    (tmp_path / "tasks").symlink_to(EXAMPLES.parent / "tasks")
    program = [sys.executable, str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr
    for printed in PRINTED[name]:
        assert printed in done.stdout
