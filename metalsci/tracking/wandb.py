"""Weights & Biases: one W&B run for each run, the runs of a sweep in one group.

Metrics of an iteration: `score`, `best_score`, `self_speedup`, `best_self_speedup`, `outcome` and the faults
(`message`, `diagnostics` of the compiler, `findings` of the sanitizer, as text), for each size `ms/SIZE` with its
quartiles `ms_q1/SIZE` and `ms_q3/SIZE`, and `fraction/SIZE`; `predicted_ms/SIZE` and
`predicted_self_speedup` of a GPU that is not there; and of a language model `tokens/KIND` and `dollars`. At
the end the summary gets `gate/verdict`, `gate/heldout_speedup` and the figures of summary.json, and an artifact of type
`kernel` holds the files.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.devices.virtual.forecast import predicted_gain
from metalsci.files.locations import shown
from metalsci.msl.diagnostics import render
from metalsci.search.archive import Archive, Entry
from metalsci.tracking.patience import within
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary
from metalsci.tracking.wandb_mode import WandbMode

if TYPE_CHECKING:
    from wandb import Run

log = logging.getLogger(__name__)

_LONGEST_TEXT = 4000  # characters of a metric
_INIT_TIMEOUT = 30.0  # seconds; a server that does not answer by then must not cost the run
# At the end a server that has gone silent costs at most the sum, and the run is marked as crashed there.
_ARTIFACT_TIMEOUT, _FINISH_TIMEOUT, _CLOSE_TIMEOUT = 8.0, 15.0, 20.0
_MODES = ("online", "offline", "disabled", "dryrun")


class WandbTracker(Observer):
    """Weights & Biases.

    - project: of the runs; null for WANDB_PROJECT, and metalsci if that is not set.
    - entity: the team; null for WANDB_ENTITY or the login's own.
    - mode: auto is online if there is a login and offline if there is none, and gives way to WANDB_MODE.
    - group: null: the runs of a sweep share the sweep's name.
    - tags: besides those of task and model, and those of WANDB_TAGS.

    WANDB_NAME, WANDB_JOB_TYPE and WANDB_DIR are heeded too, and WANDB_DISABLED=true.
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
        self._task = ""

    def start(self, info: RunInfo) -> str:
        """Start a run, offline if the server cannot be reached: the run must not depend on it."""
        import wandb  # half a second, so not before it is needed

        self._task = info.task
        try:
            mode = self._decide()
            if mode == "disabled":
                return "W&B disabled"
            run = self._run = self._init(info, mode)
        # Unreachable; or a key or mode that it refuses; or a service that died under an earlier job of the sweep.
        except (wandb.errors.Error, ValueError, OSError, RuntimeError) as error:
            _forget_service()
            self._run = self._init(info, "offline")
            return f"W&B offline, because it did not take the run: {_first_line(error)}"
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
        import wandb

        settings = wandb.Settings(
            x_transaction_log_flush_interval=0.5,  # offline records otherwise wait up to 15 s, and a kill loses them
            x_disable_stats=True,  # its sampling competes with the kernels that are being timed
            console="off",
            silent=True,
            init_timeout=_INIT_TIMEOUT,
            finish_timeout=_FINISH_TIMEOUT,
        )
        named = [tag.strip() for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag.strip()]
        run = wandb.init(
            id=hashlib.sha256(str(info.folder.resolve()).encode()).hexdigest()[:12],  # a resumed run goes on as itself
            resume="allow",
            project=self._project,
            entity=self._entity,
            name=os.environ.get("WANDB_NAME") or info.name,
            group=self._group or info.group,
            job_type=os.environ.get("WANDB_JOB_TYPE") or "search",
            tags=[f"task:{info.task}", f"model:{info.model}", *self._tags, *named],
            config=dict(info.config),
            dir=os.environ.get("WANDB_DIR") or str(info.folder),
            mode=mode,  # type: ignore[arg-type]  # WANDB_MODE may hold any of wandb's modes, which it checks itself
            settings=settings,
        )
        run.define_metric("*", step_metric="iteration")
        return run

    def entry(self, archive: Archive) -> None:
        if self._run is not None:
            self._run.log(_metrics(archive, archive.last))

    def finish(self, summary: Summary, files: Sequence[Path]) -> str:
        if self._run is None:
            return ""
        import wandb

        self._run.summary.update(_final(summary))
        artifact = wandb.Artifact(f"{self._task}-{self._run.id}", type="kernel", metadata=_final(summary))
        for file in files:
            artifact.add_file(str(file))
        try:
            run = self._run
            within(_ARTIFACT_TIMEOUT, lambda: run.log_artifact(artifact))
        except (wandb.errors.Error, OSError, ValueError) as error:  # the server may have failed meanwhile
            return f"W&B did not take the kernels, which are in the run folder: {_first_line(error)}"
        return ""

    def close(self, failed: bool) -> None:
        """Finish the run. If the service does not end, it is given up, so that the process ends and a sweep goes on."""
        if self._run is None:
            return
        run, self._run = self._run, None
        try:
            within(_CLOSE_TIMEOUT, lambda: run.finish(exit_code=1 if failed else 0))
        except Exception as error:  # also what W&B does not document, as when its service was killed
            log.warning("W&B did not finish the run: %s", _first_line(error))
            _forget_service()


def _forget_service() -> None:
    """End W&B's service, so that the next `init` of this process starts another.

    A connection to a service that was killed, or that waits for a silent server, would be used again.
    """
    import wandb

    try:
        within(_CLOSE_TIMEOUT - _FINISH_TIMEOUT, wandb.teardown)
    except (Exception, SystemExit) as error:  # it exits with the service's own status
        log.warning("W&B's service did not end: %s", _first_line(error))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _metrics(archive: Archive, entry: Entry) -> dict[str, object]:
    best = archive.incumbent
    metrics: dict[str, object] = {
        "iteration": entry.iteration,
        "outcome": str(entry.evaluation.outcome),
        "score": entry.score,
        "best_score": best.score,
        "self_speedup": archive.self_speedup(entry) or 0.0,
        "best_self_speedup": archive.self_speedup(best) or 0.0,
    }
    told = {
        "message": entry.evaluation.message,
        "diagnostics": render(entry.evaluation.diagnostics),
        "findings": "\n".join(map(str, entry.evaluation.findings)),
    }
    metrics |= {name: text[:_LONGEST_TEXT] for name, text in told.items() if text}
    for result in entry.evaluation.sizes:
        if result.timing is not None and result.roofline is not None:
            metrics[f"ms/{result.label}"] = 1e3 * result.timing.median
            low, high = result.timing.quartiles
            metrics |= {f"ms_q1/{result.label}": 1e3 * low, f"ms_q3/{result.label}": 1e3 * high}
            metrics[f"fraction/{result.label}"] = result.roofline.fraction
    if (forecast := entry.evaluation.forecast) is not None:
        metrics |= {f"predicted_ms/{size.label}": 1e3 * size.seconds for size in forecast.sizes}
        gain = predicted_gain(forecast, archive.seed.evaluation.forecast)
        metrics |= {"predicted_self_speedup": gain.speedup} if gain else {}
    metrics |= {f"seconds/{phase}": seconds for phase, seconds in entry.seconds.items()}
    if entry.reply is not None:
        usage = entry.reply.usage
        metrics |= {f"tokens/{kind}": getattr(usage, kind) for kind in ("input", "cached", "output", "reasoning")}
        if entry.reply.cost is not None:
            metrics["dollars"] = entry.reply.cost
    return metrics


def _final(summary: Summary) -> dict[str, object]:
    return {
        "seed_score": summary.seed_score,
        "best_score": summary.best_score,
        "self_speedup": summary.self_speedup,
        "best_iteration": summary.best_iteration,
        "gate/verdict": str(summary.gate.verdict),
        "gate/size": summary.gate.size,
        "gate/heldout_speedup": summary.gate.heldout_speedup,
        "gate/phi": summary.gate.phi,
        "gate/predicted_speedup": summary.gate.transfer.speedup if summary.gate.transfer else None,
        "predicted/gpu": summary.predicted.gpu if summary.predicted else None,
        "predicted/self_speedup": summary.predicted.speedup if summary.predicted else None,
        "measured": summary.measured,
        "ended_by": summary.ended_by,
        "spent/tokens": summary.spent.tokens,
        "spent/dollars": summary.spent.dollars,
    }
