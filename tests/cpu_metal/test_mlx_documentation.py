"""The example of docs/cpu_metal.md for MLX's kernels, run as a user would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "cpu_metal.md"


def example() -> str:
    section = DOCUMENT.read_text().split("## Testing MLX kernels in CI")[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def pytest_on(text: str, folder: Path) -> str:
    (folder / "test_example.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_example.py"]
    return subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True).stdout


def test_the_example_passes(tmp_path: Path) -> None:
    assert "3 passed" in pytest_on(example(), tmp_path)


def test_a_kernel_that_is_wrong_fails_it(tmp_path: Path) -> None:
    right, wrong = "c < x_shape[1]", "c < x_shape[1] - 1"
    assert right in example()
    assert "3 failed" in pytest_on(example().replace(right, wrong), tmp_path)
