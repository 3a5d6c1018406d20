"""The dashboard of a project in W&B, as code. Its panels name the figures of wandb_figures."""

import json
from typing import Any

from metalsci.evaluation.results import Outcome
from metalsci.files.extras import imported
from metalsci.tracking.patience import within
from metalsci.tracking.wandb_figures import NAMED, outcome_figure

_PATIENCE = 20.0  # seconds of a server
_LIBRARY, _PANELS, _EXTRA = "wandb_workspaces.workspaces", "wandb_workspaces.reports.v2", "dashboard"
_EXPRESSIONS = "wandb_workspaces.expr"
_KINDS = (Outcome.SCORED, Outcome.COMPILE_ERROR, Outcome.WRONG, Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.DUPLICATE)


def workspace(entity: str, project: str) -> Any:
    """Build it, without a server. Raises ExtraMissingError."""
    made, panels, asked = imported(_LIBRARY, _EXTRA), imported(_PANELS, _EXTRA), imported(_EXPRESSIONS, _EXTRA)
    final, search = panels.SummaryMetric, panels.Metric

    def bars(title: str, figure: str, by: str) -> Any:
        return panels.BarPlot(
            title=title,
            metrics=[final(figure)],
            groupby=panels.Config(by),
            groupby_aggfunc="mean",
            groupby_rangefunc="stderr",
        )

    def lines(title: str, figure: str, by: str) -> Any:
        return panels.LinePlot(
            title=title, x=search("iteration"), y=[search(figure)], groupby=panels.Config(by), groupby_aggfunc="median"
        )

    parts = {name: f"{NAMED}.{name}" for name in ("task", "model", "strategy")}
    speedups = [bars(f"Confirmed speedup by {name}", "confirmed/self_speedup", by) for name, by in parts.items()]
    speedups += [bars(f"Held-out speedup by {name}", "gate/heldout_speedup", by) for name, by in parts.items()]
    gate = [
        panels.ScatterPlot(
            title="Search and held-out size",
            x=final("confirmed/self_speedup"),
            y=final("gate/heldout_speedup"),
            log_x=True,
            log_y=True,
        ),
        panels.BarPlot(title="Verdicts", metrics=[final("best_iteration")], groupby=final_name("gate/verdict", panels)),
        panels.RunComparer(),
    ]
    costs = [
        lines("Dollars so far", "dollars_so_far", parts["model"]),
        lines("Tokens so far", "tokens_so_far", parts["model"]),
        bars("Dollars of a run by model", "spent/dollars", parts["model"]),
        bars("Seconds of a run by task", "spent/seconds", parts["task"]),
        bars("Seconds of an iteration in the model", "seconds/model", parts["model"]),
    ]
    failures = [
        panels.WeavePanelSummaryTable(table_name="candidates"),
        *(bars(f"Candidates of a run: {kind}", outcome_figure(kind), parts["model"]) for kind in _KINDS),
    ]
    convergence = [lines(f"Best speedup so far by {name}", "best_speedup", by) for name, by in parts.items()]
    pictures = [panels.MediaBrowser(media_keys=["charts/convergence", "charts/roofline"])]
    sections = {
        "Speedup": speedups,
        "Convergence": convergence,
        "Verdicts": gate,
        "Outcomes and failures": failures,
        "Time, tokens, cost": costs,
        "Pictures": pictures,
    }
    return made.Workspace(
        entity=entity,
        project=project,
        name="metalsci",
        sections=[made.Section(name=name, panels=found, is_open=True) for name, found in sections.items()],
        # the gate's own run has its figures once more, and a sweep's has none
        runset_settings=made.RunsetSettings(filters=asked.And(asked.Metric("JobType") == "search")),
    )


def final_name(figure: str, panels: Any) -> Any:
    """Group by a figure of the end."""
    return panels.Metric(f"summary:{figure}")


def as_json(made: Any) -> str:
    """Write a workspace as JSON, the same in every run."""
    model = json.loads(made._to_model().model_dump_json())
    return json.dumps(_settled(model, {}), indent=2) + "\n"


def save(made: Any) -> str:
    """Upload it and return its address. Raises what the library raises, and TimeoutError."""
    within(_PATIENCE, made.save)
    return str(made.url)


def logged_in() -> str | None:
    """Return the name of whoever is logged in at W&B; None for nobody, or if the server does not answer."""
    import wandb

    try:
        if not within(_PATIENCE, lambda: wandb.login(prompt=False)):
            return None
        return str(within(_PATIENCE, lambda: wandb.Api(timeout=int(_PATIENCE)).default_entity))
    except Exception:
        return None


def _settled(value: Any, known: dict[str, str]) -> Any:
    """Replace by numbers the ids that the library draws, in the order in which they stand."""
    if isinstance(value, dict):
        found = {}
        for name, child in value.items():
            is_id = name in ("id", "__id__", "ref") and isinstance(child, str) and child
            if is_id:
                found[name] = known.setdefault(child, f"id{len(known)}")
            else:
                found[name] = _settled(child, known)
        return found
    if isinstance(value, list):
        return [_settled(child, known) for child in value]
    return value
