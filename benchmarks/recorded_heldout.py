"""The winners of the published sweeps and the seed kernels at sizes that no search saw, timed on the same M1 Pro.

Fractions of a ceiling are in the recordings for all but the two tasks that were added later, of which their README has
the speedups.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from recordings import Recording, counted_at, patient_device

_MODELS = ("claude-opus-4-7", "gemini-3.1-pro-preview", "gpt-5.5")  # in the order of the README's columns
_LABELS = {"adi3d": "P256x192x128_10", "morton": "N256_10"}  # held-out sizes of the tasks that were added later
_ROW = re.compile(r"^\| `(\w+)` *\|((?:[^|]*\|){6})")
SIZE = 3
"""The number of the held-out size, after those that searches saw."""


def read_heldout(
    recorded: Path, counts: Path | None, tasks: Sequence[str], *, kept: bool = False
) -> Iterator[Recording]:
    """Read the seed kernel and each model's best at the held-out size, where they were right.

    Their seconds are in units of the seed kernel's.
    """
    published = {**dict(_of_readme(recorded)), **dict(_of_logs(recorded))}
    with patient_device(kept) as device:
        for task in tasks:
            label, slowdowns = published.get(task, ("", {}))
            for run, seconds in slowdowns.items():
                source = recorded / "results" / run / "best.metal"
                if run == f"{task}_seed":
                    source = recorded / f"seeds/{task}.metal"
                for found in counted_at(task, source.read_text(), [label], f"{run}/held-out", counts, device):
                    yield Recording(task, run, SIZE, seconds, found.profile)


def _of_logs(recorded: Path) -> Iterator[tuple[str, tuple[str, Mapping[str, float]]]]:
    """Yield each task with its label, and the seconds of its runs."""
    published = recorded / "results/_run_logs/three_held_out.json"
    rows = json.loads(published.read_text()) if published.exists() else []
    for row in rows:
        seconds = {f"{row['task']}_seed": 1.0}
        seconds |= {told["dir"]: row["seed_frac"] / told["frac"] for told in row["models"].values() if told["frac"]}
        yield row["task"], (row["held"], seconds)


def _of_readme(recorded: Path) -> Iterator[tuple[str, tuple[str, Mapping[str, float]]]]:
    text = (recorded / "README.md").read_text() if (recorded / "README.md").exists() else ""
    for task, cells in filter(None, (_row(line) for line in text.splitlines())):
        seconds = {f"{task}_seed": 1.0}
        for model, speedup in zip(_MODELS, cells[3:6], strict=True):
            runs = sorted((recorded / "results").glob(f"{task}_{model}_*"))
            if len(runs) == 1:
                seconds[runs[0].name] = 1 / speedup
        yield task, (_LABELS[task], seconds)


def _row(line: str) -> tuple[str, Sequence[float]] | None:
    """Return the task and the six speedups of a row of the README's table, of the tasks that were added later."""
    found = _ROW.match(line)
    if not found or found[1] not in _LABELS:
        return None
    return found[1], [float(cell.strip(" *")) for cell in found[2].split("|")[:6]]
