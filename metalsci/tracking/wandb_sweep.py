"""A sweep in W&B: one run of job type `sweep` in the group of its runs, with their tables."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.tracking.patience import Allowance
from metalsci.tracking.wandb_session import RunSetting, open_run, run_id, tell_at_once

if TYPE_CHECKING:
    from wandb import Run

Rows = Sequence[Sequence[str]]  # the first is the head


def log_sweep(setting: RunSetting, tables: Mapping[str, Rows], end: Allowance) -> str:
    """Log the tables of a sweep and the files next to them. Return the first line of what went wrong, else "".

    setting: its folder is the sweep's. end: time that it may take.
    """
    folder = setting.folder
    identity, name = run_id(folder, "sweep"), f"sweep {folder.name}"
    opened = partial(open_run, setting, identity=identity, name=name, job_type="sweep", timeout=end.left)
    return tell_at_once(opened, lambda run: _tell(run, folder, tables), end)


def _tell(run: "Run", folder: Path, tables: Mapping[str, Rows]) -> None:
    import wandb

    for title, (head, *rows) in tables.items():
        run.log({title: wandb.Table(columns=list(head), data=[list(row) for row in rows])})
    run.summary["runs"] = max((len(rows) - 1 for rows in tables.values()), default=0)
    artifact = wandb.Artifact(f"sweep-{run.id}", type="sweep")
    for name in ("sweep.csv", "sweep.md", "sweep.json"):
        if (folder / name).is_file():
            artifact.add_file(str(folder / name))
    run.log_artifact(artifact)
