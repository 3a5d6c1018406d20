"""Weights & Biases: one W&B run for each search, the runs of a sweep in one group. Names: see wandb_figures.

When a run has ended it also has a table of its candidates, convergence and roofline as pictures, tags and an alert for
the verdict, and artifacts: it uses the task's seed kernel and makes candidates with their prompts. Then the gate has a
run of its own (see wandb_gate), which makes the winner of them.
No call waits longer than it is worth: whatever becomes of the server, it costs a run half a minute at the end, at most.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.files.locations import shown
from metalsci.gate.verdicts import Verdict
from metalsci.search.archive import Archive
from metalsci.tracking.patience import Allowance, within
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary
from metalsci.tracking.wandb_figures import (
    CANDIDATE_COLUMNS,
    GOALS,
    NAMED,
    candidate_rows,
    final_figures,
    iteration_figures,
    tags_of,
)
from metalsci.tracking.wandb_gate import log_gate
from metalsci.tracking.wandb_mode import WandbMode
from metalsci.tracking.wandb_session import (
    FINISH_TIMEOUT,
    RunSetting,
    first_line,
    forget_service,
    open_run,
    run_id,
    use,
)

if TYPE_CHECKING:
    from wandb import Run
    from wandb.sdk.data_types.base_types.wb_value import WBValue

log = logging.getLogger(__name__)

_START = 15.0  # seconds, of login and the run's beginning together; without an answer by then the run is offline
_OFFLINE = 30.0  # of beginning it there, which waits for no server
_LOG_TIMEOUT = 5.0  # of one iteration
# At the end a server that has gone silent costs at most _END and the service's last seconds: together half a minute,
# with some of it left for the end of the process. The run is marked as crashed there.
_END, _OF_IT_FINISHING = 20.0, 8.0
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
        self._begin, self._end = Allowance(_START), Allowance(_END)
        self._setting: RunSetting | None = None

    def start(self, info: RunInfo) -> str:
        """Begin, offline when the server cannot be reached: the run must not depend on it."""
        import wandb  # half a second, so not before it is needed

        self._info = info
        try:
            mode = self._decide(self._begin)
            if mode == "disabled":
                return "W&B disabled"
            run = self._run = self._init(info, mode, self._begin.left)
        # Unreachable; or a key or mode that it refuses; or a service that died under an earlier job of the sweep.
        except (wandb.errors.Error, ValueError, OSError, RuntimeError) as error:
            forget_service()
            self._run = self._init(info, "offline", _OFFLINE)
            return f"W&B offline, because it did not take the run: {first_line(error)}"
        return f"W&B {mode}: {run.url if mode == 'online' else shown(Path(run.dir).parent)}"

    def _decide(self, patience: Allowance) -> str:
        """Return the mode: online, offline or disabled. patience: for a login."""
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
        logged_in = patience.within(patience.left, lambda: wandb.login(prompt=False))
        if logged_in:
            return "online"
        return "offline"

    def _init(self, info: RunInfo, mode: str, timeout: float) -> "Run":
        named = [tag.strip() for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag.strip()]
        device = str(info.facts.get("device", ""))
        told = {"task": info.task, "model": info.model, "strategy": _strategy(info.config), "device": device}
        identity = run_id(info.folder)
        self._setting = RunSetting(
            project=self._project,
            entity=self._entity,
            mode=mode,
            # a run that is no sweep's still has its gate's run for company
            group=self._group or info.group or os.environ.get("WANDB_RUN_GROUP") or f"{info.name}-{identity}",
            notes=info.notes or os.environ.get("WANDB_NOTES"),
            tags=tags_of(told, [*self._tags, *info.tags, *named]),
            config={**info.config, "machine": dict(info.facts), NAMED: told},
            folder=info.folder,
        )
        run = open_run(
            self._setting,
            identity=identity,
            name=os.environ.get("WANDB_NAME") or info.name,
            job_type=os.environ.get("WANDB_JOB_TYPE") or "search",
            timeout=timeout,
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
        """Tell the result and end the run; then tell the gate's own run, if time is left."""
        run, info, setting = self._run, self._info, self._setting
        if run is None or info is None or setting is None:
            return ""
        from metalsci.tracking.wandb_media import pictures

        drawn = pictures(info.folder, info.name, Path(run.dir).parent)  # no server's time
        self._run = None
        lost = self._attempt(partial(self._tell, run, info, summary), partial(self._upload, run, info, drawn))
        unfinished = self._finish(run, failed=False)
        if not unfinished:
            gate = log_gate(setting, info.name, info.task, run.id, summary, files, self._end)
            lost = lost or gate
        if lost or unfinished:
            return f"W&B did not take all of it; the run folder has it: {lost or unfinished}"
        return ""

    def _tell(self, run: "Run", info: RunInfo, summary: Summary) -> None:
        verdict = summary.gate.verdict
        run.summary.update(final_figures(summary))
        run.tags = (*(run.tags or ()), *tags_of({"verdict": str(verdict)}, ()))
        if verdict in _ALARMING:
            alarm = f"{verdict}: {info.name}"[:_LONGEST_TITLE]
            run.alert(title=alarm, text=f"{summary.gate.evidence} {summary.gate.reason}".strip(), level="WARN")
        self._log_table(run)  # last: a table is a file, which a server may refuse

    def _upload(self, run: "Run", info: RunInfo, drawn: "Mapping[str, WBValue]") -> None:
        from metalsci.tracking.wandb_media import seed_artifact

        run.log(dict(drawn))
        use(run, seed_artifact(info.folder, info.task))
        self._log_candidates(run)

    def sweep(self, folder: Path, tables: Mapping[str, Sequence[Sequence[str]]], group: str) -> str:
        lost = self._log_sweep(folder, tables, group)
        if lost:
            return f"W&B did not take the sweep's table, which is in sweep.csv: {lost}"
        return ""

    def _log_sweep(self, folder: Path, tables: Mapping[str, Sequence[Sequence[str]]], group: str) -> str:
        from metalsci.tracking.wandb_sweep import log_sweep

        try:
            mode = self._decide(self._end)
        except Exception as error:  # a server that does not answer a login
            return first_line(error)
        if mode == "disabled":
            return ""
        setting = RunSetting(
            project=self._project,
            entity=self._entity,
            mode=mode,
            group=self._group or group,
            notes=os.environ.get("WANDB_NOTES"),
            tags=["sweep"],
            config={"folder": str(folder)},
            folder=folder,
        )
        return log_sweep(setting, tables, self._end)

    def close(self, failed: bool) -> None:
        """Finish the run. A service that does not is given up, so that the process ends and a sweep goes on."""
        if self._run is None:
            return
        run, self._run = self._run, None
        lost = ""
        if self._archive is not None:
            lost = self._attempt(partial(self._log_table, run), partial(self._log_candidates, run))
        unfinished = self._finish(run, failed)
        if lost or unfinished:
            log.warning("W&B did not take all of the run: %s", lost or unfinished)

    def _attempt(self, *calls: Callable[[], None]) -> str:
        """Call in turn until one fails, each within its limit. Return the first line of the failure."""
        for call in calls:
            try:
                self._end.within(self._end.left - _OF_IT_FINISHING, call)
            except Exception as error:  # the server may have failed meanwhile, and W&B's own errors are of many kinds
                return first_line(error)
        return ""

    def _finish(self, run: "Run", failed: bool) -> str:
        try:
            self._end.within(FINISH_TIMEOUT + 2.0, lambda: run.finish(exit_code=1 if failed else 0))
        except Exception as error:  # also what W&B does not document, as when its service was killed
            forget_service()
            return first_line(error)
        return ""

    def _log_table(self, run: "Run") -> None:
        import wandb

        if self._archive is not None:
            rows = candidate_rows(self._archive)
            run.log({"candidates": wandb.Table(columns=list(CANDIDATE_COLUMNS), data=rows)})

    def _log_candidates(self, run: "Run") -> None:
        from metalsci.tracking.wandb_media import candidates_artifact

        if self._info is not None:
            run.log_artifact(candidates_artifact(self._info.folder, self._info.task, run.id))


def _strategy(config: Mapping[str, object]) -> str:
    part = config.get("strategy")
    target = ""
    if isinstance(part, dict):
        target = str(part.get("_target_", ""))
    if target.count("."):
        return target.split(".")[-2]
    return ""
