"""`--json`: standard output holds one JSON document and nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from metalsci.files.locations import data

SMALL = ["task.sizes=[{N: 4096}]", "repeats.timed=3", "device.threads=1", "device.ceilings.bandwidth=10"]
SEED = data("tasks") / "saxpy" / "seed.metal"


def output(*arguments: str, cwd: Path, code: int = 0) -> Any:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=cwd, timeout=250)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_several_kernels_are_judged_on_the_same_inputs(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.metal"
    wrong.write_text(SEED.read_text(encoding="utf-8").replace("+", "-"), encoding="utf-8")
    kernels = f"kernel=[{SEED},{wrong}]"
    right, other = output("metalsci.evaluate", "task=saxpy", kernels, "--json", *SMALL, cwd=tmp_path, code=1)
    assert [right["kernel"], other["kernel"]] == [str(SEED), str(wrong)]
    assert right["inputs_seed"] == other["inputs_seed"]
    assert right["sizes"][0]["result"]["outcome"] == "scored"
    assert other["sizes"][0]["result"]["outcome"] == "wrong"


def test_a_run_prints_its_summary(tmp_path: Path) -> None:
    settings = ["task=saxpy", "budget.iterations=1", "tracker=none", "gate.repeats=3", "task.heldout={N: 2048}", *SMALL]
    summary = output("metalsci.run", "--json", *settings, cwd=tmp_path)
    assert (summary["task"], summary["iterations"]) == ("saxpy", 1)


def test_the_doctor_prints_what_it_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metalsci.doctor", "--json", "device=cpu"]
    settings = ["device.ceilings.bandwidth=10", "device.ceilings.fp32=100"]
    done = subprocess.run([*command, *settings], capture_output=True, text=True, cwd=tmp_path, timeout=250)
    found = {entry["what"]: entry["found"] for entry in json.loads(done.stdout)}
    assert found["python"]
