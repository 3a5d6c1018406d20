"""Scores on a machine without a GPU: `score=measured|predicted|both`."""

from collections.abc import Callable

from omegaconf import DictConfig, open_dict

from metalsci.devices.auto import has_metal
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.protocol import Device, Predicting
from metalsci.devices.virtual.forecast import Forecast
from metalsci.evaluation.forecasting import Forecaster, forecaster
from metalsci.evaluation.promotion.predicted import NotPredictedSlower, PredictedFaster
from metalsci.evaluation.promotion.protocol import Promotion
from metalsci.experiment.instantiation import ConfigError
from metalsci.experiment.scored_by import ScoredBy

_CPU = "metalsci.devices.cpu.cpu_device.CpuDevice"
_AUTO = "metalsci.devices.auto.choose"
_VIRTUAL = "metalsci.devices.virtual.virtual_device.VirtualDevice"


def on_the_predicted_gpu(cfg: DictConfig) -> DictConfig:
    """Put the virtual GPU in the place of the software device, if predicted times are to be the score.

    Raises ConfigError for a device that measures and cannot count.
    """
    if cfg.score is not ScoredBy.predicted or cfg.device._target_ == _VIRTUAL:
        return cfg
    if cfg.device._target_ != _CPU and (cfg.device._target_ != _AUTO or has_metal()):
        raise ConfigError("score=predicted counts what cpu_metal executes: set device=cpu or device=virtual with it")
    cfg = cfg.copy()
    with open_dict(cfg):
        device = cfg.device
        kept = {name: device[name] for name in ("threads", "math_mode", "time_limit", "ceilings") if name in device}
        cfg.device = {"_target_": _VIRTUAL, "chip": cfg.chip, **kept}
    return cfg


def forecaster_of(cfg: DictConfig, device: Device) -> Forecaster | None:
    """Make the forecaster of a run; None if only measured times count and nobody is told of others."""
    if cfg.score is ScoredBy.measured and not cfg.prompt.get("profile", False):
        return None
    return forecaster(device, cfg.chip)


def promotion_by(
    scored_by: ScoredBy, device: Device, rule: Promotion, seed: Callable[[], Forecast | None]
) -> Promotion:
    """Make the promotion rule. seed: the forecast of the seed kernel; None on a device that counts nothing."""
    if isinstance(device, Predicting):
        return PredictedFaster()
    if scored_by is ScoredBy.both:
        return NotPredictedSlower(rule, seed)
    return rule


def how_it_wins(scored_by: ScoredBy, device: Device, chip: str) -> str:
    """Say to a model how a candidate becomes the best one."""
    if isinstance(device, Predicting):
        return "A correct kernel becomes the best one if it is predicted to be faster, by 1.2x or more."
    told = "A correct kernel becomes the best one if it is faster, both being run in turn"
    if scored_by is ScoredBy.both and isinstance(device, CpuDevice):
        return f"{told}, and is not predicted to be slower on an Apple {chip}."
    return f"{told}."
