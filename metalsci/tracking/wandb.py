"""Weights & Biases: one W&B run for each run, the runs of a sweep in one group.

Metrics of an iteration: `score`, `best_score`, `self_speedup`, `best_self_speedup`, `outcome` and what was wrong
(`message`, `diagnostics` of the compiler, `findings` of the sanitizer, as text), for each size `ms/SIZE` with its
quartiles `ms_q1/SIZE` and `ms_q3/SIZE`, and `fraction/SIZE`, and of a language model `tokens/KIND` and `dollars`. At
the end the summary gets `gate/verdict`, `gate/heldout_speedup` and the figures of summary.json, and an artifact of type
`kernel` holds the files.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.files.locations import shown
from metalsci.msl.diagnostics import render
from metalsci.search.archive import Archive, Entry
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary
from metalsci.tracking.wandb_mode import WandbMode

if TYPE_CHECKING:
    from wandb import Run

_LONGEST_TEXT = 4000  # characters of a metric
_INIT_TIMEOUT = 30.0  # seconds; a server that does not answer by then must not cost the run


class WandbTracker(Observer):
    """Weights & Biases.

    - project: of the runs.
    - entity: the team; null for the login's own.
    - mode: auto is online if there is a login and offline if there is none, and gives way to WANDB_MODE.
    - group: null: the runs of a sweep share the sweep's name.
    - tags: besides those of task and model.
    """

    def __init__(
        self,
        *,
        project: str = "metalsci",
        entity: str | None = None,
        mode: WandbMode = WandbMode.auto,
        group: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        self._project = project
        self._entity = entity
        self._mode = mode
        self._group = group
        self._tags = list(tags)
        self._run: Run | None = None
        self._task = ""

    def start(self, info: RunInfo) -> str:
        """Offline when the server cannot be reached: the run must not depend on it."""
        import wandb  # half a second, so not before it is needed

        self._task = info.task
        try:
            mode = self._decide()
            run = self._run = self._init(info, mode)
        except (
            wandb.errors.Error,
            ValueError,
        ) as error:  # unreachable, or a key or mode it refuses
            self._run = self._init(info, "offline")
            return f"W&B offline, because it did not take the run: {str(error).splitlines()[0]}"
        return f"W&B {mode}: {run.url if mode == 'online' else shown(Path(run.dir).parent)}"

    def _decide(self) -> str:
        import wandb

        if self._mode is not WandbMode.auto:
            return str(self._mode.value)
        return os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False) else "offline")

    def _init(self, info: RunInfo, mode: str) -> "Run":
        import wandb

        settings = wandb.Settings(
            x_transaction_log_flush_interval=0.5,  # offline records otherwise wait up to 15 s, and a kill loses them
            x_disable_stats=True,  # its sampling competes with the kernels that are being timed
            console="off",
            silent=True,
            init_timeout=_INIT_TIMEOUT,
        )
        run = wandb.init(
            id=hashlib.sha256(str(info.folder.resolve()).encode()).hexdigest()[:12],  # a resumed run goes on as itself
            resume="allow",
            project=self._project,
            entity=self._entity,
            name=info.name,
            group=self._group or info.group,
            job_type="search",
            tags=[f"task:{info.task}", f"model:{info.model}", *self._tags],
            config=dict(info.config),
            dir=str(info.folder),
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
            self._run.log_artifact(artifact)
        except (wandb.errors.Error, OSError, ValueError) as error:  # whatever became of the server meanwhile
            return f"W&B did not take the kernels, which are in the run folder: {str(error).splitlines()[0]}"
        return ""

    def close(self, failed: bool) -> None:
        if self._run is not None:
            self._run.finish(exit_code=1 if failed else 0)
            self._run = None


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
        "ended_by": summary.ended_by,
        "spent/tokens": summary.spent.tokens,
        "spent/dollars": summary.spent.dollars,
    }
