"""The command line before Hydra sees it: `-m` anywhere, and `resume=FOLDER` of a run or of a sweep."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from metalsci.cli.command_record import recorded
from metalsci.experiment.instantiation import PACKAGES
from metalsci.files.whole_files import read_json


class UsageError(Exception):
    """An argument that Hydra would answer with a traceback."""


class ResumeError(UsageError):
    """A folder without a run that can be continued."""


_FLAGS = {"--json": "json=true", "--dry-run": "dry_run=true"}
_MULTIRUN = ("-m", "--multirun")
_SHOWN = {"--cfg", "-c", "--info", "-i"}
_WITH_VALUE = {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--cfg", "-c", "--package", "-p"}


def refuse_null(arguments: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Raise UsageError for `GROUP=null`: a group is one of its options."""
    for group in groups:
        if f"{group}=null" in arguments:
            if group == "tracker":
                hint = "; tracker=none switches tracking off"
            else:
                hint = ""
            raise UsageError(f"{group}=null: {group} is one of its options, which --help lists{hint}")
    return list(arguments)


def take_packages(arguments: Sequence[str]) -> list[str]:
    """Take `packages=NAME,NAME` out and declare these packages for this process and its children.

    It is not a setting of the config, since a yaml from somebody else must not declare its own package.
    """
    declared = [a.partition("=")[2].strip("[]") for a in arguments if a.startswith("packages=")]
    if declared:
        os.environ[PACKAGES] = ",".join(filter(None, (os.environ.get(PACKAGES), *declared)))
    return [a for a in arguments if not a.startswith("packages=")]


def several_trackers(arguments: Sequence[str]) -> list[str]:
    """Spell `tracker=[wandb,csv]` as the first one, and the others as further observers: a group is one option."""
    return [spelled for argument in arguments for spelled in _one_each(argument)]


def _one_each(argument: str) -> list[str]:
    group, _, value = argument.partition("=")
    if group != "tracker" or not (value.startswith("[") and value.endswith("]")):
        return [argument]
    names = [name.strip() for name in value[1:-1].split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"{argument}: name each tracker once, or give tracker=none")
    return [f"tracker={names[0]}", *(f"+tracker@observers.{name}={name}" for name in names[1:])]


def json_as_setting(arguments: Sequence[str]) -> list[str]:
    """Spell `--json` as `json=true`, `--dry-run` as `dry_run=true`: Hydra's parser knows only its own flags."""
    return [_FLAGS.get(argument, argument) for argument in arguments]


def multirun_first(arguments: Sequence[str]) -> list[str]:
    """Move `-m` to the front: Hydra's parser takes no flag between overrides."""
    flags = [a for a in arguments if a in _MULTIRUN]
    if flags and not _SHOWN.isdisjoint(arguments):
        raise UsageError("--cfg and --info show one run: leave out -m, and give each key one value")
    return [*flags[:1], *(a for a in arguments if a not in _MULTIRUN)]


def flags_first(arguments: Sequence[str]) -> list[str]:
    """Move flags with their values in front of the overrides: Hydra's parser takes no flag between overrides."""
    flags: list[str] = []
    overrides: list[str] = []
    before = ""
    for argument in arguments:
        is_value = before in _WITH_VALUE or (before in _SHOWN and "=" not in argument)
        (flags if argument.startswith("-") or is_value else overrides).append(argument)
        before = argument
    return [*flags, *overrides]


def expand_resume(arguments: Sequence[str]) -> list[str]:
    """Replace `resume=FOLDER` by the overrides that the run or sweep in FOLDER was started with, writing into it again.

    Further overrides come last and win, so `resume=FOLDER budget.iterations=50` extends a run. Raises ResumeError if
    FOLDER is neither a run's nor a sweep's folder, or its run has ended.
    """
    folders = [a.removeprefix("resume=") for a in arguments if a.startswith("resume=")]
    if not folders:
        return list(arguments)
    rest = [a for a in arguments if not a.startswith("resume=")]
    if len(folders) > 1 or not set(_MULTIRUN).isdisjoint(rest):
        raise ResumeError("resume takes one folder, of a run or of a sweep, and no -m")
    folder = Path(folders[0])
    started = recorded(folder)
    if started is not None and _is_sweep(folder):
        return [_MULTIRUN[0], *take_packages(started), f"hydra.sweep.dir={_quoted(folder)}", *rest]
    if (folder / "multirun.yaml").is_file():  # of a version before command.json
        overrides = _load(folder / "multirun.yaml")["hydra"]["overrides"]["task"]
        return [_MULTIRUN[0], *overrides, f"hydra.sweep.dir={_quoted(folder)}", *rest]
    record = folder / ".hydra" / "overrides.yaml"
    if not record.is_file() or not (folder / "journal.jsonl").is_file():
        raise ResumeError(
            f"{folder} is the folder of no run, which holds journal.jsonl and .hydra/overrides.yaml, and of no "
            "sweep, which holds multirun.yaml"
        )
    if read_json(folder / "summary.json", dict) is not None:
        raise ResumeError(
            f"the run in {folder} has ended; its result is in {folder / 'summary.json'}. To search on from its best "
            f"kernel: python -m metalsci.run start={folder}"
        )
    if read_json(folder / "gate.json", dict) is not None and rest:
        raise ResumeError(
            f"the run in {folder} already has a gate verdict, so it cannot be extended. To end it as it is: "
            f"python -m metalsci.run resume={folder}"
        )
    if started is not None:
        started = take_packages(started)
    else:
        started = _load(record) or []
    return [*started, f"hydra.run.dir={_quoted(folder)}", *rest]


def _is_sweep(folder: Path) -> bool:
    return not (folder / "journal.jsonl").exists() and not (folder / ".hydra").exists()


def _load(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ResumeError(f"{path} cannot be read: {error}") from error


def _quoted(folder: Path) -> str:
    """Quote a folder in Hydra's grammar; its name may hold anything."""
    escaped = str(folder).replace("'", r"\'")
    return f"'{escaped}'"
