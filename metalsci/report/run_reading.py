"""From folders to runs. What is half-written, foreign or of another version costs a sentence, never the report."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from metalsci.devices.ceilings import Ceilings
from metalsci.evaluation.paired import Duel
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.files.locks import is_held
from metalsci.files.whole_files import read_json
from metalsci.gate.verdicts import GateResult
from metalsci.models.protocol import Reply
from metalsci.msl.diagnostics import Severity
from metalsci.msl.text.quoting import visible
from metalsci.report.reported_run import Iteration, Published, Reached, ReportedRun
from metalsci.search.archive import Entry
from metalsci.search.journal import JournalError, recorded_entries
from metalsci.search.spoken_words import FOLDER as STEERING
from metalsci.search.spoken_words import Word

JOURNAL = "journal.jsonl"
IMPORTED = "imported.json"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_NUMBER = re.compile(r"\d+")
_LONGEST = 200  # characters of an idea or a message that a table holds
_TAIL = 1 << 16  # bytes of a log in which its last error is looked for


class _Result(msgspec.Struct):
    """As much of summary.json as a report uses; all of it may be missing in one of another version."""

    task: str = ""
    model: str = ""
    device: str = ""
    seed: int | None = None
    ended_by: str = ""
    best_iteration: int | None = None
    seed_score: float | None = None
    best_score: float | None = None
    self_speedup: float | None = None
    duels: tuple[Duel, ...] = ()
    gate: GateResult | None = None
    ceilings: Ceilings | None = None
    seconds: Mapping[str, float] = {}
    versions: Mapping[str, str] = {}
    measured: bool = True


def find_runs(places: Sequence[Path]) -> list[Path]:
    """Find the folders of runs in and below `places`, each once, in the order of their numbers."""
    found: dict[Path, None] = {}
    for place in places:
        below = [journal.parent for journal in place.rglob(JOURNAL)]
        # A run that was accepted and never began its journal is one too.
        below += [
            record.parent for record in place.rglob("command.json") if not (record.parent / "multirun.yaml").exists()
        ]
        for folder in sorted(set(below), key=_order):
            if _is_run(folder):
                found.setdefault(folder.resolve())
    return list(found)


def read_run(folder: Path, name: str) -> ReportedRun:
    """Read a run, without raising for what stands in the folder."""
    trouble: list[str] = []
    entries, broken = _entries(folder / JOURNAL)
    trouble += broken
    result = read_json(folder / "summary.json", _Result)
    if result is None and (folder / "summary.json").exists():
        trouble.append("summary.json cannot be read")
    config = _config(folder)
    # A run that has not ended has said at its start what it is.
    known = result or read_json(folder / "begun.json", _Result) or _Result()
    gate = known.gate or read_json(folder / "gate.json", GateResult)
    if gate is None and (folder / "gate.json").exists():
        trouble.append("gate.json cannot be read")
    published = read_json(folder / IMPORTED, Published)
    if result is None and not broken:
        trouble += filter(None, [last_error(folder)])
    return ReportedRun(
        folder=folder,
        name=visible(name),
        status=_status(folder, published, result),
        task=visible(known.task) or _named(config, "task", "name"),
        model=visible(known.model) or _model(config),
        strategy=_target(config, "strategy"),
        device=visible(known.device or str(_part(config, "device").get("name") or _target(config, "device"))),
        seed=known.seed if known.seed is not None else _whole(config.get("seed")),
        config=config,
        iterations=entries,
        most_iterations=_extended(folder) or _whole(_part(config, "budget").get("iterations")),
        seed_score=known.seed_score,
        best_score=known.best_score,
        self_speedup=known.self_speedup,
        best_iteration=known.best_iteration,
        ended_by=known.ended_by,
        duels=known.duels,
        gate=gate,
        ceilings=known.ceilings,
        seconds=known.seconds,
        versions=known.versions,
        command=tuple((read_json(folder / "command.json", dict[str, list[str]]) or {}).get("arguments", ())),
        published=published,
        measured=known.measured,
        trouble=tuple(trouble),
    )


def _status(folder: Path, published: Published | None, result: _Result | None) -> str:
    if published:
        return "imported"
    if result:
        return "ended"
    if is_running(folder):
        return "running"
    return "stopped"


def is_running(folder: Path) -> bool:
    """Check if a process is at work in the folder."""
    return is_held(folder / "run.lock")


def last_error(folder: Path) -> str:
    """Find the last error of the run's log; empty if there is none."""
    try:
        with (folder / "metalsci.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    told = [line.partition("[ERROR] - ")[2] for line in lines if "[ERROR] - " in line]
    return visible("".join(told[-1:])[:_LONGEST])


def failure_kind(evaluation: Evaluation) -> str:
    """Say what went wrong, without names and numbers, so that equal faults are counted together; empty for none."""
    outcome = evaluation.outcome
    if outcome.correct:
        return ""
    errors = [d.message for d in evaluation.diagnostics if d.severity is Severity.ERROR]
    if outcome is Outcome.COMPILE_ERROR and errors:
        return f"{outcome}: {_general(errors[0])}"
    kinds = sorted({finding.kind for finding in evaluation.findings if finding.kind})
    if kinds:
        return f"{outcome}: {', '.join(kinds)}"
    return str(outcome)


def _extended(folder: Path) -> int | None:
    """Find the iterations that a person gave the run while it ran, the last of them; None for what the config says."""
    words = [read_json(taken, Word) for taken in sorted((folder / STEERING).glob("*.taken"))]
    told = [word.iterations for word in words if word is not None and word.iterations is not None]
    return told[-1] if told else None


def _is_run(folder: Path) -> bool:
    if folder.name == "report":
        return False
    return (folder / JOURNAL).is_file() or (folder / ".hydra" / "overrides.yaml").is_file()


def _order(folder: Path) -> list[tuple[int, str]]:
    """Read numbers in names as numbers: 9 before 10."""
    parts = re.split(r"(\d+)", folder.as_posix())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _entries(journal: Path) -> tuple[tuple[Iteration, ...], list[str]]:
    """Read the entries up to the first line that is none."""
    if not journal.is_file():
        return (), [f"{journal.name} is missing"]
    found: list[Iteration] = []
    try:
        found.extend(map(_iteration, recorded_entries(journal)))  # keeps those before an error
    except (JournalError, OSError) as error:
        return tuple(found), [visible(str(error).replace(str(journal), journal.name))[:_LONGEST]]
    return tuple(found), []


def _iteration(entry: Entry) -> Iteration:
    evaluation = entry.evaluation
    reply = entry.reply or Reply()
    kept = entry.promoted or entry.iteration == 0
    return Iteration(
        number=entry.iteration,
        outcome=evaluation.outcome,
        score=evaluation.score,
        promoted=entry.promoted,
        parents=entry.parents,
        model=reply.model,
        idea=visible(reply.headline[:_LONGEST]),
        kind=failure_kind(evaluation),
        message=visible(evaluation.message[:_LONGEST].replace("\n", " ")),
        seconds=entry.seconds,
        usage=reply.usage,
        cost=reply.cost,
        note=entry.request.note if entry.request else {},
        sizes=tuple(_reached(evaluation)) if kept else (),
        forecast=evaluation.forecast if kept else None,
    )


def _reached(evaluation: Evaluation) -> Iterator[Reached]:
    for size in evaluation.sizes:
        roof, timing = size.roofline, size.timing
        if roof is not None and timing is not None:
            ms = 1e3 * timing.median
            yield Reached(size.label, roof.achieved, roof.ceiling, roof.unit, roof.reachable, roof.footprint, ms)


def _general(message: str) -> str:
    first = _NUMBER.sub("N", _QUOTED.sub("'…'", message)).partition("\n")[0]
    return visible(first[:120])


def _config(folder: Path) -> dict[str, Any]:
    for name in ("config.yaml", ".hydra/config.yaml"):
        try:
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times faster
            found = yaml.load((folder / name).read_text(encoding="utf-8"), Loader=loader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return {str(key): value for key, value in found.items()}
    return {}


def _part(config: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    part = config.get(group)
    if isinstance(part, dict):
        return part
    return {}


def _named(config: Mapping[str, Any], group: str, key: str) -> str:
    return visible(str(_part(config, group).get(key) or "?"))


def _model(config: Mapping[str, Any]) -> str:
    part = _part(config, "model")
    return visible(str(part.get("name") or part.get("model") or _target(config, "model")))


def _target(config: Mapping[str, Any], group: str) -> str:
    """Find `one_plus_one` of `metalsci.search.strategies.one_plus_one.OnePlusOne`."""
    target = str(_part(config, group).get("_target_") or "")
    if target.count("."):
        return visible(target.split(".")[-2])
    return "?"


def _whole(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return None
