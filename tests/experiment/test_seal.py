"""Folders of runs that were left as they were, and folders that somebody has touched, are told apart."""

import hashlib
import json
import random
from pathlib import Path

import msgspec
import pytest

from metalsci.experiment.certificate import Held, look
from metalsci.experiment.instantiation import ConfigError
from metalsci.experiment.seal import NAME, changed, contradictions, seal
from metalsci.search.hash_chain import first_broken, last_link, linked

KERNEL = "kernel void step(device float *x, uint i [[thread_position_in_grid]]) {{ x[i] = {}.0f; }}\n"


def honest(folder: Path, number: int) -> Path:
    """Make a small folder of a run that has ended."""
    chance = random.Random(number)
    folder.mkdir()
    count = chance.randrange(2, 6)
    best = chance.randrange(count)
    sources = [KERNEL.format(chance.randrange(1000)) for _ in range(count)]
    link, lines = "", b""
    for index, source in enumerate(sources):
        line, link = linked(msgspec.json.encode({"type": "judged", "id": index, "source": source}), link)
        lines += line
        name = f"{index:02}_candidate.metal" if index else "00_seed.metal"
        (folder / name).write_text(source)
    (folder / "journal.jsonl").write_bytes(lines)
    (folder / "best.metal").write_text(sources[best])
    digest = hashlib.sha256(msgspec.json.encode(sources[best])).hexdigest()[:16]
    gate = {"verdict": "generalizes", "heldout_speedup": chance.random() + 1, "digests": {"incumbent": digest}}
    (folder / "gate.json").write_text(json.dumps(gate))
    summary = {"best_iteration": best, "self_speedup": chance.random() + 1, "gate": gate}
    (folder / "summary.json").write_text(json.dumps(summary))
    seal(folder)
    return folder


def tamper(folder: Path, number: int) -> None:
    """Change one file, and in every second folder write a new seal as well."""
    chance = random.Random(number)
    kind = number % 5
    if kind == 0:
        lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
        at = chance.randrange(len(lines))
        lines[at] = lines[at].replace(b".0f", b".5f", 1)
        (folder / "journal.jsonl").write_bytes(b"".join(lines))
    elif kind == 1:
        lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
        del lines[chance.randrange(len(lines) - 1)]
        (folder / "journal.jsonl").write_bytes(b"".join(lines))
    elif kind == 2:
        (folder / "best.metal").write_text(KERNEL.format(1000 + number))
    elif kind == 3:
        gate = json.loads((folder / "gate.json").read_text())
        (folder / "gate.json").write_text(json.dumps({**gate, "heldout_speedup": 9.0}))
    else:
        summary = json.loads((folder / "summary.json").read_text())
        gate = {**summary["gate"], "verdict": "tied"}
        (folder / "summary.json").write_text(json.dumps({**summary, "gate": gate}))
    if number % 2:
        seal(folder)


def test_a_hundred_honest_folders_hold_and_a_hundred_tampered_ones_do_not(tmp_path: Path) -> None:
    for number in range(100):
        folder = honest(tmp_path / f"honest{number}", number)
        assert [claim.held for claim in look(folder)] == [Held.HELD]
    for number in range(100):
        folder = honest(tmp_path / f"tampered{number}", number)
        tamper(folder, number)
        claims = look(folder)
        assert claims[0].held is Held.NOT_HELD, number
        assert any(".json" in claim.found or "best.metal" in claim.found for claim in claims)


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    folder = honest(tmp_path / "run", 1)
    (folder / "best.metal").write_text("other")
    (folder / "00_seed.metal").unlink()
    (folder / "more.txt").write_text("new")
    told = " ".join(changed(folder))
    assert "best.metal was changed" in told
    assert "00_seed.metal is missing" in told
    assert "more.txt was added" in told
    assert any("best.metal is not" in fault for fault in contradictions(folder))


def test_a_broken_line_of_the_journal_is_named(tmp_path: Path) -> None:
    folder = honest(tmp_path / "run", 3)
    path = folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b'"id":1', b'"id":7') + b"".join(lines[2:]))
    assert first_broken(path) == 2
    assert "journal.jsonl:2" in " ".join(changed(folder))
    assert last_link(path)


def test_a_seal_that_was_taken_away_and_a_folder_that_is_none_say_so(tmp_path: Path) -> None:
    folder = honest(tmp_path / "run", 4)
    (folder / NAME).unlink()
    assert "seal.json is missing" in " ".join(changed(folder))
    with pytest.raises(ConfigError, match="give the folder of a run that has ended"):
        look(tmp_path)
