"""Pictures and files for W&B: convergence and roofline as images, kernels and prompts as artifacts with a lineage."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.report.chapters.convergence import convergence_chart
from metalsci.report.chapters.grouping import Columns
from metalsci.report.chapters.roofs import roofline_chart
from metalsci.report.page import as_svg
from metalsci.report.rasters import as_png, can_draw
from metalsci.report.run_reading import read_run

if TYPE_CHECKING:
    from wandb import Artifact
    from wandb.sdk.data_types.base_types.wb_value import WBValue

_SEED = ("00_seed.metal",)
_RECORD = ("config.yaml", "journal.jsonl", "begun.json", "command.json")
_CANDIDATES = ("*_candidate.metal", "*_prompt.md", "*_response.md", "*_result.json")


def pictures(folder: Path, name: str, scratch: Path) -> "dict[str, WBValue]":
    """Draw from the run's folder, in `scratch`. As images if Typst is installed, else as the same SVG in a page."""
    import wandb

    run = read_run(folder, name)
    columns = Columns.of([run])
    charts = {}
    if run.base and run.proposals:
        charts["convergence"] = convergence_chart(run.task, [run], columns)
    if any(iteration.sizes for iteration in run.iterations):
        charts["roofline"] = roofline_chart(run.task, [run], columns, run.task)
    drawn: dict[str, WBValue] = {}
    for key, chart in charts.items():
        svg = as_svg(chart)
        if can_draw():
            place = scratch / f"{key}.png"
            place.write_bytes(as_png(svg))
            drawn[f"charts/{key}"] = wandb.Image(str(place), caption=chart.about)
        else:
            drawn[f"charts/{key}"] = wandb.Html(svg, inject=False)
    return drawn


def seed_artifact(folder: Path, task: str) -> "Artifact":
    """Take the task as a run found it: the same content in every run, so that all of them share one version."""
    return _artifact(f"{task}-seed-kernel", "seed-kernel", folder, _SEED, {"task": task})


def candidates_artifact(folder: Path, task: str, run_id: str) -> "Artifact":
    """Take everything that models were asked and wrote, and the record of it; of runs that failed, too."""
    return _artifact(f"{task}-{run_id}-candidates", "candidates", folder, (*_SEED, *_CANDIDATES, *_RECORD), {})


def winner_artifact(task: str, run_id: str, files: Sequence[Path], facts: dict[str, object]) -> "Artifact":
    import wandb

    # Of what W&B keeps as metadata, not what a person reads: whatever is no JSON becomes text.
    metadata = json.loads(json.dumps(facts, default=str))
    artifact = wandb.Artifact(f"{task}-{run_id}", type="kernel", metadata=metadata)
    for file in files:
        artifact.add_file(str(file))
    return artifact


def _artifact(name: str, kind: str, folder: Path, patterns: Sequence[str], facts: dict[str, object]) -> "Artifact":
    import wandb

    artifact = wandb.Artifact(name, type=kind, metadata=facts)
    for pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            artifact.add_file(str(file))
    return artifact
