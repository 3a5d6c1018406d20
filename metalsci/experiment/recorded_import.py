"""The benchmark's published recordings as run folders, next to which one's own runs can stand in every report.

The recordings hold figures and no texts: no kernel, no prompt, no answer. Each folder says in imported.json where it
comes from, and what the publication prints of it where that is another figure.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import yaml

from metalsci.devices.ceilings import Ceilings
from metalsci.evaluation.paired import Contender
from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome, Roofline, SizeResult, Timing
from metalsci.files.whole_files import write_json, write_text
from metalsci.gate.heldout import HeldOutGate
from metalsci.gate.verdicts import GateResult, Verdict
from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.report.reported_run import Published
from metalsci.search.archive import Entry
from metalsci.search.budget import Spent
from metalsci.search.journal import Asked, Journal
from metalsci.search.request import Request
from metalsci.search.run_folder import RunFolder
from metalsci.tracking.summary import Summary

_OUTCOMES = {
    None: Outcome.SCORED,
    "compile": Outcome.COMPILE_ERROR,
    "correctness": Outcome.WRONG,
    "no_candidate": Outcome.NO_CODE,
    "pipeline": Outcome.PIPELINE_ERROR,
}
_CEILINGS = Ceilings(200.0, 4500.0, "the publication's, of an Apple M1 Pro")


class ImportRefusedError(Exception):
    """The file is no recording, or the folder is taken; the message says which."""


class _Size(msgspec.Struct):
    label: str
    correct: bool | None = None
    error_value: float | None = None
    gpu_seconds: float | None = None
    achieved: float | None = None
    achieved_unit: str | None = None
    ceiling: float | None = None


class _Step(msgspec.Struct):
    iteration: int
    score: float | None = None
    failure: str | None = None
    diagnostics: list[dict[str, int | str] | str] = []
    new_best: bool | None = None
    seconds: float | None = None
    sizes: list[_Size] = []


class _Run(msgspec.Struct):
    task: str
    model: str
    iterations: list[_Step]
    started: str = ""
    chip: str | None = None
    seed_score: float | None = None
    best_score: float | None = None
    speedup: float | None = None
    complete: bool = False
    matched_sweep: bool = False


class _Side(msgspec.Struct):
    speedup: float | None = None
    fraction: float | None = None
    failure: str | None = None


class _HeldOut(msgspec.Struct):
    task: str
    models: dict[str, _Side]
    size: str = "held-out size"
    seed_fraction: float | None = None
    ceiling: float | None = None
    ceiling_unit: str = "GB/s"


class _Printed(msgspec.Struct):
    in_distribution_speedup: dict[str, float | None]
    held_out_speedup: dict[str, float | None]


class _Recordings(msgspec.Struct):
    source: str
    runs: list[_Run]
    published_table: dict[str, _Printed] = {}
    held_out: list[_HeldOut] = []


def import_recorded(file: Path, output: Path) -> list[Path]:
    """Write a folder for each recorded run, TASK/MODEL/STARTED below `output`, and return them.

    Raises ImportRefusedError, and OSError if `output` cannot be written.
    """
    try:
        # Python's decoder: the recordings hold NaN and Infinity, which are no JSON and which msgspec refuses.
        decoded = json.loads(file.read_bytes(), parse_constant=lambda _: None)
        recordings = msgspec.convert(decoded, type=_Recordings)
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ImportRefusedError(f"{file} is no recording of the benchmark's runs: {error}") from error
    places: list[Path] = []
    numbers: Counter[tuple[str, str]] = Counter()
    for run in sorted(recordings.runs, key=lambda run: (run.task, run.model, not run.matched_sweep, run.started)):
        place = output / _name(run.task) / _name(run.model) / _name(run.started)
        if place.exists():
            raise ImportRefusedError(f"{place} is there already: choose another output=FOLDER, or remove it")
        _write(run, recordings, numbers[run.task, run.model], place)
        numbers[run.task, run.model] += 1
        places.append(place)
    return places


def _write(run: _Run, recordings: _Recordings, seed: int, place: Path) -> None:
    place.mkdir(parents=True)
    folder = RunFolder(place)
    entries = _entries(run)
    journal = Journal(place / "journal.jsonl", "imported", 0)
    journal.judge(entries[0], None)
    folder.result(entries[0])
    for entry in entries[1:]:
        assert entry.request is not None
        journal.ask(Asked(1, (entry.request,)))
        journal.judge(entry, None)
        folder.result(entry)
    config = {
        "task": {"name": run.task},
        "model": {"name": run.model},
        "strategy": {"_target_": "imported.published.OnePlusOne"},
        "device": {"name": _chip(run)},
        "budget": {"iterations": len(run.iterations)},
        "seed": seed,
        "imported": recordings.source,
    }
    write_text(place / "config.yaml", yaml.safe_dump(config, sort_keys=False), durable=False)
    printed = None
    if run.matched_sweep:
        printed = recordings.published_table.get(run.task)
    told = Published(recordings.source)
    if printed:
        within, heldout = printed.in_distribution_speedup, printed.held_out_speedup
        told = Published(recordings.source, within.get(run.model), heldout.get(run.model))
    write_json(place / "imported.json", told)
    if run.speedup is None or run.seed_score is None or run.best_score is None:
        return  # it broke off, and has no result
    gate = _gate(run, recordings.held_out)
    folder.json("gate.json", gate)
    folder.json("summary.json", _summary(run, entries, seed, gate))


def _entries(run: _Run) -> list[Entry]:
    """Return the seed kernel, then a candidate an iteration, each made from the incumbent of its time."""
    entries = [Entry(0, None, Evaluation(Outcome.SCORED, score=run.seed_score or 0.0))]
    incumbent = 0
    for step in run.iterations:
        evaluation = _evaluation(step)
        promoted = bool(step.new_best) and evaluation.outcome.correct
        decision = None
        if evaluation.outcome.correct:
            decision = Decision(promoted, "as recorded")
        request = Request((incumbent,), id=step.iteration)
        entries.append(
            Entry(step.iteration, None, evaluation, request, seconds={"total": step.seconds or 0.0}, decision=decision)
        )
        if promoted:
            incumbent = step.iteration
    return entries


def _evaluation(step: _Step) -> Evaluation:
    outcome = _OUTCOMES.get(step.failure, Outcome.WRONG)
    diagnostics = tuple(_diagnostic(told) for told in step.diagnostics)
    message = "".join(diagnostic.message for diagnostic in diagnostics[:1])
    sizes = tuple(_size(size) for size in step.sizes)
    score = 0.0
    if outcome.correct:
        score = step.score or 0.0
    return Evaluation(outcome, message, diagnostics, sizes, score)


def _diagnostic(told: Mapping[str, int | str] | str) -> Diagnostic:
    if isinstance(told, str):
        return Diagnostic(Severity.ERROR, 0, 0, told)
    line, column = int(told.get("line", 0)), int(told.get("column", 0))
    return Diagnostic(Severity.ERROR, line, column, str(told.get("message", "")))


def _size(size: _Size) -> SizeResult:
    outcome = Outcome.WRONG
    if size.correct:
        outcome = Outcome.SCORED
    timing = None
    if size.gpu_seconds:
        timing = Timing((size.gpu_seconds,))
    roofline = None
    if size.achieved and size.ceiling:
        roofline = Roofline(size.achieved, size.ceiling, _unit(size.achieved_unit or ""))
    return SizeResult(size.label, outcome, error=size.error_value, timing=timing, roofline=roofline)


def _unit(told: str) -> str:
    """Cut what the recordings say behind the unit: `GFLOPS (mat-vec FMAs only)`."""
    if told.startswith("GFLOP"):
        return "GFLOP/s"
    return "GB/s"


def _gate(run: _Run, judged: Sequence[_HeldOut]) -> GateResult:
    """Give the verdict that today's gate gives to the published figures."""
    row = next((row for row in judged if row.task == run.task), None)
    side = None
    if row and run.matched_sweep:
        side = row.models.get(run.model)
    right = Contender(Outcome.SCORED)
    if row is None or side is None:
        evidence = "the publication has no held-out figure of this run"
        return GateResult(Verdict.UNDECIDED, "", right, right, evidence=evidence)
    seed = Contender(Outcome.SCORED, roofline=_roofline(row, row.seed_fraction))
    if side.speedup is None:
        told = side.failure or "no figure is published"
        wrong = Contender(Outcome.WRONG, told)
        return GateResult(Verdict.WRONG, row.size, seed, wrong, evidence=f"{row.size}: {told}")
    return GateResult(
        HeldOutGate().verdict(side.speedup, None),
        row.size,
        seed,
        Contender(Outcome.SCORED, roofline=_roofline(row, side.fraction)),
        heldout_speedup=side.speedup,
        phi=side.fraction,
        evidence=f"{side.speedup:.2f}x the seed kernel at {row.size}, as published, without quartiles",
    )


def _roofline(row: _HeldOut, fraction: float | None) -> Roofline | None:
    if fraction is None or row.ceiling is None:
        return None
    return Roofline(fraction * row.ceiling, row.ceiling, _unit(row.ceiling_unit))


def _summary(run: _Run, entries: Sequence[Entry], seed: int, gate: GateResult) -> Summary:
    assert run.seed_score is not None and run.best_score is not None and run.speedup is not None
    seconds = sum(entry.seconds.get("total", 0.0) for entry in entries)
    return Summary(
        task=run.task,
        model=run.model,
        device=_chip(run),
        seed=seed,
        inputs_seed=0,
        ended_by="iterations",
        spent=Spent(len(run.iterations), seconds),
        iterations=len(run.iterations),
        outcomes=Counter(str(entry.evaluation.outcome) for entry in entries[1:]),
        best_iteration=max((entry.iteration for entry in entries if entry.promoted), default=0),
        seed_score=run.seed_score,
        best_score=run.best_score,
        self_speedup=run.speedup,
        duels=(),
        gate=gate,
        ceilings=_CEILINGS,
        seconds={"total": seconds},
        framework_ms_per_iteration=0.0,
        versions={},
    )


def _chip(run: _Run) -> str:
    return run.chip or "Apple M1 Pro"  # where the benchmark was published; two runs that broke off do not say


def _name(told: str) -> str:
    """Make a name from the file one folder's name, and nothing else."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in told).strip(".") or "unnamed"
