"""Kernels judged outside a search, as a person sees them: one table, over one task or over all."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from metalsci.cli.exit_codes import EXIT_FAILED
from metalsci.evaluation.results import Invariant
from metalsci.experiment.single_kernel import Judgement, SizeJudgement
from metalsci.files.whole_files import read_json
from metalsci.msl.diagnostics import render
from metalsci.tracking.console import figures, make_console


class EvaluationsTable(Callback):
    """A Hydra callback, named in conf/hydra/evaluate.yaml: the table at the end of an evaluation of several tasks.

    Exits with 1 if a kernel is wrong, or a task could not be judged.
    """

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        jobs = sorted((path.parent for path in folder.rglob(".hydra")), key=_place)
        results = [job / "evaluation.json" for job in jobs]
        found: list[Judgement] = []
        missing = 0
        for path in results:
            result = read_json(path, Judgement) or read_json(path, list[Judgement])
            if result is None:
                missing += 1
            else:
                found += result if isinstance(result, list) else [result]
        show(found, make_console())
        if missing or not all(judgement.correct for judgement in found):
            sys.exit(EXIT_FAILED)  # Hydra turns a callback's exceptions into warnings


def _place(job: Path) -> tuple[int, str]:
    """Return a key that sorts jobs by the number in the folder's name, if it has one."""
    number = job.name.split("-")[0]
    return (int(number) if number.isdigit() else 0, job.as_posix())


def show(judgements: Sequence[Judgement], console: Console) -> None:
    """Print the table, and below it the invariants and all faults, in full."""
    table = Table()
    for name in ("task", "size", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("error", "time", "achieved", "ceiling", "fraction", "launch", "speedup"):
        table.add_column(name, justify="right")
    for judgement in judgements:
        for row, judged in enumerate(judgement.sizes):
            table.add_row(
                "" if row else _label(judgement, judgements), *_row(judged), end_section=row == len(judgement.sizes) - 1
            )
        if not judgement.sizes:
            table.add_row(_label(judgement, judgements), "", "compile error", end_section=True)
    console.print(table)
    for judgement in judgements:
        _say(judgement, console)
    seconds = sum(judgement.seconds for judgement in judgements)
    console.print(
        "error: in units of the tolerance; launch: the same calls of a kernel that does nothing; "
        f"held-out sizes are marked *; {seconds:.0f} s",
        style="dim",
    )


def _label(judgement: Judgement, judgements: Sequence[Judgement]) -> str:
    """Return the task, and the kernel's file if several of one task are judged."""
    kernels = {other.kernel for other in judgements if other.task == judgement.task}
    if len(kernels) == 1:
        return judgement.task
    return f"{judgement.task}: {Path(judgement.kernel).name}"


def _row(judged: SizeJudgement) -> tuple[str, ...]:
    result = judged.result
    if result.timing:
        timed = figures(result)
    else:
        timed = ("", "", "", "")
    return (
        judged.size + (" *" if judged.heldout else ""),
        str(result.outcome),
        "" if result.error is None else f"{result.error:.2g}",
        *timed,
        "" if result.launch is None else f"{1e6 * result.launch:.1f} µs",
        f"{judged.speedup:.2f}×" if judged.speedup else "",
    )


def _invariants(found: Sequence[Invariant]) -> str:
    return ", ".join(f"{i.name} {i.got:.6g} (want {i.want:.6g})" for i in found)


def _say(judgement: Judgement, console: Console) -> None:
    def line(text: str, style: str) -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    if judgement.diagnostics:
        line(render(judgement.diagnostics, file=judgement.kernel), "red")
    for judged in judgement.sizes:
        if not judged.result.outcome.correct:
            line(f"{judgement.task} {judged.size}: {judged.result.outcome}; {judged.result.detail}", "red")
        elif judged.result.invariants:
            line(f"{judgement.task} {judged.size}: {_invariants(judged.result.invariants)}", "dim")
    for finding in judgement.findings:
        line(f"{judgement.task}: sanitizer: {finding}", "yellow")
    if judgement.verdict:
        verdict = f"; held-out gate: {judgement.verdict}"
        if judgement.transfer:
            verdict += f"; {judgement.transfer}"
    else:
        verdict = ""
    line(f"{judgement.task}: {judgement.kernel}, score {judgement.score:.4f}{verdict}", "bold")
