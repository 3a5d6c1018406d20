"""The certificate of a run: its files are checked, then the decisive pairs and the gate are run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from metalsci.evaluation.evaluator import Evaluator
from metalsci.evaluation.paired import confirm, speedup_of
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.experiment.run_parts import make_sanitizer
from metalsci.experiment.schemas import register
from metalsci.experiment.seal import changed, contradictions
from metalsci.files.whole_files import read_json
from metalsci.msl.language.math_mode import MathMode
from metalsci.task.input_seeds import fresh_seed

_CLOSE = 1.25  # factor between two measurements of one speedup, on a machine that is not quiet
_FAILED = ("wrong", "unsound", "suspect")


class Held(StrEnum):
    HELD = "held"
    NOT_HELD = "not held"
    NOT_DECIDABLE = "not decidable"


@dataclass(frozen=True)
class Claim:
    """One claim of the folder, with the result of its check."""

    what: str
    held: Held
    told: str
    found: str


@dataclass(frozen=True)
class Certificate:
    claims: tuple[Claim, ...]

    @property
    def held(self) -> Held:
        """Not held if one claim is not; else not decidable if one is not."""
        kinds = {claim.held for claim in self.claims}
        for kind in (Held.NOT_HELD, Held.NOT_DECIDABLE):
            if kind in kinds:
                return kind
        return Held.HELD


def look(folder: Path) -> list[Claim]:
    """Check the claims that need no device: nothing was changed, and the files agree. Raises ConfigError."""
    if not (folder / "journal.jsonl").is_file() or not (folder / "summary.json").is_file():
        raise ConfigError(f"{folder} holds no journal.jsonl and summary.json: give the folder of a run that has ended")
    faults = [*changed(folder), *contradictions(folder)]
    if not faults:
        return [Claim("files", Held.HELD, "as the run left them", "so")]
    return [Claim("files", Held.NOT_HELD, "as the run left them", fault) for fault in faults]


def verify(folder: Path) -> Certificate:
    """Check the files, and repeat the decisive comparisons on inputs that nobody has seen. Raises ConfigError."""
    claims = look(folder)
    if any(claim.held is Held.NOT_HELD for claim in claims):
        return Certificate(tuple(claims))
    register()
    cfg = OmegaConf.load(folder / "config.yaml")
    assert isinstance(cfg, DictConfig)
    cfg.device.math_mode = MathMode(cfg.device.math_mode)  # a file without a schema holds its name
    summary = read_json(folder / "summary.json", dict) or {}
    return Certificate((*claims, *_again(cfg, folder, summary)))


def _again(cfg: DictConfig, folder: Path, summary: dict[str, Any]) -> Sequence[Claim]:
    problem, device, gate, repeats = (make(cfg, group) for group in ("task", "device", "gate", "repeats"))
    sanitizer, watch, seed = make_sanitizer(cfg), Stopwatch(), fresh_seed()
    best, seed_kernel = ((folder / name).read_text(encoding="utf-8") for name in ("best.metal", "00_seed.metal"))
    try:
        if device.name != summary.get("device"):
            return [Claim("device", Held.NOT_DECIDABLE, str(summary.get("device")), device.name)]
        with Evaluator(problem.task, problem.sizes, device, seed, repeats, watch) as evaluator:
            speedup = speedup_of(confirm(evaluator, seed_kernel, best))
        judged = gate.judge(
            task=problem.task, size=problem.heldout, sizes=problem.sizes, device=device, inputs_seed=seed,
            seed_kernel=seed_kernel, incumbent=best, watch=watch, sanitizer=sanitizer,
        )  # fmt: skip
    finally:
        device.close()
        if sanitizer:
            sanitizer.close()
    told = summary["gate"]["verdict"]
    return [_speedup(float(summary["self_speedup"]), speedup), _verdict(told, str(judged.verdict))]


def _speedup(told: float, found: float) -> Claim:
    what, figures = "self-speedup", (f"{told:.2f}x", f"{found:.2f}x")
    if not told or not found:
        return Claim(what, Held.HELD if told == found else Held.NOT_HELD, *figures)
    if max(told, found) <= _CLOSE * min(told, found):
        return Claim(what, Held.HELD, *figures)
    same_side = (told > 1) == (found > 1)
    return Claim(what, Held.NOT_DECIDABLE if same_side else Held.NOT_HELD, *figures)


def _verdict(told: str, found: str) -> Claim:
    if told == found:
        return Claim("gate", Held.HELD, told, found)
    if (told in _FAILED) != (found in _FAILED) or {told, found} == {"generalizes", "regresses"}:
        return Claim("gate", Held.NOT_HELD, told, found)
    return Claim("gate", Held.NOT_DECIDABLE, told, found)
