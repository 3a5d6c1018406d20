"""The differences between the two Hydras that metalsci runs with, 1.3 and 1.4, in one place; see `make test-hydra`."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import hydra
from hydra.utils import instantiate
from omegaconf import OmegaConf

_HAS_WHITELIST = "execution_whitelist" in inspect.signature(hydra.main).parameters  # 1.4; 1.5 will demand it


def base() -> dict[str, Any]:
    """Return options for `initialize_config_dir`: 1.3 must be asked for its own behaviour, 1.4 warns if asked."""
    if _HAS_WHITELIST:
        return {}
    return {"version_base": "1.3"}


def entry_options(packages: Sequence[str]) -> dict[str, Any]:
    """Return options for `hydra.main`. packages: those whose classes configs may name, Hydra's callbacks included."""
    if _HAS_WHITELIST:
        return {"execution_whitelist": _whitelist(packages)}
    return base()


def instantiate_options(packages: Sequence[str]) -> dict[str, Any]:
    """Return options for `instantiate`."""
    takes_one = "_execution_whitelist_" in inspect.signature(instantiate).parameters
    if takes_one:
        return {"_execution_whitelist_": _whitelist(packages)}
    return {}


def register_resolver(name: str, resolver: Callable[[str], str]) -> None:
    """Register a resolver under the name that this OmegaConf has for the function."""
    register = getattr(OmegaConf, "register_resolver" if _HAS_WHITELIST else "register_new_resolver")
    register(name, resolver, replace=True)


def _whitelist(packages: Sequence[str]) -> list[str]:
    return [f"{package}.*" for package in packages]
