"""No byte that a model could see before a run ends knows the held-out size, its inputs or what is right there.

A whole run with the offline model, and at the moment before the gate every file of its folder and of the cache, and
all that prompts are made from. The same run then serves those who read finished runs.
"""

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.experiment.certificate import Held, look
from metalsci.experiment.search_run import run_experiment
from metalsci.files.locations import cache
from metalsci.gate.__main__ import main
from metalsci.search.archive import Archive
from metalsci.task.input_seeds import held_out
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary

HELD_OUT, SEED = 17389, 3
SETTINGS = (
    "task=saxpy", "task.sizes=[{N: 4096},{N: 65536}]", f"task.heldout={{N: {HELD_OUT}}}", "tracker=none", "device=cpu",
    "device.ceilings.bandwidth=10", "device.ceilings.fp32=100", "budget.iterations=4", f"inputs.seed={SEED}",
    "repeats.timed=3", "promotion.most_pairs=8", "+observers.snapshot._target_=test_leaks.Snapshot",
)  # fmt: skip
SETTINGS_OF_THE_USER = ("config.yaml", "command.json")  # which no search reads


class Snapshot(Observer):
    """Every byte there is when the gate begins."""

    seen: ClassVar[dict[str, bytes]] = {}

    def __init__(self) -> None:
        self._folder: Any = None
        self._archive: Any = None

    def start(self, info: RunInfo) -> str:
        self._folder = info.folder
        return ""

    def entry(self, archive: Archive) -> None:
        self._archive = archive

    def step(self, text: str) -> None:
        if text != "held-out gate":
            return
        files = [*self._folder.rglob("*"), *cache().rglob("*")]
        kept = [path for path in files if path.is_file() and path.name not in SETTINGS_OF_THE_USER]
        Snapshot.seen = {str(path): path.read_bytes() for path in kept}
        Snapshot.seen["the archive"] = pickle.dumps(list(self._archive.entries))


RunAndWhatItSaw = tuple[Path, Summary, dict[str, bytes], Path]  # with the run's cache


@pytest.fixture(scope="module")
def finished(composed: Compose, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunAndWhatItSaw]:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METALSCI_PACKAGES", "test_leaks")
        patch.setenv("METALSCI_CACHE", str(tmp_path_factory.mktemp("cache of the run")))
        summary = run_experiment(composed(*SETTINGS), folder, None)
        yield folder, summary, dict(sys.modules["test_leaks"].Snapshot.seen), Path(os.environ["METALSCI_CACHE"])


def traces(composed: Compose) -> dict[str, bytes]:
    """Say what must not be found, by name: the extent as text and number, pieces of inputs and of the reference."""
    problem = instantiate(composed(*SETTINGS[:3]).task)
    inputs = problem.task.inputs(problem.heldout, held_out(SEED))
    arrays = {**inputs, **{f"result {i}": a for i, a in enumerate(problem.task.reference(problem.heldout, inputs))}}
    found = {"the extent": rb"(?<![\w.])%d(?![\w.])" % HELD_OUT, "its label": re.escape(problem.heldout.label.encode())}
    found |= {f"the extent, {kind}": re.escape(np.array([HELD_OUT], kind).tobytes()) for kind in ("u4", "f4")}
    for name, array in arrays.items():
        flat = np.ascontiguousarray(array).reshape(-1)
        for at in (0, flat.size // 3, flat.size - 4):
            found[f"{name} at {at}"] = re.escape(flat[at : at + 4].tobytes())
            found[f"{name} at {at}, printed"] = re.escape(repr(float(flat[at]))[:10].encode())
    return found


def test_nothing_of_the_held_out_size_is_there_before_the_gate(finished: RunAndWhatItSaw, composed: Compose) -> None:
    _, _, seen, _ = finished
    assert any(name.endswith("_prompt.md") for name in seen) and any(name.endswith("journal.jsonl") for name in seen)
    headers = {
        name for name in seen if "/prelude-" in name
    }  # precompiled Metal headers: megabytes, of the package alone
    for trace, pattern in traces(composed).items():
        found = [name for name, content in seen.items() if name not in headers and re.search(pattern, content)]
        assert found == [], trace


def test_the_search_would_find_what_is_there(finished: RunAndWhatItSaw, composed: Compose) -> None:
    """The traces are those of the gate's problem: after the gate they are there."""
    folder, _, _, _ = finished
    assert str(HELD_OUT) in (folder / "gate.json").read_text()
    problem = instantiate(composed(*SETTINGS[:3]).task)
    scored = problem.task.inputs(problem.heldout, held_out(SEED))
    assert re.search(traces(composed)["x at 0"], scored["x"].tobytes())


def test_the_folder_of_the_run_holds(finished: RunAndWhatItSaw) -> None:
    folder, _, _, _ = finished
    assert [claim.held for claim in look(folder)] == [Held.HELD]


def test_the_gate_studies_the_run_and_leaves_its_seal(finished: RunAndWhatItSaw) -> None:
    folder, summary, _, place = finished
    environment = {**os.environ, "METALSCI_PACKAGES": "test_leaks", "METALSCI_CACHE": str(place)}
    command = [sys.executable, "-m", "metalsci.gate", f"run={folder}", "--rounds", "3"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "study only" in done.stdout and "winners" in done.stdout
    found = json.loads((folder / "gate_study.json").read_text())
    assert found["study_only"] is True
    (run,) = found["runs"]
    assert run["task"] == "saxpy" and run["model"] == summary.model
    assert (folder / "gate_study.svg").read_text().startswith("<svg")
    assert [claim.held for claim in look(folder)] == [Held.HELD]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["folder"], "run=FOLDER"), (["run=/nowhere"], "no run in it"), (["run=/nowhere", "--rounds", "1"], "at least 3")],
)
def test_bad_arguments_are_a_sentence(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert word in capsys.readouterr().err
