"""The gate in W&B: a run of job type `gate` in the group of its search, which makes the winner of the candidates.

Its config names the search's run, its inputs are the artifacts of seed kernel and candidates, and its output is the
winner with the aliases `best` and its verdict: task → search → candidates → gate → winner.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.tracking.patience import Allowance
from metalsci.tracking.summary import Summary
from metalsci.tracking.wandb_figures import final_figures, gate_figures, tags_of
from metalsci.tracking.wandb_session import RunSetting, open_run, run_id, tell_at_once, use

if TYPE_CHECKING:
    from wandb import Run


def log_gate(
    setting: RunSetting,
    name: str,
    task: str,
    search: str,
    summary: Summary,
    files: Sequence[Path],
    end: Allowance,
) -> str:
    """Log the gate of the run `search`. Return the first line of what went wrong, else "".

    name, task: of the search. files: the kernels and results that are the winner's. end: time that is left.
    """
    told = replace(
        setting,
        config={**setting.config, "search_run": search},
        tags=[*setting.tags, *tags_of({"verdict": str(summary.gate.verdict)}, ())],
    )
    identity = run_id(setting.folder, "gate")
    opened = partial(open_run, told, identity=identity, name=f"{name} gate", job_type="gate", timeout=end.left)
    return tell_at_once(opened, lambda run: _tell(run, setting.folder, task, search, summary, files), end)


def _tell(run: "Run", folder: Path, task: str, search: str, summary: Summary, files: Sequence[Path]) -> None:
    from metalsci.tracking.wandb_media import candidates_artifact, seed_artifact, winner_artifact

    verdict = str(summary.gate.verdict).replace(" ", "-")
    run.summary.update({**gate_figures(summary.gate), "best_iteration": summary.best_iteration})
    use(run, seed_artifact(folder, task))
    use(run, candidates_artifact(folder, task, search))
    winner = winner_artifact(task, search, files, final_figures(summary))
    run.log_artifact(winner, aliases=["best", verdict])
