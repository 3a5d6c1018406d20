"""The settings of each model as types, for conf/model/*.yaml; see metalsci.experiment.schemas."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from omegaconf import MISSING


class Effort(Enum):
    """How long a model thinks; providers and models take different ones of these."""

    none = "none"
    minimal = "minimal"
    low = "low"
    medium = "medium"
    high = "high"
    xhigh = "xhigh"
    max = "max"


@dataclass
class TransportConfig:
    """See metalsci.models.http.remote.Transport."""

    _target_: str = "metalsci.models.http.remote.Transport"
    base_url: str | None = None
    stream: bool = True
    timeout: float = 600.0
    attempts: int = 6
    first_wait: float = 2.0
    longest_wait: float = 60.0
    patience: float = 600.0


@dataclass
class PricesConfig:
    """conf/prices: input, cached input and output, in dollars per million tokens, as of `date`."""

    _target_: str = "metalsci.models.prices.PriceTable"
    _convert_: str = "all"
    date: str = MISSING
    models: dict[str, list[float]] = MISSING


@dataclass
class ClaudeConfig:
    _target_: str = "metalsci.models.providers.claude.claude"
    model: str = MISSING
    effort: Effort | None = None
    thinking: bool = True
    max_output_tokens: int = MISSING
    transport: TransportConfig = field(default_factory=TransportConfig)
    prices: PricesConfig = field(default_factory=PricesConfig)
    price: list[float] | None = None


@dataclass
class GptConfig:
    _target_: str = "metalsci.models.providers.gpt.gpt"
    model: str = MISSING
    effort: Effort | None = None
    max_output_tokens: int = MISSING
    transport: TransportConfig = field(default_factory=TransportConfig)
    prices: PricesConfig = field(default_factory=PricesConfig)
    price: list[float] | None = None


@dataclass
class GeminiConfig:
    _target_: str = "metalsci.models.providers.gemini.gemini"
    model: str = MISSING
    effort: Effort | None = None
    max_output_tokens: int = MISSING
    temperature: float | None = None
    api_version: str = "v1beta"
    transport: TransportConfig = field(default_factory=TransportConfig)
    prices: PricesConfig = field(default_factory=PricesConfig)
    price: list[float] | None = None


@dataclass
class LocalConfig:
    _target_: str = "metalsci.models.providers.local.local"
    model: str | None = None
    max_output_tokens: int = MISSING
    temperature: float | None = None
    seed: int | None = None
    system_role: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
    serve: list[str] | None = None
    serve_timeout: float = 600.0
    transport: TransportConfig = field(default_factory=TransportConfig)


@dataclass
class ReplayConfig:
    _target_: str = "metalsci.models.replay.Replay"
    run: str | None = None
    strict: bool = True


@dataclass
class ManualConfig:
    _target_: str = "metalsci.models.manual.Manual"
    poll: float = 0.2
    settle: float = 1.0
    show: bool = True


class Policy(Enum):
    """weights: drawn. bandit: the one that pays on this task."""

    weights = "weights"
    bandit = "bandit"


@dataclass
class EnsembleConfig:
    _target_: str = "metalsci.models.ensemble.Ensemble"
    _convert_: str = "all"
    members: dict[str, Any] = MISSING
    policy: Policy = Policy.weights
    weights: dict[str, float] = MISSING
    exploration: float = 1.0
    seed: int = MISSING


SCHEMAS: dict[str, Any] = {
    "_prices": PricesConfig,
    "_claude": ClaudeConfig,
    "_gpt": GptConfig,
    "_gemini": GeminiConfig,
    "_local": LocalConfig,
    "_replay": ReplayConfig,
    "_manual": ManualConfig,
    "_ensemble": EnsembleConfig,
}
