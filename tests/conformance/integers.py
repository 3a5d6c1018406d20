"""The functions of <metal_integer> and the operators on integers, in Python's integers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Kind:
    """An integer type of Metal."""

    name: str
    bits: int
    signed: bool

    @property
    def least(self) -> int:
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def greatest(self) -> int:
        return (1 << self.bits - self.signed) - 1

    def wrapped(self, value: int) -> int:
        low = value & ((1 << self.bits) - 1)
        return low - (1 << self.bits) if self.signed and low >> self.bits - 1 else low

    def bounded(self, value: int) -> int:
        return min(max(value, self.least), self.greatest)

    def pattern(self, value: int) -> int:
        return value & ((1 << self.bits) - 1)

    @property
    def unsigned(self) -> "Kind":
        return Kind("u" + self.name.lstrip("u"), self.bits, False)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits // 8}")


KINDS = [
    Kind(prefix + name, bits, not prefix)
    for name, bits in (("char", 8), ("short", 16), ("int", 32), ("long", 64))
    for prefix in ("", "u")
]
WORDS = [kind for kind in KINDS if kind.bits == 32]


@dataclass(frozen=True)
class IntegerFunction:
    """A function of a type and its arguments, in the mathematician's integers; its value is wrapped into `result`.

    promoted: an operator for which a scalar operand of fewer bits is an int. defined: the arguments with a value in
        Metal.
    """

    name: str
    value: Callable[..., int]
    arity: int = 1
    call: str = ""
    kinds: tuple[Kind, ...] = tuple(KINDS)
    result: Callable[[Kind], Kind] = lambda kind: kind
    promoted: bool = False
    defined: Callable[..., bool] = lambda kind, *values: True

    def text(self) -> str:
        return self.call or f"{self.name}({', '.join('xyz'[: self.arity])})"


def _quotient(k: Kind, x: int, y: int) -> int:
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def _divisible(k: Kind, x: int, y: int) -> bool:
    return y != 0 and (x, y) != (k.least, -1)


def _leading(k: Kind, x: int) -> int:
    return k.bits - k.pattern(x).bit_length()


def _trailing(k: Kind, x: int) -> int:
    pattern = k.pattern(x)
    return (pattern & -pattern).bit_length() - 1 if pattern else k.bits


def _reversed(k: Kind, x: int) -> int:
    return int(format(k.pattern(x), f"0{k.bits}b")[::-1], 2)


def _rotated(k: Kind, x: int, by: int) -> int:
    s = by % k.bits
    return k.pattern(x) << s | k.pattern(x) >> (k.bits - s)


@dataclass(frozen=True)
class Field:
    """Bits [offset, offset + width) of an integer."""

    offset: int
    width: int

    def extracted(self, k: Kind, x: int) -> int:
        field = k.pattern(x) >> self.offset & ((1 << self.width) - 1)
        return field - (1 << self.width) if self.width and k.signed and field >> self.width - 1 else field

    def inserted(self, k: Kind, x: int, y: int) -> int:
        mask = ((1 << self.width) - 1) << self.offset
        return (x & ~mask) | (y << self.offset & mask)


FUNCTIONS = [
    IntegerFunction("abs", lambda k, x: abs(x)),
    IntegerFunction("absdiff", lambda k, x, y: abs(x - y), 2, result=lambda k: k.unsigned),
    IntegerFunction("addsat", lambda k, x, y: k.bounded(x + y), 2),
    IntegerFunction("subsat", lambda k, x, y: k.bounded(x - y), 2),
    IntegerFunction("clamp", lambda k, x, y, z: min(max(x, min(y, z)), max(y, z)), 3, "clamp(x, min(y, z), max(y, z))"),
    IntegerFunction("clz", _leading),
    IntegerFunction("ctz", _trailing),
    IntegerFunction("hadd", lambda k, x, y: (x + y) >> 1, 2),
    IntegerFunction("rhadd", lambda k, x, y: (x + y + 1) >> 1, 2),
    IntegerFunction("mulhi", lambda k, x, y: x * y >> k.bits, 2),
    IntegerFunction("madhi", lambda k, x, y, z: (x * y >> k.bits) + z, 3),
    IntegerFunction("madsat", lambda k, x, y, z: k.bounded(x * y + z), 3),
    IntegerFunction("max", lambda k, x, y: max(x, y), 2),
    IntegerFunction("min", lambda k, x, y: min(x, y), 2),
    IntegerFunction("max3", lambda k, *v: max(v), 3),
    IntegerFunction("min3", lambda k, *v: min(v), 3),
    IntegerFunction("median3", lambda k, *v: sorted(v)[1], 3),
    IntegerFunction("popcount", lambda k, x: k.pattern(x).bit_count()),
    IntegerFunction("reverse_bits", _reversed),
    IntegerFunction("rotate", _rotated, 2),
    IntegerFunction("mul24", lambda k, x, y: (x >> 8) * (y >> 8), 2, "mul24(x >> 8, y >> 8)", tuple(WORDS)),
    IntegerFunction("mad24", lambda k, x, y, z: (x >> 8) * (y >> 8) + z, 3, "mad24(x >> 8, y >> 8, z)", tuple(WORDS)),
]
OPERATORS = [
    IntegerFunction("+", lambda k, x, y: x + y, 2, "x + y"),
    IntegerFunction("-", lambda k, x, y: x - y, 2, "x - y"),
    IntegerFunction("*", lambda k, x, y: x * y, 2, "x * y"),
    IntegerFunction("/", _quotient, 2, "x / y", defined=_divisible),
    IntegerFunction("%", lambda k, x, y: x - y * _quotient(k, x, y), 2, "x % y", defined=_divisible),
    IntegerFunction("&", lambda k, x, y: x & y, 2, "x & y"),
    IntegerFunction("|", lambda k, x, y: x | y, 2, "x | y"),
    IntegerFunction("^", lambda k, x, y: x ^ y, 2, "x ^ y"),
    IntegerFunction("~", lambda k, x: ~x, 1, "~x"),
    IntegerFunction("unary -", lambda k, x: -x, 1, "-x"),
    IntegerFunction("<<", lambda k, x, y: x << (y % k.bits), 2, "x << y", promoted=True),
    IntegerFunction(">>", lambda k, x, y: x >> (y % k.bits), 2, "x >> y", promoted=True),
]
