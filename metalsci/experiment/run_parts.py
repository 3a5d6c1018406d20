"""The objects that a composed config stands for, made and checked before anything starts."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer, Sanitizer
from metalsci.devices.protocol import Device
from metalsci.evaluation.evaluator import Repeats
from metalsci.evaluation.promotion.protocol import PromotionSettings
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.experiment.scoring import on_the_predicted_gpu
from metalsci.gate.heldout import HeldOutGate
from metalsci.models.ensemble import Ensemble
from metalsci.models.protocol import LanguageModel, Model, Prompt
from metalsci.msl.language.math_mode import MathMode
from metalsci.search.budget import Budget, BudgetError, Spent
from metalsci.search.prompting.prompt_builder import PromptBuilder
from metalsci.search.request import StrategyError
from metalsci.search.scheduling import Scheduling
from metalsci.search.search_memory import SearchMemory
from metalsci.search.strategies.protocol import NamesBeforehand, Strategy
from metalsci.task.loader import Problem
from metalsci.tracking.protocol import Observer


@dataclass(frozen=True)
class Parts:
    """The objects that a config stands for."""

    problem: Problem
    model: Model | LanguageModel
    prompt: PromptBuilder
    strategy: Strategy
    promotion: PromotionSettings
    search: Scheduling
    memory: SearchMemory
    device: Device
    budget: Budget
    gate: HeldOutGate
    observers: Sequence[Observer]
    repeats: Repeats
    sanitizer: Sanitizer | None


def check_seed(name: str, seed: int | None) -> None:
    """Raise ConfigError for a seed that cannot be used."""
    if seed is not None and seed < 0:
        raise ConfigError(f"{name}={seed}: a random seed is not negative")


def math_mode_of(cfg: DictConfig) -> MathMode:
    """Return the device's math mode: Metal's default for a device from outside that has no such setting."""
    return MathMode(cfg.device.get("math_mode", MathMode.fast))


def make_sanitizer(cfg: DictConfig) -> Sanitizer | None:
    """Make the sanitizer; None if it is disabled, or the software device cannot run."""
    if not cfg.sanitizer or sys.platform != "linux":
        return None
    return CpuSanitizer(architecture=cfg.device.get("architecture"), math_mode=math_mode_of(cfg))


def _check_names(strategy: Strategy, prompt: PromptBuilder, model: Model | LanguageModel) -> None:
    """Raise ConfigError if a strategy would ask for a part of the prompt or a model that there is not."""
    if not isinstance(strategy, NamesBeforehand):
        return
    for name, parts in strategy.prompts.items():
        try:
            prompt.changed(parts)
        except StrategyError as error:
            raise ConfigError(f"strategy.prompts.{name}: {error}") from error
    members = model.members if isinstance(model, Ensemble) else ()
    for name in strategy.models:
        if name not in members:
            there = f"has {', '.join(members)}" if members else "is one model alone: set model=ensemble"
            raise ConfigError(f"strategy.models names {name!r}, and model={model.name} {there}")


def _check_price(budget: Budget, model: Model | LanguageModel) -> None:
    """Raise ConfigError if dollars are limited and nobody knows what an answer may cost."""
    if not isinstance(model, LanguageModel):
        return
    try:
        budget.forbids(Spent(), model.worst_case(Prompt("", "", 1, "")))
    except BudgetError as error:
        raise ConfigError(str(error)) from error


def build(cfg: DictConfig) -> Parts:
    """Instantiate every group. Raises ConfigError before anything has started."""
    cfg = on_the_predicted_gpu(cfg)
    check_seed("seed", cfg.seed)
    check_seed("inputs.seed", cfg.inputs.seed)
    names = (
        "task",
        "model",
        "prompt",
        "strategy",
        "promotion",
        "search",
        "memory",
        "budget",
        "gate",
        "tracker",
        "repeats",
    )
    made = {name: make(cfg, name) for name in (*names, "device")}
    observers = [made.pop("tracker"), *(make(cfg.observers, name) for name in cfg.observers)]
    problem = made.pop("task")
    _check_names(made["strategy"], made["prompt"], made["model"])
    _check_price(made["budget"], made["model"])
    return Parts(problem=problem, sanitizer=make_sanitizer(cfg), observers=observers, **made)
