"""A sweep as its folder tells it: how many jobs it has, whether it is at work, what tells its jobs apart."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from metalsci.cli.command_record import recorded
from metalsci.files.locks import is_held
from metalsci.report.run_reading import find_runs

LOCK = "sweep.lock"
_OWN_COLUMNS = ("task=", "model=", "seed=")  # of the tables over a sweep


def is_at_work(folder: Path) -> bool:
    """Check if a process is at work on the sweep in `folder`, also between two of its jobs."""
    return is_held(folder / LOCK)


def planned_jobs(folder: Path) -> int | None:
    """Count the jobs that the sweep in `folder` will have had; None if its folder does not tell."""
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        hydra = yaml.load((folder / "multirun.yaml").read_text(encoding="utf-8"), Loader=loader)["hydra"]
        sweeper, overrides = hydra["sweeper"], hydra["overrides"]["task"]
        if "n_trials" in sweeper:
            return int(sweeper["n_trials"])
        return math.prod(_choices([*_as_overrides(sweeper.get("params")), *overrides]))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, HydraException, ValueError, KeyError, TypeError):
        return None


def jobs_to_begin(folder: Path) -> int:
    """Count the jobs of a sweep that have no folder yet; 0 if its record does not tell how many there will be."""
    planned = planned_jobs(folder)
    if planned is None:
        return 0
    return max(0, planned - len(find_runs([folder])))


def distinctions(jobs: Mapping[str, Path]) -> dict[str, str]:
    """Find the settings in which jobs differ, besides task, model and seed: `strategy=beam budget.minutes=5`."""
    told: dict[str, list[str]] = {}
    for name, folder in jobs.items():
        arguments = recorded(folder)
        if arguments is not None:
            told[name] = [a for a in arguments if not a.startswith(_OWN_COLUMNS)]
    shared = set[str]().union(*told.values()).intersection(*map(set, told.values()))
    return {name: " ".join(a for a in arguments if a not in shared) for name, arguments in told.items()}


def _as_overrides(params: Mapping[str, Any] | None) -> list[str]:
    return [f"{name}={values}" for name, values in (params or {}).items()]


def _choices(overrides: Sequence[str]) -> Iterator[int]:
    """Yield how many values each swept setting takes; the command line's count before those of a preset."""
    swept = {each.key_or_group: each for each in OverridesParser.create().parse_overrides(list(overrides))}
    for each in swept.values():
        if each.is_sweep_override():
            yield sum(1 for _ in each.sweep_string_iterator())
