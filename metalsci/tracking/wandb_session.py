"""A connection to W&B: a run that is begun or gone on with, what it uses, and a service that is given up."""

import hashlib
import logging
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.tracking.patience import Allowance, within

if TYPE_CHECKING:
    from wandb import Artifact, Run

log = logging.getLogger(__name__)

FINISH_TIMEOUT = 10.0  # seconds, of a run that has nothing else to say
_TEARDOWN_TIMEOUT = 3.0


@dataclass(frozen=True)
class RunSetting:
    """The common part of the W&B runs of one search, or of one sweep: where they are told, and how they are found.

    entity: the team. mode: online or offline. folder: in which W&B keeps its files, unless WANDB_DIR names another.
    """

    project: str
    entity: str | None
    mode: str
    group: str | None
    notes: str | None
    tags: Sequence[str]
    config: Mapping[str, object]
    folder: Path


def run_id(folder: Path, kind: str = "") -> str:
    """Derive the id of a W&B run from the folder, so that a resumed run goes on as itself. kind: gate or sweep."""
    return hashlib.sha256(f"{kind} {folder.resolve()}".strip().encode()).hexdigest()[:12]


def open_run(setting: RunSetting, *, identity: str, name: str, job_type: str, timeout: float) -> "Run":
    """Begin a W&B run or go on with it. Raises what `wandb.init` raises."""
    import wandb

    return wandb.init(
        id=identity,
        resume="allow",
        project=setting.project,
        entity=setting.entity,
        name=name,
        group=setting.group,
        job_type=job_type,
        notes=setting.notes,
        tags=list(setting.tags),
        config=dict(setting.config),
        dir=os.environ.get("WANDB_DIR") or str(setting.folder),
        mode=setting.mode,  # type: ignore[arg-type]  # WANDB_MODE may hold any of wandb's modes, which it checks itself
        settings=wandb.Settings(
            x_transaction_log_flush_interval=0.5,  # offline records otherwise wait up to 15 s, and a kill loses them
            x_disable_stats=True,  # its sampling competes with the kernels that are being timed
            console="off",
            silent=True,
            init_timeout=timeout,
            finish_timeout=FINISH_TIMEOUT,
        ),
    )


def tell_at_once(opened: Callable[[], "Run"], tell: Callable[["Run"], None], end: Allowance) -> str:
    """Open a run, tell it and end it, in the time that is left. Return the first line of what went wrong, else ""."""

    def told(run: "Run") -> None:
        try:
            tell(run)
        finally:
            run.finish()

    try:
        run = end.within(end.left, opened)
        end.within(end.left, partial(told, run))
    except Exception as error:  # whatever became of the server: what is told is on disk too
        forget_service()
        return first_line(error)
    return ""


def use(run: "Run", artifact: "Artifact") -> None:
    """Name an artifact as an input of a run. The same content is the same version in all runs."""
    if run.offline:
        # `use_artifact` refuses to work offline. This is what it does online, and `wandb sync` makes an input of it.
        run._log_artifact(artifact, is_user_created=True, use_after_commit=True)
    else:
        run.use_artifact(artifact)


def forget_service() -> None:
    """End W&B's service, so that the next `init` of this process starts another.

    A connection to a service that was killed, or that waits for a silent server, would be used again. One that does
    not end is killed: it would outlive this process by minutes, and keep its standard output open.
    """
    import wandb

    service = _service()
    try:
        within(_TEARDOWN_TIMEOUT, wandb.teardown)
    except (Exception, SystemExit) as error:  # it exits with the service's own status
        log.warning("W&B's service did not end: %s", first_line(error))
        if service is not None:
            service.kill()


def _service() -> "subprocess.Popen[bytes] | None":
    """Return the service's process if this process started it. W&B has no public name for it."""
    from wandb.sdk import wandb_setup

    found: object = wandb_setup._singleton
    for name in ("_connection", "_proc", "_process"):
        found = getattr(found, name, None)
    if isinstance(found, subprocess.Popen):
        return found
    return None


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
