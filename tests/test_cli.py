"""The command line as a user meets it: real processes, real run folders."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

SMOKE = ("experiment=smoke", "tracker=none")


def metalsci(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "metalsci.run", *arguments]
    return subprocess.run(command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=600)


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 100
    while not path.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def only_run(folder: Path) -> Path:
    (journal,) = folder.glob("outputs/runs/*/*/*/journal.jsonl")
    return journal.parent


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run one smoke run to its end; return its folder and output."""
    folder = tmp_path_factory.mktemp("smoke")
    done = metalsci(*SMOKE, cwd=folder)
    assert done.returncode == 0, done.stderr
    return only_run(folder), done.stdout


def test_a_run_prints_a_line_an_iteration_a_table_a_verdict_and_its_files(smoke: tuple[Path, str]) -> None:
    folder, out = smoke
    summary = json.loads((folder / "summary.json").read_text())
    for iteration in range(3):
        assert any(line.split()[:1] == [str(iteration)] for line in out.splitlines())
    for part in ("ceilings:", "seed", "self-speedup", "held-out gate:", "best.metal"):
        assert part in out
    if summary["best_iteration"]:  # a seed kernel that nothing beats is compared with nothing
        assert "128×128·10" in out and "incumbent" in out
    assert summary["gate"]["verdict"] in out


def test_a_run_folder_tells_the_whole_story(smoke: tuple[Path, str]) -> None:
    folder, _ = smoke
    names = {p.name for p in folder.iterdir()}
    numbered = {
        f"{i:02}_{what}" for i in (1, 2) for what in ("prompt.md", "response.md", "candidate.metal", "result.json")
    }
    assert numbered | {"00_seed.metal", "00_result.json"} <= names
    assert {
        "journal.jsonl",
        "best.metal",
        "best.py",
        "gate.json",
        "summary.json",
        "config.yaml",
        "metalsci.log",
    } <= names
    gate = json.loads((folder / "gate.json").read_text())
    assert gate["verdict"] in ("generalizes", "tied", "regresses")
    assert gate["heldout_speedup"] > 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["schema"] == 1
    speedups = [duel["speedup"] for duel in summary["duels"]] or [1.0]
    assert summary["self_speedup"] == pytest.approx(speedups[0])
    assert bool(summary["best_iteration"]) == bool(summary["duels"])
    assert summary["best_score"] > 0
    assert summary["iterations"] == 2
    assert {"compile", "kernels", "reference", "model", "framework", "total"} <= set(summary["seconds"])
    result = json.loads((folder / "01_result.json").read_text())
    assert result["schema"] == 1
    assert result["outcome"]


def begun_with(folder: Path) -> int:
    with (folder / "journal.jsonl").open() as journal:
        return int(json.loads(journal.readline())["inputs_seed"])


def errors(folder: Path) -> tuple[float, float]:
    """Return the seed kernel's errors, in the search and at the gate: they tell one draw of the inputs from another."""
    result, gate = (json.loads((folder / name).read_text()) for name in ("00_result.json", "gate.json"))
    return result["sizes"][0]["error"], gate["seed"]["error"]


def test_a_run_s_inputs_are_its_own_and_can_be_had_again(smoke: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = smoke
    drawn = begun_with(folder)
    assert json.loads((folder / "summary.json").read_text())["inputs_seed"] == drawn
    assert f"inputs:\n  seed: {drawn}\n" in (folder / "config.yaml").read_text()
    assert str(drawn) not in "".join(p.read_text() for p in folder.glob("*_prompt.md"))
    done = metalsci(*SMOKE, "budget.iterations=1", f"inputs.seed={drawn}", "hydra.run.dir=same", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert begun_with(tmp_path / "same") == drawn
    assert errors(tmp_path / "same") == errors(folder)


def test_another_run_has_other_inputs_and_a_resumed_one_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = metalsci(*SMOKE, "budget.iterations=1", f"hydra.run.dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    one, two = (begun_with(tmp_path / name) for name in ("one", "two"))
    assert one != two
    before = errors(tmp_path / "one")
    assert not set(before) & set(errors(tmp_path / "two"))
    for file in ("summary.json", "gate.json"):
        (tmp_path / "one" / file).unlink()
        (tmp_path / "two" / file).unlink()
    assert metalsci("resume=one", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "one" / "summary.json").read_text())["inputs_seed"] == one
    assert errors(tmp_path / "one") == before
    other = metalsci("resume=two", "inputs.seed=5", cwd=tmp_path)
    assert other.returncode == 2
    assert "another task, model, strategy, device or seed" in other.stderr


def test_the_held_out_size_is_in_no_prompt(smoke: tuple[Path, str]) -> None:
    folder, _ = smoke
    prompts = sorted(folder.glob("*_prompt.md"))
    assert len(prompts) == 2
    for prompt in prompts:
        text = prompt.read_text()
        assert "128×128" in text
        assert not re.search(r"96\s*[×x,]\s*160|=\s*160\b", text)  # a time may be 0.160 ms
        assert "held" not in text


def test_help_names_the_choices_and_imports_nothing_heavy(tmp_path: Path) -> None:
    probe = (
        "import sys; sys.argv = ['metalsci', '--help']\n"
        "from metalsci.run import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'wandb', 'mlx', 'tree_sitter', 'rich', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "device: apple, auto, cpu" in done.stdout
    assert "resume=FOLDER" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["task=lmb"], ["task/lmb", "heat2d", "lbm", "saxpy", "did you mean lbm?"]),
        (["model=rewriter"], ["model/rewriter", "did you mean rewrite?"]),
        (["strategy=two"], ["strategy/two", "one_plus_one"]),
        (["taks=lbm"], ["did you mean task?"]),
        (["sed=1"], ["did you mean seed?"]),
        (["budget.iteration=1"], ["did you mean iterations?"]),
        (["seed=one"], ["seed", "Integer"]),
        (["device.math_mode=quick"], ["fast", "safe"]),
        (["tracker.mode=on"], ["auto, online, offline"]),
        (["-m", "seed=0,one"], ["Integer"]),
        (["resume=nowhere"], ["nowhere", "journal.jsonl"]),
        (["--oops"], ["--oops"]),
        (["tracker=null"], ["tracker=none"]),
        (["experiment=null"], ["--help"]),
        (["+foo=1"], ["foo: no such setting", "keys here: task, model"]),
        (["+budget.minuts=1"], ["budget.minuts: no such setting", "did you mean minutes?"]),
        (["model=local", "+model.transport.retries=1"], ["model.transport.retries: no such setting", "attempts"]),
        (["-m", "seed=0,1", "+task.tolerance.absolut=1"], ["task.tolerance.absolut", "did you mean absolute?"]),
    ],
)
def test_a_misspelling_fails_before_anything_starts_and_names_the_choices(
    tmp_path: Path, arguments: list[str], messages: list[str]
) -> None:
    done = metalsci(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    for message in messages:
        assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("journal.jsonl"))


def test_the_version_is_metalsci_s(tmp_path: Path) -> None:
    done = metalsci("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"metalsci {version('metalsci')}\n")


def test_a_budget_of_zero_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = metalsci("budget.iterations=0", cwd=tmp_path)
    assert done.returncode == 2
    assert "a search needs at least one iteration" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unwritable_output_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = metalsci(*SMOKE, "paths.outputs=file/outputs", cwd=tmp_path)
    assert done.returncode != 0
    assert "cannot write the run folder" in done.stderr
    assert "paths.outputs=FOLDER" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_ends_the_run_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "metalsci.run", *SMOKE, "model=manual", "budget.iterations=1", "hydra.run.dir=run"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    wait_for(folder / "01_prompt.md", process)
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, (0, 0))  # as a disk that has no byte left
    (folder / "01_answer.metal").write_text((folder / "00_seed.metal").read_text())
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "File too large" in err
    assert "resume=run" in err
    assert "Traceback" not in err
    again = metalsci("resume=run", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (folder / "summary.json").exists()


def test_results_that_a_full_disk_left_empty_count_as_absent(smoke: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(smoke[0], folder)
    for name in ("summary.json", "gate.json"):
        (folder / name).write_bytes(b"")
    done = metalsci("resume=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "gate.json").read_text())["verdict"]
    assert json.loads((folder / "summary.json").read_text())["schema"] == 1


def test_a_seed_kernel_that_does_not_compile_is_reported_with_line_and_column(tmp_path: Path) -> None:
    from metalsci.files.locations import data

    task = tmp_path / "task"
    task.mkdir()
    for name in ("task.py", "brief.md", "seed.metal"):
        (task / name).write_text((data("tasks") / "saxpy" / name).read_text())
    seed = task / "seed.metal"
    seed.write_text(seed.read_text().replace("x[i] + y[i]", "x[i] + z[i]"))
    line = seed.read_text()[: seed.read_text().index("z[i]")].count("\n") + 1
    done = metalsci("task=saxpy", f"task.folder={task}", "tracker=none", cwd=tmp_path)
    assert done.returncode == 1
    assert "seed kernel of task saxpy" in done.stderr
    assert f"{line}:" in done.stderr
    assert "'z'" in done.stderr


def test_ctrl_c_leaves_a_run_that_can_be_resumed_and_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metalsci.run", *SMOKE, "budget.iterations=40"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("02_result.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    folder = only_run(tmp_path)
    assert f"resume={folder.relative_to(tmp_path)}" in err or f"resume={folder}" in err
    assert "Traceback" not in err
    assert not psutil.wait_procs(children, timeout=5)[1]
    before = (folder / "journal.jsonl").read_bytes()
    done = metalsci(f"resume={folder}", "budget.iterations=5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (folder / "journal.jsonl").read_bytes().startswith(before)
    assert only_run(tmp_path) == folder


def test_ctrl_c_leaves_a_sweep_that_can_be_resumed_as_a_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metalsci.run", *SMOKE, "-m", "seed=0,1", "budget.iterations=8"]
    command += ["budget.minutes=null", "hydra.sweep.dir=a b"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 100
    while not (tmp_path / "a b" / "1" / "02_result.json").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "resume=a b\n" in err
    assert "resume=a b/1\n" in err
    assert "a b/0" not in err  # it has ended
    first = (tmp_path / "a b" / "0" / "summary.json").stat().st_mtime_ns
    done = metalsci("resume=a b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = json.loads((tmp_path / "a b" / "sweep.json").read_text())
    assert [(run["seed"], run["iterations"]) for run in runs.values()] == [(0, 8), (1, 8)]
    assert (tmp_path / "a b" / "0" / "summary.json").stat().st_mtime_ns == first
    assert (tmp_path / "a b" / "1" / "journal.jsonl").read_text().count('"began"') == 1


def test_a_prolonged_run_cannot_keep_a_verdict_on_another_kernel(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert metalsci(*SMOKE, "budget.iterations=1", f"hydra.run.dir={folder}", cwd=tmp_path).returncode == 0
    (folder / "summary.json").unlink()
    done = metalsci(f"resume={folder}", "budget.iterations=5", cwd=tmp_path)
    assert done.returncode == 2
    assert "already has a gate verdict" in done.stderr
    assert metalsci(f"resume={folder}", cwd=tmp_path).returncode == 0


def test_one_process_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with FileLock(folder / "run.lock"):
        done = metalsci(*SMOKE, f"hydra.run.dir={folder}", cwd=tmp_path)
    assert done.returncode == 2
    assert "another process is at work" in done.stderr


def test_a_sweep_over_tasks_is_one_sweep(tmp_path: Path) -> None:
    sizes = ["task.sizes=[{NX: 20, NY: 20, steps: 2}]", "task.heldout={NX: 24, NY: 20, steps: 2}"]
    few = ["budget.iterations=1", "repeats.timed=2", "gate.repeats=2", "tracker=none"]
    done = metalsci("task=heat2d,lbm", "-m", *sizes, *few, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (result,) = tmp_path.rglob("sweep.json")
    assert [run["task"] for run in json.loads(result.read_text()).values()] == ["heat2d", "lbm"]
    assert "verdict" in done.stdout


def test_a_finished_run_is_not_run_again(smoke: tuple[Path, str]) -> None:
    folder, _ = smoke
    done = metalsci(f"resume={folder}", cwd=folder)
    assert done.returncode == 2
    assert "has ended" in done.stderr


def test_a_sweep_ends_in_one_table(tmp_path: Path) -> None:
    done = metalsci(*SMOKE, "-m", "seed=0,1", "budget.iterations=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (result,) = tmp_path.rglob("sweep.json")
    runs = json.loads(result.read_text())
    assert [run["seed"] for run in runs.values()] == [0, 1]
    assert "verdict" in done.stdout


def test_a_failing_job_does_not_stop_a_sweep(tmp_path: Path) -> None:
    done = metalsci(*SMOKE, "-m", "budget.iterations=0,1", cwd=tmp_path)
    assert done.returncode == 1
    assert "at least one iteration" in done.stderr
    (result,) = tmp_path.rglob("sweep.json")
    runs = json.loads(result.read_text())
    assert runs["0"] is None
    assert runs["1"]["iterations"] == 1
    assert "no result" in done.stdout
    assert f"resume={result.parent.relative_to(tmp_path)}" in done.stdout


@pytest.mark.parametrize(
    ("line", "choices"),
    [("task=", {"task=heat2d", "task=lbm", "task=saxpy"}), ("budget.it", {"budget.iterations="})],
)
def test_the_shell_completes_groups_and_keys(tmp_path: Path, line: str, choices: set[str]) -> None:
    command = f"metalsci {line}"
    done = metalsci("-sc", "query=bash", cwd=tmp_path, COMP_LINE=command, COMP_POINT=str(len(command)))
    assert choices <= set(done.stdout.split())


def test_the_composed_config_and_its_sources_can_be_shown(tmp_path: Path) -> None:
    done = metalsci("task=saxpy", "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0
    assert "name: saxpy" in done.stdout
    info = metalsci("--info", "defaults", cwd=tmp_path)
    assert info.returncode == 0
    assert "task/lbm" in info.stdout
