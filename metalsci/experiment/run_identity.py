"""The identity of a run: settings that a resume must share, and the kernel that the search starts from."""

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from metalsci.experiment.instantiation import ConfigError
from metalsci.task.loader import Problem


def fingerprint(cfg: DictConfig, problem: Problem, start: str | None) -> str:
    """Compute the digest that two runs must share for one to continue the other's journal."""
    task = OmegaConf.masked_copy(cfg.task, ["name", "sizes", "heldout", "physics", "tolerance"])
    groups = ("model", "prompt", "strategy", "promotion", "device", "inputs", "repeats")
    same = [task, *(cfg[group] for group in groups)]
    if cfg.memory.every:
        same.append(OmegaConf.masked_copy(cfg.memory, ["every", "across"]))
    settings = [_without_means(OmegaConf.to_container(part, resolve=True, enum_to_str=True)) for part in same]
    text = json.dumps(
        [
            settings,
            cfg.score.value,
            cfg.chip,
            cfg.seed,
            cfg.sanitizer,
            problem.task.seed_kernel,
            problem.task.brief,
            start,
        ],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _without_means(settings: Any) -> Any:
    """Leave out how a model is reached and its price: a run may go on over another connection, at another price."""
    if not isinstance(settings, dict):
        return settings
    means = ("transport", "stream", "price", "prices")
    return {key: _without_means(value) for key, value in settings.items() if key not in means}


def start_source(path: str | None) -> str | None:
    """Read `start=PATH`: a .metal file, or the folder of a run, whose best kernel it is. Raises ConfigError."""
    if path is None:
        return None
    if Path(path).is_dir():
        file = Path(path) / "best.metal"
    else:
        file = Path(path)
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"start={path}: give a .metal file or the folder of a run that has ended ({error})"
        ) from error
