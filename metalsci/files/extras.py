"""Libraries that are installed for those who want them, and what figures they take."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


class ExtraMissingError(Exception):
    """A library is not installed; the message names the extra that brings it."""


def imported(module: str, extra: str) -> Any:
    """Import a library of an extra. Raises ExtraMissingError."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ExtraMissingError(f"{module} is not installed: pip install 'metalsci[{extra}]'") from error


def numbers(figures: Mapping[str, object]) -> dict[str, float]:
    """Pick those figures that are numbers."""
    return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
