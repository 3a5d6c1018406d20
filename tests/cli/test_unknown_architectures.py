"""Commands refuse METALSCI_ARCHITECTURE in one sentence if it names a processor that this one cannot stand in for."""

import importlib
import sys
from pathlib import Path

import pytest

from metalsci.cpu_metal.compile.architecture import VARIABLE
from metalsci.files.locations import data

SEED = str(data("tasks") / "saxpy" / "seed.metal")
COMMANDS = {
    "check": [SEED],
    "check of a task": [SEED, "--task", "saxpy"],
    "cpu_metal.__main__": [SEED],
    "doctor": [],
    "evaluate": ["task=saxpy"],
    "evaluate on a model": ["task=saxpy", "device=virtual"],
    "profile": ["task=saxpy"],
    "promotion": ["--searches", "1"],
    "run": ["experiment=smoke", "tracker=none"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_refused_in_one_sentence(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, "a-toaster")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [command.split()[0], *COMMANDS[command]])
    module = importlib.import_module(f"metalsci.{command.split()[0]}")
    with pytest.raises(SystemExit) as ended:
        sys.exit(module.main())
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"{VARIABLE}=a-toaster: the compiler knows no such processor of" in said
    assert "native" in said
