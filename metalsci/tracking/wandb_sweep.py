"""A sweep in W&B: one run of job type `sweep` in the group of its runs, with their tables."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from metalsci.tracking.patience import Allowance
from metalsci.tracking.wandb_session import RunSetting, first_line, forget_service, open_run, run_id

if TYPE_CHECKING:
    from wandb import Run

Rows = Sequence[Sequence[str]]  # the first is the head


def log_sweep(setting: RunSetting, tables: Mapping[str, Rows], end: Allowance) -> str:
    """Log the tables of a sweep and the files next to them. Return a sentence if it was not taken, else "".

    setting: its folder is the sweep's. end: time that it may take.
    """
    folder = setting.folder
    identity, name = run_id(folder, "sweep"), f"sweep {folder.name}"
    opened = partial(open_run, setting, identity=identity, name=name, job_type="sweep", timeout=end.left)
    try:
        run = end.within(end.left, opened)
        end.within(end.left, partial(_tell, run, setting, tables))
    except Exception as error:  # whatever became of the server: the sweep has ended, and its files are written
        forget_service()
        return f"W&B did not take the sweep's table, which is in sweep.csv: {first_line(error)}"
    return ""


def _tell(run: "Run", setting: RunSetting, tables: Mapping[str, Rows]) -> None:
    import wandb

    for title, (head, *rows) in tables.items():
        run.log({title: wandb.Table(columns=list(head), data=[list(row) for row in rows])})
    run.summary["runs"] = max((len(rows) - 1 for rows in tables.values()), default=0)
    artifact = wandb.Artifact(f"sweep-{run.id}", type="sweep")
    for name in ("sweep.csv", "sweep.md", "sweep.json"):
        if (setting.folder / name).is_file():
            artifact.add_file(str(setting.folder / name))
    run.log_artifact(artifact)
    run.finish()
