"""The seal of a run folder: a digest of each of its files, written when the run ends.

It names a file that was changed afterwards. A person who changes a file can write a new seal, too; against that the
journal, the summary and the gate's result say the same thing in several places, and `metalsci.verify` measures again.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from metalsci.files.whole_files import read_json, write_json
from metalsci.search.hash_chain import first_broken, last_link

NAME = "seal.json"
JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Seal:
    """files: digests by name. link: of the journal's last line when the run ended."""

    files: Mapping[str, str]
    link: str
    schema: int = 1


def seal(folder: Path) -> Path:
    """Write the seal of a folder whose run has ended."""
    files = {path.name: _digest(path) for path in _sealed(folder)}
    return write_json(folder / NAME, Seal(files, last_link(folder / JOURNAL)))


def changed(folder: Path) -> Iterator[str]:
    """Yield a sentence for each file that has changed since the run ended."""
    found = read_json(folder / NAME, Seal)
    if found is None:
        yield f"{NAME} is missing or cannot be read: the run did not end, or its seal was taken away"
        return
    journal = folder / JOURNAL
    if journal.is_file():
        broken = first_broken(journal)
    else:
        broken = None
    if broken is not None:
        yield f"{JOURNAL}:{broken} does not follow from the lines before it"
    for name, digest in found.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif _digest(path) != digest:
            yield f"{name} was changed after the run had ended"
    for path in _sealed(folder):
        if path.name not in found.files:
            yield f"{path.name} was added after the run had ended"
    if journal.is_file() and last_link(journal) != found.link:
        yield f"{JOURNAL} does not end where the run ended"


def contradictions(folder: Path) -> Iterator[str]:
    """Yield contradictions between the files of a run."""
    summary = read_json(folder / "summary.json", dict)
    gate = read_json(folder / "gate.json", dict)
    best = _text(folder / "best.metal")
    if summary is None or gate is None or best is None:
        yield "summary.json, gate.json or best.metal is missing or cannot be read"
        return
    if msgspec.json.encode(summary.get("gate")) != msgspec.json.encode(gate):
        yield "the gate's result in summary.json is not that of gate.json"
    told = gate.get("digests", {}).get("incumbent")
    if told and told != hashlib.sha256(msgspec.json.encode(best)).hexdigest()[:16]:
        yield "best.metal is not the kernel that the gate judged"
    iteration = summary.get("best_iteration", 0)
    own = _candidates(folder, iteration)
    if own and best not in own:
        yield f"best.metal is not the candidate of iteration {iteration}, which summary.json calls the best"


def _candidates(folder: Path, iteration: int) -> list[str]:
    """Return the kernels that an iteration may stand for: 0 is the seed kernel or the start of the run."""
    names = [f"{iteration:02}_candidate.metal"] if iteration else ["00_seed.metal", "00_start.metal"]
    return [text for name in names if (text := _text(folder / name)) is not None]


def _sealed(folder: Path) -> list[Path]:
    left_out = (NAME, "run.lock", "verified.json", "gate_study.json", "gate_study.svg")
    return sorted(
        p for p in folder.iterdir() if p.is_file() and p.name not in left_out and p.suffix not in (".log", ".partial")
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
