"""Trackio: the figures of each iteration in a local dashboard, `trackio show`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metalsci.files.extras import imported, numbers
from metalsci.search.archive import Archive
from metalsci.tracking.patience import within
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary
from metalsci.tracking.wandb_figures import final_figures, iteration_figures

_PATIENCE, _END = 5.0, 15.0  # seconds of a call, and of the beginning and the end

_QUIET: dict[str, Any] = {"auto_log_cpu": False, "auto_log_gpu": False}  # sampling competes with what is timed


class TrackioTracker(Observer):
    """Trackio, in the extra `trackio`: kept on this machine.

    - project: its name there.
    """

    def __init__(self, *, project: str = "metalsci") -> None:
        self._project = project
        self._run: Any = None
        self._spent = (0, 0.0)

    def start(self, info: RunInfo) -> str:
        trackio = imported("trackio", "trackio")
        config = {**info.config, "machine": dict(info.facts), "tags": list(info.tags), "notes": info.notes}
        name = f"{info.name}-{info.folder.name}"  # unique: trackio goes on with a run of the same name
        self._run = within(
            _END,
            lambda: trackio.init(
                project=self._project, name=name, group=info.group, config=config, embed=False, **_QUIET
            ),
        )
        return f"Trackio: trackio show --project {self._project}"

    def entry(self, archive: Archive) -> None:
        if self._run is None:
            return
        reply = archive.last.reply
        if reply is not None:
            self._spent = (self._spent[0] + reply.usage.total, self._spent[1] + (reply.cost or 0.0))
        figures = iteration_figures(archive, archive.last, self._spent)
        within(_PATIENCE, lambda: self._run.log(figures, step=archive.last.iteration))

    def finish(self, summary: Summary, files: Sequence[Path]) -> str:
        if self._run is not None:
            figures = numbers(final_figures(summary)) | {"gate/verdict": str(summary.gate.verdict)}
            within(_PATIENCE, lambda: self._run.log(figures))
        return ""

    def close(self, failed: bool) -> None:
        run, self._run = self._run, None
        if run is not None:
            within(_END, run.finish)
