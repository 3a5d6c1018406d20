"""Commands that are refused, stopped or run in odd places: their messages, and the files they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metalsci.cli.arguments import flags_first

SMOKE = ("experiment=smoke", "tracker=none", "budget.iterations=1")


def start(*arguments: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "metalsci.run", *arguments]
    environment = {**os.environ, **env}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def run(*arguments: str, cwd: Path, **env: str) -> tuple[int, str, str]:
    process = start(*arguments, cwd=cwd, **env)
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 100
    while not path.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a finished run with an option of its own in a folder of configs; return the folder above it."""
    home = tmp_path_factory.mktemp("home")
    (home / "mine" / "strategy").mkdir(parents=True)
    (home / "mine" / "strategy" / "own.yaml").write_text(
        "_target_: metalsci.search.strategies.one_plus_one.OnePlusOne\n"
    )
    code, _, err = run("--config-dir", "mine", *SMOKE, "strategy=own", "hydra.run.dir=run", cwd=home)
    assert code == 0, err
    return home


def test_a_resume_finds_options_from_a_folder_of_configs(finished: Path, tmp_path: Path) -> None:
    for name in ("summary.json", "gate.json"):
        (finished / "run" / name).unlink()
    code, _, err = run(f"resume={finished / 'run'}", cwd=tmp_path)
    assert code == 0, err
    assert json.loads((finished / "run" / "summary.json").read_text())["iterations"] == 1
    told = json.loads((finished / "run" / "command.json").read_text())["arguments"]
    assert told[0] == f"--config-dir={finished / 'mine'}"


@pytest.mark.parametrize(
    ("arguments", "code"), [(("seed=5",), 2), (("budget.iterations=0",), 2), (("+nonsense=1",), 2), (("seed=x",), 2)]
)
def test_a_refused_command_changes_nothing_in_a_run_s_folder(
    finished: Path, arguments: tuple[str, ...], code: int
) -> None:
    before = contents(finished / "run")
    got, _, err = run("-cd", "mine", *SMOKE, "strategy=own", "hydra.run.dir=run", *arguments, cwd=finished)
    assert got == code, err
    assert "Traceback" not in err
    assert contents(finished / "run") == before


@pytest.mark.parametrize("arguments", [("budget.iterations=0",), ("+nonsense=1",), ("task.sizes=[]",)])
def test_a_refused_setting_leaves_no_folder(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, _, _ = run(*arguments, cwd=tmp_path)
    assert code in (1, 2)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_cannot_take_the_runs_of_another_for_its_own(finished: Path) -> None:
    (finished / "sweep").mkdir()
    (finished / "run").rename(finished / "sweep" / "0")
    before = contents(finished / "sweep" / "0")
    code, out, err = run("-m", *SMOKE, "seed=3", "hydra.sweep.dir=sweep", cwd=finished)
    (finished / "sweep" / "0").rename(finished / "run")
    assert code == 0, out  # the table finds a result there, which is another run's
    assert "sweep/0 holds a run with other settings" in err
    assert contents(finished / "run") == before


def test_sigterm_ends_a_run_like_ctrl_c_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = start(*SMOKE, "model=manual", "hydra.run.dir=run", cwd=tmp_path)
    wait_for(tmp_path / "run" / "01_prompt.md", process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "terminated; to resume: python -m metalsci.run resume=run" in err
    assert "Traceback" not in err


def test_ctrl_c_before_a_command_has_begun_prints_no_traceback(tmp_path: Path) -> None:
    """The first interrupt comes while the command is still importing."""
    hook = tmp_path / "sitecustomize.py"
    hook.write_text(
        "import os, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'hydra':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
    )
    code, out, err = run("--help", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert code == -signal.SIGINT
    assert (out, err) == ("", "")


def test_an_ascii_console_shows_the_run_and_reads_its_files(tmp_path: Path) -> None:
    ascii = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
    code, out, err = run(*SMOKE, "hydra.run.dir=run", cwd=tmp_path, **ascii)
    assert code == 0, err
    assert "held-out gate:" in out
    assert (tmp_path / "run" / "metalsci.log").read_text(encoding="utf-8").count("×")
    code, out, err = run("--help", cwd=tmp_path, **ascii)
    assert code == 0, err


@pytest.mark.parametrize("module", ["doctor", "check", "verify", "promotion", "profile", "strategies", "cpu_metal"])
def test_every_command_prints_its_help_on_an_ascii_console(tmp_path: Path, module: str) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", f"metalsci.{module}", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_flags_may_stand_anywhere() -> None:
    given = ["task=lbm", "--config-dir", "own", "seed=1", "--cfg", "job", "-m", "--info", "plugins", "a=b"]
    expected = ["--config-dir", "own", "--cfg", "job", "-m", "--info", "plugins", "task=lbm", "seed=1", "a=b"]
    assert flags_first(given) == expected


def test_the_config_of_a_sweep_is_refused_in_a_sentence(tmp_path: Path) -> None:
    code, _, err = run("-m", "seed=0,1", "--cfg", "job", cwd=tmp_path)
    assert code == 2
    assert "leave out -m" in err
    assert "Traceback" not in err


def test_more_threads_than_cores_are_questioned_and_a_preset_s_tags_need_no_tracker(tmp_path: Path) -> None:
    code, _, err = run("tracker=none", "tracker.tags=[a]", "device.threads=999", "budget.iterations=0", cwd=tmp_path)
    assert code == 2
    assert "device.threads=999, and this machine has" in err
    assert "at least one iteration" in err


def test_a_mode_that_wandb_does_not_know_is_refused_in_a_sentence(tmp_path: Path) -> None:
    code, _, err = run(cwd=tmp_path, WANDB_MODE="bogus")
    assert code == 2
    assert "WANDB_MODE=bogus: W&B knows online, offline, disabled" in err
    assert list(tmp_path.iterdir()) == []
