"""The command of a run or sweep, kept in its folder, so that `resume=FOLDER` starts the same again.

Hydra's own record holds the task overrides alone: without --config-dir, --config-name, search paths and declared
packages a run with options of its own cannot go on. Every command that names the folder also rewrites that record, even
if the command is then refused. This record is written once, when the run is accepted.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf

from metalsci.experiment.instantiation import PACKAGES
from metalsci.files.locations import remove_empty
from metalsci.files.whole_files import read_json, write_json, write_text

FILE = "command.json"
_FLAGS = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp")
_PLACES = ("hydra.run.dir=", "hydra.sweep.dir=", "hydra.sweep.subdir=", "hydra.mode=")  # of this command, not of a run


def record_run(folder: Path, cfg: DictConfig, hydra_cfg: HydraConf, arguments: Sequence[str]) -> None:
    """Keep the command of a run in `folder`, and Hydra's record of it, unless they are there already."""
    if (folder / FILE).exists():
        return
    overrides = [*hydra_cfg.overrides.task, *_lasting(hydra_cfg.overrides.hydra)]
    kept = {".hydra/config.yaml": cfg, ".hydra/overrides.yaml": hydra_cfg.overrides.task}
    (folder / ".hydra").mkdir(exist_ok=True)
    for name, content in kept.items():
        write_text(folder / name, OmegaConf.to_yaml(content), durable=False)
    write_json(folder / FILE, {"arguments": [*flags(arguments), *map(_absolute, overrides)]})


def record_sweep(folder: Path, arguments: Sequence[str]) -> None:
    """Keep the command of a sweep in `folder`, unless it is there already."""
    if (folder / FILE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    overrides = [a for a in arguments if "=" in a and not a.startswith("-") and not a.startswith("hydra.sweep.dir=")]
    write_json(folder / FILE, {"arguments": [*flags(arguments), *map(_absolute, overrides)]})


def forget_sweep(folder: Path, root: Path) -> None:
    """Remove the folder of a sweep of which no run began, with those above it up to `root` that are empty then."""
    records = {folder / FILE, folder / "multirun.yaml", folder / "sweep.lock"}
    if folder.is_dir() and set(folder.iterdir()) <= records:
        for record in records:
            record.unlink(missing_ok=True)
        remove_empty(folder, root)


def recorded(folder: Path) -> list[str] | None:
    """Return the arguments that started the run or sweep in `folder`, without its place; None if there is no record."""
    record = read_json(folder / FILE, dict[str, list[str]])
    if record:
        return record.get("arguments")
    return None


def flags(arguments: Sequence[str]) -> list[str]:
    """Return the parts of a command besides its overrides: the user's own configs, and declared packages."""
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        flag, equals, value = argument.partition("=")
        if flag in _FLAGS:
            value = value if equals else next(rest, "")
            found.append(f"{flag}={value}" if flag in ("--config-name", "-cn") else f"{flag}={Path(value).absolute()}")
    if os.environ.get(PACKAGES):
        found.append(f"packages={os.environ[PACKAGES]}")
    return found


def _lasting(overrides: Sequence[str]) -> Iterator[str]:
    return (override for override in overrides if not override.startswith(_PLACES))


def _absolute(override: str) -> str:
    """Make a search path absolute, so that a resume finds it from another folder too."""
    return re.sub(r"file://(?!/)([^,\]'\"]+)", lambda path: f"file://{Path(path[1]).absolute()}", override)
