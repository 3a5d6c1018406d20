"""Every option of every group composes and instantiates; a misspelt one is refused with the choices."""

from pathlib import Path

import pytest
from composing import Compose
from omegaconf import OmegaConf

from metalsci.experiment.instantiation import ConfigError, make
from metalsci.experiment.run_parts import build
from metalsci.files.locations import data

# Groups whose options are objects; the others are settings, prices within models, and experiments of their own test.
GROUPS = sorted(
    {p.name for p in data("conf").iterdir() if p.is_dir()}
    - {"hydra", "paths", "prices", "experiment", "debug", "hparams_search", "local"}
)
OPTIONS = [(group, path.stem) for group in GROUPS for path in sorted((data("conf") / group).glob("*.yaml"))]
NEEDED = {"agent": ["model.command=[true]"]}  # what an option has no default for
EXPERIMENTS = sorted(path.stem for path in (data("conf") / "experiment").glob("*.yaml"))


def test_the_groups_are_those_of_a_run(composed: Compose) -> None:
    settings = {"paths", "repeats", "seed", "run", "start", "inputs", "sanitizer", "search", "observers", "json"}
    settings |= {"score", "chip", "memory", "tags", "notes", "dry_run"}
    assert set(GROUPS) == set(composed()) - settings - {"optimized_metric"}
    assert {group for group, _ in OPTIONS} == set(GROUPS)


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: value)
def test_every_option_instantiates(composed: Compose, group: str, option: str, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()
    if option == "openevolve":
        pytest.importorskip("openevolve")  # an extra
    # a recorded run, for model=replay
    cfg = composed(f"{group}={option}", f"run={tmp_path}", *NEEDED.get(option, ()))
    assert not OmegaConf.missing_keys(cfg)
    part = make(cfg, group)
    assert type(part).__module__.startswith("metalsci")
    if hasattr(part, "close") and group == "device":
        part.close()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_builds(composed: Compose, experiment: str) -> None:
    parts = build(composed(f"experiment={experiment}"))
    parts.device.close()
    assert parts.budget.iterations > 0


def test_debugging_is_small_and_loud(composed: Compose) -> None:
    for option in (data("conf") / "debug").glob("*.yaml"):
        cfg = composed(f"debug={option.stem}", "task=fft3d")
        assert cfg.budget.iterations == 2
        assert cfg.tracker["_target_"].endswith("NoTracker")
        assert list(cfg.tags) == ["debug"]


def test_a_search_over_settings_names_settings_that_exist(composed: Compose) -> None:
    """Composed without its sweeper, which is a plugin that may not be installed."""
    for path in (data("conf") / "hparams_search").glob("*.yaml"):
        loaded = OmegaConf.load(path)
        assert loaded.optimized_metric in ("self_speedup", "best_score")
        for name in loaded.hydra.sweeper.params:
            assert OmegaConf.select(composed(), name, throw_on_missing=True) is not None, name


def test_task_folders_and_task_options_are_the_same() -> None:
    folders = {p.name for p in data("tasks").iterdir() if p.is_dir() and not p.name.startswith("_")}
    assert folders == {option for group, option in OPTIONS if group == "task"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("budget.iterations=0", "at least one iteration"),
        ("budget.minutes=-1", r"budget.minutes=-1.0: give a positive number"),
        ("gate.regresses=1.2", "regresses <= generalizes"),
        ("repeats.timed=0", "repeats.timed"),
        ("repeats.warmup=0", "repeats.warmup"),
        ("task.folder=/nowhere", "task.py"),
        ("task.sizes=[]", "at least one"),
        ("task.sizes=[{NX: 8}]", "'NY'"),
        ("device.threads=0", "threads"),
        ("device.architecture=a-toaster", "device.architecture=a-toaster.*choose .*native"),
        ("device.time_limit=0", "time_limit"),
        ("device.ceilings.bandwidth=-5", "bandwidth"),
        ("task.sizes=[{NX: -1, NY: 4, steps: 2}]", "NX=-1"),
        ("seed=-1", "not negative"),
        ("inputs.seed=-1", "inputs.seed=-1"),
        ("model.most_rewrites=0", "most_rewrites"),
        ("model.boldness=7", "boldness"),
        ("repeats.seconds=-1", "repeats.seconds"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_name(composed: Compose, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(composed(override))


def test_a_task_may_live_anywhere(composed: Compose, tmp_path: Path) -> None:
    shipped = data("tasks") / "saxpy"
    for name in ("task.py", "seed.metal", "brief.md"):
        (tmp_path / name).write_text((shipped / name).read_text())
    parts = build(composed("task=saxpy", f"task.folder={tmp_path}", "task.name=mine"))
    parts.device.close()
    assert parts.problem.task.name == "mine"
