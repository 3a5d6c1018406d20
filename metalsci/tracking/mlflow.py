"""MLflow: a run with parameters, the figures of each iteration, the verdict, and the kernels as artifacts."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metalsci.files.extras import imported, numbers
from metalsci.search.archive import Archive
from metalsci.tracking.patience import within
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary
from metalsci.tracking.wandb_figures import final_figures, iteration_figures

_PATIENCE, _END = 5.0, 15.0  # seconds of a call, and of the end


class MlflowTracker(Observer):
    """MLflow, in the extra `mlflow`.

    - experiment: its name there.
    - uri: of a server or a folder; null for MLFLOW_TRACKING_URI or a folder mlruns.
    """

    def __init__(self, *, experiment: str = "metalsci", uri: str | None = None) -> None:
        self._experiment = experiment
        self._uri = uri
        self._client: Any = None
        self._run_id = ""
        self._spent = (0, 0.0)

    def start(self, info: RunInfo) -> str:
        mlflow = imported("mlflow", "mlflow")
        # The small MLflow has no database, which would be the default, and asks to be told that a folder will do.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        folder = Path("mlruns").resolve().as_uri()
        mlflow.set_tracking_uri(self._uri or os.environ.get("MLFLOW_TRACKING_URI") or folder)

        def begin() -> str:
            client = mlflow.MlflowClient()
            found = client.get_experiment_by_name(self._experiment)
            if found:
                experiment = found.experiment_id
            else:
                experiment = client.create_experiment(self._experiment)
            tags = {"task": info.task, "model": info.model, "group": info.group or "", "tags": ",".join(info.tags)}
            if info.notes:
                tags["mlflow.note.content"] = info.notes
            run = client.create_run(experiment, run_name=info.name, tags=tags)
            for name, value in _flat({**info.config, "machine": info.facts}).items():
                client.log_param(run.info.run_id, name, value)
            self._client, self._run_id = client, run.info.run_id
            return self._run_id

        return f"MLflow: run {within(_END, begin)} at {mlflow.get_tracking_uri()}"

    def entry(self, archive: Archive) -> None:
        client = self._client
        if client is None:
            return
        reply = archive.last.reply
        if reply is not None:
            self._spent = (self._spent[0] + reply.usage.total, self._spent[1] + (reply.cost or 0.0))
        figures = numbers(iteration_figures(archive, archive.last, self._spent))

        def tell() -> None:
            for name, value in figures.items():
                client.log_metric(self._run_id, _name(name), value, step=archive.last.iteration)

        within(_PATIENCE, tell)

    def finish(self, summary: Summary, files: Sequence[Path]) -> str:
        client = self._client
        if client is None:
            return ""
        figures = final_figures(summary)

        def tell() -> None:
            for name, value in numbers(figures).items():
                client.log_metric(self._run_id, _name(name), value)
            client.set_tag(self._run_id, "verdict", str(summary.gate.verdict))
            for file in files:
                client.log_artifact(self._run_id, str(file))

        within(_END, tell)
        return ""

    def close(self, failed: bool) -> None:
        client, self._client = self._client, None
        if client is not None:
            within(_PATIENCE, lambda: client.set_terminated(self._run_id, "FAILED" if failed else "FINISHED"))


def _name(name: str) -> str:
    """Spell a name as MLflow takes it: letters, digits and a few signs."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-. /") else "-" for c in name)


def _flat(config: Mapping[Any, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[_name(f"{prefix}{name}")] = str(value)[:500]
    return found
