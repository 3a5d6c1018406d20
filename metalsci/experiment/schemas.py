"""The configuration as types. Hydra merges every yaml into these, so a misspelt key or a wrong value fails
before anything starts.

Options of a group that take different settings have a schema each (`_rewrite`, `_cpu`, …), which their yaml names in
its defaults list. The leading underscore keeps the schemas out of the lists of choices.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from metalsci.files.locations import data, package
from metalsci.models.settings import SCHEMAS as MODEL_SCHEMAS
from metalsci.msl.language.math_mode import MathMode
from metalsci.search.scheduling import Order
from metalsci.tracking.wandb_mode import WandbMode


@dataclass
class ToleranceConfig:
    absolute: float = 0.0
    relative: float = 0.0
    rms: float | None = None


@dataclass
class TaskConfig:
    """conf/task/NAME.yaml. `time_limit` is in seconds, for one run of the program at any size. `label` is a format
    string over the extents of a size, which are numbers, for tables."""

    name: str = MISSING
    folder: str = MISSING
    iterations: int = 10
    time_limit: float = 10.0
    label: str = MISSING
    sizes: list[dict[str, Any]] = MISSING
    heldout: dict[str, Any] = MISSING
    physics: dict[str, float] = field(default_factory=dict)
    tolerance: ToleranceConfig = field(default_factory=ToleranceConfig)
    _target_: str = "metalsci.task.loader.load_problem"


@dataclass
class RewriteConfig:
    _target_: str = "metalsci.models.rewriter.Rewriter"
    seed: int = MISSING
    most_rewrites: int = 4
    boldness: float = 0.1


@dataclass
class OnePlusOneConfig:
    _target_: str = "metalsci.search.strategies.one_plus_one.OnePlusOne"


@dataclass
class CeilingsConfig:
    """GB/s and GFLOP/s; null means measured (the software device) or taken from the chip's data sheet (Apple)."""

    bandwidth: float | None = None
    fp32: float | None = None


@dataclass
class CpuConfig:
    _target_: str = "metalsci.devices.cpu.cpu_device.CpuDevice"
    threads: int | None = None
    math_mode: MathMode = MathMode.fast
    time_limit: float = 10.0
    ceilings: CeilingsConfig = field(default_factory=CeilingsConfig)


@dataclass
class AppleConfig:
    _target_: str = "metalsci.devices.apple.apple_device.AppleDevice"
    math_mode: MathMode = MathMode.fast
    time_limit: float = 10.0
    chip: str | None = None
    gpu_cores: int | None = None
    ceilings: CeilingsConfig = field(default_factory=CeilingsConfig)


@dataclass
class AutoConfig(AppleConfig):
    """The settings of both devices, so that a config serves on every machine."""

    _target_: str = "metalsci.devices.auto.choose"
    threads: int | None = None


@dataclass
class BudgetConfig:
    _target_: str = "metalsci.search.budget.Budget"
    iterations: int = MISSING
    minutes: float | None = None
    tokens: int | None = None
    dollars: float | None = None


@dataclass
class PromptConfig:
    """See metalsci.search.prompting.prompt_builder.PromptBuilder."""

    _target_: str = "metalsci.search.prompting.prompt_builder.PromptBuilder"
    pitfalls: bool = True
    sizes: bool = True
    diagnostics: bool = True
    differences: bool = True
    findings: bool = True
    roofline: bool = True
    device: bool = True
    attempts: bool = True
    history: int = 8
    stagnation: bool = True
    max_tokens: int | None = None


@dataclass
class HeldOutConfig:
    _target_: str = "metalsci.gate.heldout.HeldOutGate"
    generalizes: float = 1.05
    regresses: float = 0.95
    warmup: int = 3
    repeats: int = 20
    seconds: float = 120.0


@dataclass
class WandbConfig:
    _target_: str = "metalsci.tracking.wandb.WandbTracker"
    project: str = "metalsci"
    entity: str | None = None
    mode: WandbMode = WandbMode.auto
    group: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass
class NoTrackerConfig:
    _target_: str = "metalsci.tracking.none.NoTracker"


@dataclass
class RepeatsConfig:
    warmup: int = 3
    timed: int = 10
    seconds: float = 30.0


@dataclass
class InputsConfig:
    """See metalsci.task.input_seeds; null: a fresh one."""

    seed: int | None = None


@dataclass
class SearchConfig:
    """See metalsci.search.scheduling.Scheduling."""

    _target_: str = "metalsci.search.scheduling.Scheduling"
    in_flight: int = 1
    order: Order = Order.asked


@dataclass
class PathsConfig:
    tasks: str = MISSING
    outputs: str = MISSING


@dataclass
class RunConfig:
    task: TaskConfig = MISSING
    model: Any = MISSING
    prompt: PromptConfig = MISSING
    strategy: Any = MISSING
    device: Any = MISSING
    budget: BudgetConfig = MISSING
    gate: Any = MISSING
    tracker: Any = MISSING
    observers: dict[str, Any] = field(default_factory=dict)
    paths: PathsConfig = MISSING
    search: SearchConfig = field(default_factory=SearchConfig)
    inputs: InputsConfig = field(default_factory=InputsConfig)
    repeats: RepeatsConfig = field(default_factory=RepeatsConfig)
    sanitizer: bool = True
    seed: int = 0
    run: str | None = None


@dataclass
class EvaluateConfig:
    """conf/evaluate.yaml: what `python -m metalsci.evaluate` takes."""

    task: TaskConfig = MISSING
    device: Any = MISSING
    gate: Any = MISSING
    paths: PathsConfig = MISSING
    inputs: InputsConfig = field(default_factory=InputsConfig)
    repeats: RepeatsConfig = field(default_factory=RepeatsConfig)
    sanitizer: bool = True
    kernel: str | None = None
    heldout: bool = False


SCHEMAS: dict[str, Any] = {
    "_run": RunConfig,
    "_evaluate": EvaluateConfig,
    "_task": TaskConfig,
    "_rewrite": RewriteConfig,
    "_one_plus_one": OnePlusOneConfig,
    "_cpu": CpuConfig,
    "_apple": AppleConfig,
    "_auto": AutoConfig,
    "_budget": BudgetConfig,
    "_prompt": PromptConfig,
    **MODEL_SCHEMAS,
    "_heldout": HeldOutConfig,
    "_wandb": WandbConfig,
    "_no_tracker": NoTrackerConfig,
    "_paths": PathsConfig,
}


def register() -> None:
    """Make the schemas and the resolvers metalsci.data and metalsci.package known to Hydra; call before composing."""
    OmegaConf.register_new_resolver("metalsci.data", lambda folder: str(data(folder)), replace=True)
    OmegaConf.register_new_resolver("metalsci.package", lambda name: str(package(name)), replace=True)
    store = ConfigStore.instance()
    for name, node in SCHEMAS.items():
        store.store(name=name, node=node)
