"""The public functions: each docstring's example, and what callers rely on beyond it."""

import doctest
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import metalsci
from metalsci.experiment import api
from metalsci.experiment.instantiation import ConfigError
from metalsci.files.locations import data

SEED = (data("tasks") / "saxpy" / "seed.metal").read_text(encoding="utf-8")
QUICK = ["repeats.timed=3", "repeats.warmup=1", "device.threads=1", "device.ceilings.bandwidth=10"]
QUICK += ["task.sizes=[{N: 4096},{N: 5000}]"]


@pytest.fixture
def in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the checkout's folders: examples name its files and write their runs to the working folder."""
    monkeypatch.chdir(data("tasks").parent)


@pytest.mark.parametrize("name", ["evaluate", "compare", "check", "profile"])
def test_the_example_in_the_docstring_runs(name: str, in_checkout: None) -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(api, name), name, globs=vars(api).copy())
    assert example.examples
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert result.failed == 0


def test_a_search_from_python_leaves_a_folder_that_the_command_line_can_read(tmp_path: Path) -> None:
    code = (
        "import metalsci\n"
        f"summary = metalsci.run(['task=saxpy', 'budget.iterations=1', 'tracker=none', "
        f"'task.sizes=[{{N: 4096}}]', 'repeats.timed=3', 'hydra.run.dir={tmp_path / 'run'}'])\n"
        "print(summary.iterations, summary.task)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 saxpy"
    assert (tmp_path / "run" / ".hydra" / "overrides.yaml").is_file()
    assert (tmp_path / "run" / "summary.json").is_file()


def test_a_wrong_kernel_is_a_result_and_says_where() -> None:
    wrong = SEED.replace("+", "-")
    evaluation = metalsci.evaluate("saxpy", wrong, settings=QUICK, check=False)
    assert str(evaluation.outcome) == "wrong"
    assert evaluation.score == 0


def test_a_kernel_that_does_not_compile_is_a_result_of_a_comparison() -> None:
    broken = SEED.replace("{", "{ nonsense", 1)
    comparison = metalsci.compare("saxpy", {"seed": SEED, "broken": broken, "seed again": SEED}, settings=QUICK)
    first, second = comparison.pairs
    assert (first.name, first.speedup, first.duels) == ("broken", 0.0, ())
    assert first.diagnostics
    assert second.speedup > 0
    assert len(second.duels) == 2


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metalsci.evaluate("saxpi", SEED), "saxpi"),
        (lambda: metalsci.evaluate("saxpy", SEED, sizes=["9Q"]), "no size '9Q'; its sizes: "),
        (lambda: metalsci.evaluate("saxpy", SEED, settings=["repeats.timed=0"]), "repeats.timed=0"),
        (lambda: metalsci.compare("saxpy", [SEED]), "needs two kernels or more, got 1"),
    ],
)
def test_a_wrong_argument_is_one_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        call()


def test_undefined_behaviour_is_found_without_a_clock() -> None:
    beyond = SEED.replace("[i]", "[i + 1]")
    assert beyond != SEED
    checked = metalsci.check(beyond, task="saxpy")
    assert not checked.correct
    assert any(finding.kind == "out of bounds" and finding.line for finding in checked.findings)


def test_the_interface_of_the_task_is_checked() -> None:
    other = SEED.replace("float", "int")
    assert other != SEED
    checked = metalsci.check(other, task="saxpy")
    assert not checked.correct
    assert "expected" in checked.diagnostics[0].message


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, metalsci; print([m for m in ('numpy', 'hydra', 'wandb', 'msgspec') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_function_keeps_its_name_when_the_command_of_that_name_is_imported() -> None:
    code = (
        "import metalsci\n"
        "import metalsci.run, metalsci.evaluate, metalsci.check\n"
        "from metalsci.run import main\n"
        "print(callable(metalsci.run), metalsci.evaluate.__module__, metalsci.check.__module__, main.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "metalsci.experiment.api", "metalsci.experiment.api", "metalsci.run"]


def test_every_public_name_is_there_and_a_wrong_one_names_them() -> None:
    for name in metalsci.__all__:
        assert getattr(metalsci, name) is not None
    with pytest.raises(AttributeError, match="it offers Task, Size"):
        _ = metalsci.Tasks


def test_the_check_command_speaks_of_lines_and_as_json(tmp_path: Path) -> None:
    broken = tmp_path / "broken.metal"
    broken.write_text("kernel void f(device float *x [[buffer(0)]]) {\n  x[0] = y;\n}\n")
    command = [sys.executable, "-m", "metalsci.check", str(broken)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{broken}:2:10: error: use of undeclared identifier 'y'\n  x[0] = y;\n         ^" in done.stdout
    done = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert done.returncode == 1
    assert '"line": 2' in done.stdout
