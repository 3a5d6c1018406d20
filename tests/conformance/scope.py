"""The amount of a test: something of everything in `make test`, everything in `make conformance`."""

from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Scope:
    """Amount of a test.

    rows: sets of arguments. every_overload: all sizes of vectors, else the scalar and one of them.
    """

    rows: int
    every_overload: bool

    def lanes(self, index: int) -> tuple[int, ...]:
        """Return the sizes of function `index` of a table."""
        return (1, 2, 3, 4) if self.every_overload else (1, 2 + index % 3)

    def overloads(self, index: int, mode: str) -> list[tuple[int, str]]:
        """Return the sizes and namespaces of function `index` of a table: the mode's own namespace is an alias."""
        if self.every_overload:
            return [(lanes, space) for lanes in (1, 2, 3, 4) for space in ("", "fast::", "precise::")]
        if mode == "fast":
            return [(1, ""), (1, "precise::")]
        return [(1, ""), (2 + index % 3, ""), (1, "fast::")]


def scopes(few: int, many: int) -> list[Any]:
    return [
        pytest.param(Scope(few, False), id="some"),
        pytest.param(Scope(many, True), id="all", marks=pytest.mark.conformance),
    ]
