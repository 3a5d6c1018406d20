"""NN_status.json: an iteration for a program that follows the run, an agent for instance."""

from pathlib import Path
from typing import Any

import msgspec

from metalsci.files.whole_files import write_bytes
from metalsci.search.archive import Archive, Entry

STATUS_SCHEMA = 1


class StatusFiles:
    """A watcher that writes a file an iteration: outcome, scores, findings as data, parents."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def step(self, text: str) -> None: ...

    def entry(self, archive: Archive) -> None:
        entry = archive.last
        path = self._folder / f"{entry.iteration:02}_status.json"
        if entry.iteration and path.exists():
            return  # a resumed run is told of everything again
        encoded = msgspec.json.format(msgspec.json.encode(status_of(archive, entry)), indent=2)
        write_bytes(path, encoded + b"\n", durable=False)


def status_of(archive: Archive, entry: Entry) -> dict[str, Any]:
    """Return what is known of an entry and of the search after it."""
    evaluation = entry.evaluation
    sizes = []
    for size in evaluation.sizes:
        told: dict[str, Any] = {"size": size.label, "outcome": size.outcome, "detail": size.detail}
        if size.timing is not None:
            told["ms"] = 1e3 * size.timing.median
        if size.roofline is not None:
            told["fraction_of_ceiling"] = size.roofline.fraction
        sizes.append(told)
    return {
        "schema": STATUS_SCHEMA,
        "iteration": entry.iteration,
        "outcome": evaluation.outcome,
        "message": evaluation.message,
        "score": entry.score,
        "self_speedup": archive.self_speedup(entry),
        "promoted": entry.promoted,
        "decision": entry.decision.reason if entry.decision else "",
        "parents": entry.parents,
        "likeness": entry.likeness,
        "sizes": sizes,
        "diagnostics": evaluation.diagnostics,
        "findings": evaluation.findings,
        "seconds": {"model": entry.seconds.get("model", 0.0), "machine": machine_seconds(entry)},
        "incumbent": archive.incumbent.iteration,
        "incumbent_score": archive.incumbent.score,
        "incumbent_self_speedup": archive.self_speedup(archive.incumbent),
        "attempts": archive.attempts,
    }


def machine_seconds(entry: Entry) -> float:
    """Return the seconds of an iteration that were not the model's."""
    return max(0.0, entry.seconds.get("total", 0.0) - entry.seconds.get("model", 0.0))
