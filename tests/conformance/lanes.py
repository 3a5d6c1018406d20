"""A model of one simdgroup or quad, lane by lane, for their functions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add, and_, mul, or_, xor
from typing import Any

Value = Any


@dataclass(frozen=True)
class Group:
    """The lanes of a simdgroup or a quad at one call: their values, their fill values, and the active ones."""

    values: list[Value]
    fill: list[Value]
    active: list[bool]

    @property
    def width(self) -> int:
        return len(self.values)

    def at(self, place: int) -> Value | None:
        """Return a lane's value; None if Metal leaves it undefined: there is no such lane, or it is not active."""
        return self.values[place] if 0 <= place < self.width and self.active[place] else None

    def filling(self, place: int) -> Value | None:
        return self.fill[place] if self.active[place] else None

    def among(self, end: int) -> list[Value]:
        return [value for value, active in zip(self.values[:end], self.active[:end], strict=True) if active]

    def first(self) -> int:
        return self.active.index(True)


Model = Callable[[Group, int], Value | None]
"""From a group and a lane's place in it to the lane's value, None where it is undefined."""


@dataclass(frozen=True)
class LaneFunction:
    """A function of lanes. `call` has `G` for simd or quad, `T` for the type, and knows x, fill and the lane's place.

    bits: for integers only. votes: of `bool(x & 1)`, not of x; their value is an unsigned integer.
    """

    name: str
    call: str
    model: Model
    bits: bool = False
    votes: bool = False


def _up(delta: int) -> Model:
    return lambda g, i: g.values[i] if i < delta else g.at(i - delta)


def _down(delta: int) -> Model:
    return lambda g, i: g.values[i] if i + delta >= g.width else g.at(i + delta)


def _fill_up(delta: int, modulo: int | None) -> Model:
    def model(g: Group, i: int) -> Value | None:
        width = modulo or g.width
        start = i - i % width
        return g.at(i - delta) if i - start >= delta else g.filling(start + width + i - start - delta)

    return model


def _fill_down(delta: int, modulo: int | None) -> Model:
    def model(g: Group, i: int) -> Value | None:
        width = modulo or g.width
        start = i - i % width
        return g.at(i + delta) if i - start + delta < width else g.filling(i + delta - width)

    return model


def _reduction(operation: Callable[[Value, Value], Value]) -> Model:
    return lambda g, i: reduce(operation, g.among(g.width))


def _prefix(operation: Callable[[Value, Value], Value], start: int, inclusive: int) -> Model:
    return lambda g, i: reduce(operation, g.among(i + inclusive), start)


def _ballot(g: Group, votes: list[bool]) -> int:
    return sum(1 << i for i, (vote, active) in enumerate(zip(votes, g.active, strict=True)) if vote and active)


def _votes(g: Group) -> list[bool]:
    return [bool(int(value) & 1) for value in g.values]


FUNCTIONS = [
    LaneFunction("broadcast", "G_broadcast(x, 2)", lambda g, i: g.at(2)),
    LaneFunction("broadcast_first", "G_broadcast_first(x)", lambda g, i: g.at(g.first())),
    LaneFunction("shuffle", "G_shuffle(x, ushort(WIDTH - 1 - place))", lambda g, i: g.at(g.width - 1 - i)),
    LaneFunction("shuffle_up", "G_shuffle_up(x, 1)", _up(1)),
    LaneFunction("shuffle_up", "G_shuffle_up(x, 3)", _up(3)),
    LaneFunction("shuffle_down", "G_shuffle_down(x, 1)", _down(1)),
    LaneFunction("shuffle_down", "G_shuffle_down(x, 3)", _down(3)),
    LaneFunction("shuffle_xor", "G_shuffle_xor(x, 3)", lambda g, i: g.at(i ^ 3)),
    LaneFunction("shuffle_rotate_up", "G_shuffle_rotate_up(x, 3)", lambda g, i: g.at((i - 3) % g.width)),
    LaneFunction("shuffle_rotate_down", "G_shuffle_rotate_down(x, 3)", lambda g, i: g.at((i + 3) % g.width)),
    LaneFunction("shuffle_and_fill_up", "G_shuffle_and_fill_up(x, fill, 2)", _fill_up(2, None)),
    LaneFunction("shuffle_and_fill_up", "G_shuffle_and_fill_up(x, fill, 1, 2)", _fill_up(1, 2)),
    LaneFunction("shuffle_and_fill_down", "G_shuffle_and_fill_down(x, fill, 2)", _fill_down(2, None)),
    LaneFunction("shuffle_and_fill_down", "G_shuffle_and_fill_down(x, fill, 1, 2)", _fill_down(1, 2)),
    LaneFunction("sum", "G_sum(x)", _reduction(add)),
    LaneFunction("product", "G_product(x)", _reduction(mul)),
    LaneFunction("min", "G_min(x)", _reduction(min)),
    LaneFunction("max", "G_max(x)", _reduction(max)),
    LaneFunction("prefix_inclusive_sum", "G_prefix_inclusive_sum(x)", _prefix(add, 0, 1)),
    LaneFunction("prefix_exclusive_sum", "G_prefix_exclusive_sum(x)", _prefix(add, 0, 0)),
    LaneFunction("prefix_inclusive_product", "G_prefix_inclusive_product(x)", _prefix(mul, 1, 1)),
    LaneFunction("prefix_exclusive_product", "G_prefix_exclusive_product(x)", _prefix(mul, 1, 0)),
    LaneFunction("and", "G_and(x)", _reduction(and_), bits=True),
    LaneFunction("or", "G_or(x)", _reduction(or_), bits=True),
    LaneFunction("xor", "G_xor(x)", _reduction(xor), bits=True),
    LaneFunction("all", "uint(G_all(vote))", lambda g, i: _ballot(g, _votes(g)) == _ballot(g, g.active), votes=True),
    LaneFunction("any", "uint(G_any(vote))", lambda g, i: _ballot(g, _votes(g)) != 0, votes=True),
    LaneFunction("ballot", "uint(ulong(G_ballot(vote)))", lambda g, i: _ballot(g, _votes(g)), votes=True),
    LaneFunction("ballot", "uint(G_ballot(vote).all())", lambda g, i: all(_votes(g)) and all(g.active), votes=True),
    LaneFunction("ballot", "uint(G_ballot(vote).any())", lambda g, i: _ballot(g, _votes(g)) != 0, votes=True),
    LaneFunction(
        "active_threads_mask", "uint(ulong(G_active_threads_mask()))", lambda g, i: _ballot(g, g.active), votes=True
    ),
    LaneFunction("is_first", "uint(G_is_first())", lambda g, i: i == g.first(), votes=True),
    LaneFunction("is_helper_thread", "uint(G_is_helper_thread())", lambda g, i: False, votes=True),
]  # fmt: skip
# More lanes than a quad has.
SIMD_ONLY = [
    LaneFunction("shuffle_up", "G_shuffle_up(x, 17)", _up(17)),
    LaneFunction("shuffle_xor", "G_shuffle_xor(x, 16)", lambda g, i: g.at(i ^ 16)),
    LaneFunction("shuffle_and_fill_up", "G_shuffle_and_fill_up(x, fill, 3, 8)", _fill_up(3, 8)),
    LaneFunction("shuffle_and_fill_down", "G_shuffle_and_fill_down(x, fill, 3, 8)", _fill_down(3, 8)),
]
