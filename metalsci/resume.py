"""`resume=FOLDER`: go on with a run where it stopped, with the settings that it had."""

from collections.abc import Sequence
from pathlib import Path

import yaml


class ResumeError(Exception):
    """The folder holds no run that can be gone on with."""


def expand_resume(arguments: Sequence[str]) -> list[str]:
    """Replace `resume=FOLDER` by the overrides that the run in FOLDER was started with, writing into FOLDER again.

    Overrides given beside it come last and win, so `resume=FOLDER budget.iterations=50` prolongs a run.
    Raises ResumeError when FOLDER is not a run's folder, or its run has ended.
    """
    folders = [a.removeprefix("resume=") for a in arguments if a.startswith("resume=")]
    if not folders:
        return list(arguments)
    rest = [a for a in arguments if not a.startswith("resume=")]
    if len(folders) > 1 or not {"-m", "--multirun"}.isdisjoint(rest):
        raise ResumeError("resume takes one run's folder; the runs of a sweep are resumed one by one")
    folder = Path(folders[0])
    overrides = folder / ".hydra" / "overrides.yaml"
    if not overrides.is_file() or not (folder / "journal.jsonl").is_file():
        raise ResumeError(f"{folder} is not the folder of a run: it holds no journal.jsonl with .hydra/overrides.yaml")
    if (folder / "summary.json").exists() and not rest:
        raise ResumeError(f"the run in {folder} has ended; its result is in {folder / 'summary.json'}")
    recorded = yaml.safe_load(overrides.read_text()) or []
    return [*recorded, f"hydra.run.dir={folder}", *rest]
