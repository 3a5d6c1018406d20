"""Runs that have ended, read from their folders, and their candidates judged at the held-out size."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from metalsci.evaluation.results import Outcome
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.experiment.schemas import register
from metalsci.files.whole_files import read_json
from metalsci.gate.heldout import GateError
from metalsci.gate.study import Attempted, HeldOutBench, StudiedRun, study
from metalsci.msl.language.math_mode import MathMode
from metalsci.search.journal import Recording, read_recording


def run_folders(places: Sequence[Path]) -> list[Path]:
    """Find the runs in folders of runs and sweeps. Raises ConfigError if there are none, or one has not ended."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            here = sorted(journal.parent for journal in place.rglob("journal.jsonl"))
        else:
            here = []
        if not here:
            raise ConfigError(f"run={place}: there is no run in it; give the folder of a run or of a sweep")
        found += here
    for folder in found:
        if not (folder / "gate.json").is_file() or not (folder / "summary.json").is_file():
            raise ConfigError(
                f"run={folder}: it has not ended, and a search must not be judged held out before; finish it with: "
                f"python -m metalsci.run resume={folder}"
            )
    return list(dict.fromkeys(found))


def studied(folder: Path, rounds: int, progress: Callable[[str], None]) -> StudiedRun:
    """Judge every candidate of a run. Raises ConfigError, JournalError and GateError."""
    register()
    cfg = OmegaConf.load(folder / "config.yaml")
    assert isinstance(cfg, DictConfig)
    cfg.device.math_mode = MathMode(cfg.device.get("math_mode", MathMode.fast))  # a file without a schema has its name
    recording = read_recording(folder / "journal.jsonl")
    attempts = list(_attempts(folder, recording))
    problem, device = make(cfg, "task"), make(cfg, "device")
    summary = read_json(folder / "summary.json", dict) or {}
    try:
        with HeldOutBench(problem.task, problem.heldout, device, recording.inputs_seed, rounds) as bench:
            found = study(
                bench, attempts, lambda count: progress(f"{folder}: {count} of {len(attempts)} candidates judged")
            )
    except GateError as error:
        raise GateError(f"{folder}: {error}") from error
    finally:
        device.close()
    strategy = str(cfg.strategy.get("_target_", "")).rpartition(".")[0].rpartition(".")[2]  # its module
    return StudiedRun(str(folder), problem.task.name, str(summary.get("model", "")), strategy, found)


def _attempts(folder: Path, recording: Recording) -> Iterator[Attempted]:
    """Yield the candidates that compiled, without the seed kernel and without what was a duplicate."""
    winner = (read_json(folder / "summary.json", dict) or {}).get("best_iteration", 0)
    for entry in recording.entries:
        outcome = entry.evaluation.outcome
        if not entry.iteration or not entry.source or outcome in (Outcome.COMPILE_ERROR, Outcome.DUPLICATE):
            continue
        yield Attempted(entry.iteration, entry.source, entry.score, entry.correct, entry.iteration == winner)
