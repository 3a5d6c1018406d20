"""From the groups of a config to objects: the classes that a config may name, and the wording of their refusals."""

import os
import traceback
from collections.abc import Iterator
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from metalsci.experiment.hydra_versions import instantiate_options

PACKAGES = "METALSCI_PACKAGES"


class ConfigError(Exception):
    """A setting that composes but cannot be used; the message names it and says what to do."""


def make(cfg: DictConfig, group: str) -> Any:
    """Make the object that one group of a config stands for. Raises ConfigError."""
    _refuse_foreign(cfg[group], group)
    try:
        return instantiate(cfg[group], **instantiate_options(packages()))
    except InstantiationException as error:  # Hydra 1.3 wraps the exceptions of a constructor
        raise ConfigError(f"{group}: {_sentence(error.__cause__ or error)}") from error
    except Exception as error:  # Hydra 1.4 lets it through
        raise ConfigError(f"{group}: {_sentence(error)}") from error


def packages() -> tuple[str, ...]:
    """Return the packages whose classes a config may name: metalsci, and those that the user has declared.

    They are declared on the command line or in the environment, never in a yaml: a yaml from somebody else must not
    vouch for itself.
    """
    declared = os.environ.get(PACKAGES, "").split(",")
    return ("metalsci", *(name.strip() for name in declared if name.strip()))


def _refuse_foreign(node: Any, path: str) -> None:
    """Raise ConfigError for a `_target_` of a package that the user has not declared."""
    allowed = packages()
    for place, target in _targets(node, path):
        package = target.partition(".")[0]
        if package not in allowed and not target.startswith(tuple(f"{name}." for name in allowed)):
            raise ConfigError(
                f"{place}: _target_ {target} is not metalsci's. If you trust the package, declare it: "
                f"packages={package} on the command line, or {PACKAGES}={package} in the environment"
            )


def _targets(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the `_target_`s in a config, each with its place."""
    if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
        if isinstance(target := node.get("_target_"), str):
            yield path, target
        for name in node:
            yield from _targets(node._get_node(name), f"{path}.{name!s}")
    elif isinstance(node, ListConfig) and not node._is_none() and not node._is_missing():
        for index in range(len(node)):
            yield from _targets(node._get_node(index), f"{path}[{index}]")


def _sentence(error: BaseException) -> str:
    """Return the message of a refusal. An error that is no refusal also gets its kind and place, for its author."""
    if isinstance(error, OmegaConfBaseException):
        return str(error).splitlines()[0]
    told = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, ValueError | InstantiationException) or type(error).__module__.startswith("metalsci."):
        return str(error) or type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        place = f" ({frames[-1].filename}:{frames[-1].lineno})"
    else:
        place = ""
    return f"{type(error).__name__}: {told}{place}"
