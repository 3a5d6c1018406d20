"""A sweep in W&B: one run of job type `sweep` in the group of its runs, with their tables."""

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.tracking.patience import within
from metalsci.tracking.wandb import first_line, forget_service, open_run

if TYPE_CHECKING:
    from wandb import Run

log = logging.getLogger(__name__)

_INIT, _TELL = 30.0, 22.0  # seconds; forgetting a service that does not end takes a few more

Rows = Sequence[Sequence[str]]  # the first is the head


def log_sweep(
    folder: Path, tables: Mapping[str, Rows], *, project: str, entity: str | None, mode: str, group: str | None
) -> str:
    """Log the tables of a sweep and the files beside them. Return a sentence if it was not taken, else ""."""
    import wandb

    name = group or folder.as_posix()

    def opened() -> "Run":
        return open_run(
            run_id=hashlib.sha256(f"sweep {folder.resolve()}".encode()).hexdigest()[:12],
            project=project,
            entity=entity,
            name=f"sweep {folder.name}",
            group=name,
            job_type="sweep",
            notes=os.environ.get("WANDB_NOTES"),
            tags=["sweep"],
            config={"folder": str(folder)},
            folder=folder,
            mode=mode,
        )

    def tell(run: "Run") -> None:
        for title, (head, *rows) in tables.items():
            run.log({title: wandb.Table(columns=list(head), data=[list(row) for row in rows])})
        run.summary["runs"] = max((len(rows) - 1 for rows in tables.values()), default=0)
        artifact = wandb.Artifact(f"sweep-{run.id}", type="sweep")
        for file in ("sweep.csv", "sweep.md", "sweep.json"):
            if (folder / file).is_file():
                artifact.add_file(str(folder / file))
        run.log_artifact(artifact)
        run.finish()

    return _limited(lambda: within(_TELL, _bound(tell, within(_INIT, opened))))


def _bound(tell: "Callable[[Run], None]", run: "Run") -> Callable[[], None]:
    return lambda: tell(run)


def _limited(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception as error:  # whatever became of the server: the sweep has ended, and its files are written
        forget_service()
        return f"W&B did not take the sweep's table, which is in sweep.csv: {first_line(error)}"
    return ""
