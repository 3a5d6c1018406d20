"""Weights & Biases: one W&B run for each search, the runs of a sweep in one group. Names: see wandb_figures.

When a run has ended it also has a table of its candidates, convergence and roofline as pictures, tags and an alert for
the verdict, and artifacts: seed kernel, candidates with their prompts, winner with the aliases `best` and its verdict.
No call waits longer than it is worth: whatever becomes of the server, it costs a run half a minute at the end, at most.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from metalsci.files.locations import shown
from metalsci.gate.verdicts import Verdict
from metalsci.search.archive import Archive
from metalsci.tracking.patience import within
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary
from metalsci.tracking.wandb_figures import (
    CANDIDATE_COLUMNS,
    GOALS,
    candidate_rows,
    final_figures,
    iteration_figures,
    tags_of,
)
from metalsci.tracking.wandb_mode import WandbMode

if TYPE_CHECKING:
    from wandb import Run

log = logging.getLogger(__name__)
T = TypeVar("T")

_INIT_TIMEOUT = 30.0  # seconds; a server that does not answer by then must not cost the run
_LOG_TIMEOUT = 5.0  # of one iteration
# At the end a server that has gone silent costs at most _END, and the run is marked as crashed there.
_END, _UPLOAD_TIMEOUT, _FINISH_TIMEOUT, _TEARDOWN_TIMEOUT = 28.0, 8.0, 12.0, 5.0
_LONGEST_TITLE = 63  # of an alert
_MODES = ("online", "offline", "disabled", "dryrun")
_ALARMING = (Verdict.WRONG, Verdict.REGRESSES, Verdict.UNSOUND, Verdict.SUSPECT)


class WandbTracker(Observer):
    """Weights & Biases.

    - project: of the runs; null for WANDB_PROJECT, and metalsci if that is not set.
    - entity: the team; null for WANDB_ENTITY or the login's own.
    - mode: auto is online if there is a login and offline if there is none, and gives way to WANDB_MODE.
    - group: null: the runs of a sweep share the sweep's name; alone, WANDB_RUN_GROUP.
    - tags: besides those of task, model, strategy, device and verdict, and those of WANDB_TAGS.

    WANDB_NAME, WANDB_NOTES, WANDB_JOB_TYPE and WANDB_DIR are heeded too, and WANDB_DISABLED=true.
    """

    def __init__(
        self,
        *,
        project: str | None = None,
        entity: str | None = None,
        mode: WandbMode = WandbMode.auto,
        group: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        wanted = os.environ.get("WANDB_MODE", "")
        if mode is WandbMode.auto and wanted and wanted not in _MODES:
            raise ValueError(f"WANDB_MODE={wanted}: W&B knows {', '.join(_MODES)}")
        self._project = project or os.environ.get("WANDB_PROJECT") or "metalsci"
        self._entity = entity
        self._mode = mode
        self._group = group
        self._tags = list(tags)
        self._run: Run | None = None
        self._info: RunInfo | None = None
        self._archive: Archive | None = None
        self._spent = (0, 0.0)
        self._ends: float | None = None
        self._finished = False

    def start(self, info: RunInfo) -> str:
        """Begin, offline when the server cannot be reached: the run must not depend on it."""
        import wandb  # half a second, so not before it is needed

        self._info = info
        try:
            mode = self._decide()
            if mode == "disabled":
                return "W&B disabled"
            run = self._run = self._init(info, mode)
        # Unreachable; or a key or mode that it refuses; or a service that died under an earlier job of the sweep.
        except (wandb.errors.Error, ValueError, OSError, RuntimeError) as error:
            forget_service()
            self._run = self._init(info, "offline")
            return f"W&B offline, because it did not take the run: {first_line(error)}"
        return f"W&B {mode}: {run.url if mode == 'online' else shown(Path(run.dir).parent)}"

    def _decide(self) -> str:
        import wandb

        if os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1"):
            return "disabled"
        if self._mode is not WandbMode.auto:
            return str(self._mode.value)
        wanted = os.environ.get("WANDB_MODE")
        if wanted:
            if wanted == "dryrun":
                return "offline"
            return wanted
        logged_in = within(_INIT_TIMEOUT, lambda: wandb.login(prompt=False))
        if logged_in:
            return "online"
        return "offline"

    def _init(self, info: RunInfo, mode: str) -> "Run":
        named = [tag.strip() for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag.strip()]
        device = str(info.facts.get("device", ""))
        told = {"task": info.task, "model": info.model, "strategy": _strategy(info.config), "device": device}
        run = open_run(
            # a resumed run goes on as itself
            run_id=hashlib.sha256(str(info.folder.resolve()).encode()).hexdigest()[:12],
            project=self._project,
            entity=self._entity,
            name=os.environ.get("WANDB_NAME") or info.name,
            group=self._group or info.group or os.environ.get("WANDB_RUN_GROUP"),
            job_type=os.environ.get("WANDB_JOB_TYPE") or "search",
            notes=info.notes or os.environ.get("WANDB_NOTES"),
            tags=tags_of(told, [*self._tags, *info.tags, *named]),
            config={**info.config, "machine": dict(info.facts)},
            folder=info.folder,
            mode=mode,
        )
        run.define_metric("*", step_metric="iteration")
        for name, goal in GOALS.items():
            run.define_metric(name, step_metric="iteration", summary=goal)
        return run

    def entry(self, archive: Archive) -> None:
        self._archive = archive
        if self._run is None:
            return
        reply = archive.last.reply
        if reply is not None:
            self._spent = (self._spent[0] + reply.usage.total, self._spent[1] + (reply.cost or 0.0))
        run, figures = self._run, iteration_figures(archive, archive.last, self._spent)
        within(_LOG_TIMEOUT, lambda: run.log(figures))

    def finish(self, summary: Summary, files: Sequence[Path]) -> str:
        run, info = self._run, self._info
        if run is None or info is None:
            return ""
        from metalsci.tracking.wandb_media import pictures, seed_artifact, winner_artifact

        self._finished = True
        figures, verdict = final_figures(summary), summary.gate.verdict
        winner = winner_artifact(info.task, run.id, files, figures)

        def tell() -> None:
            run.summary.update(figures)
            run.tags = (*(run.tags or ()), *tags_of({"verdict": str(verdict)}, ()))
            self._log_table(run)
            if verdict in _ALARMING:
                alarm = f"{verdict}: {info.name}"[:_LONGEST_TITLE]
                run.alert(title=alarm, text=f"{summary.gate.evidence} {summary.gate.reason}".strip(), level="WARN")

        def upload() -> None:
            run.log(dict(pictures(info.folder, info.name, Path(run.dir).parent)))
            seed = seed_artifact(info.folder, info.task)
            if run.offline:
                run.log_artifact(seed)  # offline W&B has no inputs of a run
            else:
                run.use_artifact(seed)
            self._log_candidates(run)
            run.log_artifact(winner, aliases=["best", str(verdict).replace(" ", "-")])

        try:
            self._patiently(_UPLOAD_TIMEOUT, tell)
            self._patiently(_UPLOAD_TIMEOUT, upload)
        except Exception as error:  # the server may have failed meanwhile
            return f"W&B did not take all of it; the run folder has it: {first_line(error)}"
        return ""

    def sweep(self, folder: Path, tables: Mapping[str, Sequence[Sequence[str]]], group: str) -> str:
        from metalsci.tracking.wandb_sweep import log_sweep

        try:
            mode = self._decide()
        except Exception as error:  # a server that does not answer a login
            return f"W&B did not take the sweep's table, which is in sweep.csv: {first_line(error)}"
        if mode == "disabled":
            return ""
        group = self._group or group
        return log_sweep(folder, tables, project=self._project, entity=self._entity, mode=mode, group=group)

    def close(self, failed: bool) -> None:
        """Finish the run. A service that does not is given up, so that the process ends and a sweep goes on."""
        if self._run is None:
            return
        run, self._run = self._run, None
        try:
            if not self._finished and self._archive is not None:
                self._patiently(_UPLOAD_TIMEOUT, partial(self._log_all, run))
            self._patiently(_FINISH_TIMEOUT + 3.0, lambda: run.finish(exit_code=1 if failed else 0))
        except Exception as error:  # also what W&B does not document, as when its service was killed
            log.warning("W&B did not finish the run: %s", first_line(error))
            forget_service()

    def _log_table(self, run: "Run") -> None:
        import wandb

        if self._archive is not None:
            rows = candidate_rows(self._archive)
            run.log({"candidates": wandb.Table(columns=list(CANDIDATE_COLUMNS), data=rows)})

    def _log_all(self, run: "Run") -> None:
        self._log_table(run)
        self._log_candidates(run)

    def _log_candidates(self, run: "Run") -> None:
        from metalsci.tracking.wandb_media import candidates_artifact

        if self._info is not None:
            run.log_artifact(candidates_artifact(self._info.folder, self._info.task, run.id))

    def _patiently(self, seconds: float, call: Callable[[], T]) -> T:
        """Wait `seconds`, and within what is left of the end of the run."""
        if self._ends is None:
            self._ends = time.monotonic() + _END - _TEARDOWN_TIMEOUT
        return within(max(0.1, min(seconds, self._ends - time.monotonic())), call)


def open_run(
    *,
    run_id: str,
    project: str,
    entity: str | None,
    name: str,
    group: str | None,
    job_type: str,
    notes: str | None,
    tags: Sequence[str],
    config: Mapping[str, object],
    folder: Path,
    mode: str,
) -> "Run":
    """Begin a W&B run or go on with it. Raises what `wandb.init` raises."""
    import wandb

    settings = wandb.Settings(
        x_transaction_log_flush_interval=0.5,  # offline records otherwise wait up to 15 s, and a kill loses them
        x_disable_stats=True,  # its sampling competes with the kernels that are being timed
        console="off",
        silent=True,
        init_timeout=_INIT_TIMEOUT,
        finish_timeout=_FINISH_TIMEOUT,
    )
    return wandb.init(
        id=run_id,
        resume="allow",
        project=project,
        entity=entity,
        name=name,
        group=group,
        job_type=job_type,
        notes=notes,
        tags=list(tags),
        config=dict(config),
        dir=os.environ.get("WANDB_DIR") or str(folder),
        mode=mode,  # type: ignore[arg-type]  # WANDB_MODE may hold any of wandb's modes, which it checks itself
        settings=settings,
    )


def forget_service() -> None:
    """End W&B's service, so that the next `init` of this process starts another.

    A connection to a service that was killed, or that waits for a silent server, would be used again.
    """
    import wandb

    try:
        within(_TEARDOWN_TIMEOUT, wandb.teardown)
    except (Exception, SystemExit) as error:  # it exits with the service's own status
        log.warning("W&B's service did not end: %s", first_line(error))


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _strategy(config: Mapping[str, object]) -> str:
    part = config.get("strategy")
    target = ""
    if isinstance(part, dict):
        target = str(part.get("_target_", ""))
    if target.count("."):
        return target.split(".")[-2]
    return ""
