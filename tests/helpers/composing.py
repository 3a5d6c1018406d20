"""A config as the command line composes it."""

from typing import Protocol

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from metalsci.experiment.hydra_versions import base
from metalsci.files.locations import data


class Compose(Protocol):
    """A function from overrides to the config that they make; the fixture `composed` is one."""

    def __call__(self, *overrides: str) -> DictConfig: ...


def compose_config(*overrides: str) -> DictConfig:
    """Compose a config; its schemas are registered."""
    with initialize_config_dir(str(data("conf")), **base()):
        return compose("config", overrides=list(overrides))
