"""Literals of Metal source and exact arithmetic on them."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_EXACT_FLOAT = 2**24  # integers up to here are exact in a float
_INT_RANGE = range(-(2**31), 2**31)
_UINT_RANGE = range(2**32)

Number = int | float

_FOLDED: Mapping[str, Callable[[Number, Number], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_COMPARED: Mapping[str, Callable[[Number, Number], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Literal:
    """A value of type int, uint, float or bool."""

    value: Number
    type: str

    def __str__(self) -> str:
        match self.type:
            case "bool":
                if self.value:
                    return "true"
                return "false"
            case "float":
                return f"{float(self.value)!r}f"
            case "uint":
                return f"{self.value}u"
        return str(self.value)


def parse_literal(text: str) -> Literal | None:
    """Parse a literal; None for any other text. Metal has no double: `1.0` is a float."""
    if text in ("true", "false"):
        return Literal(text == "true", "bool")
    digits = text.lower().replace("'", "")
    try:
        if digits.lstrip("+-").startswith(("0x", "0b")):
            unsigned = digits.endswith("u")
            return _integer(int(digits.removesuffix("u"), 0), unsigned)
        if digits.endswith("f") or "." in digits or "e" in digits:
            return Literal(float(digits.removesuffix("f")), "float")
        whole = digits.removesuffix("u")
        if len(whole.lstrip("+-")) > 1 and whole.lstrip("+-").startswith("0"):
            return None  # octal
        return _integer(int(whole), digits.endswith("u"))
    except ValueError:
        return None


def _integer(value: int, unsigned: bool) -> Literal | None:
    if unsigned:
        if value in _UINT_RANGE:
            return Literal(value, "uint")
        return None
    if value in _INT_RANGE:
        return Literal(value, "int")
    return None


def convert(literal: Literal, type_name: str) -> Literal | None:
    """Convert as `float(-1)` or `uint(3)` would."""
    match type_name:
        case "float" if abs(literal.value) <= _EXACT_FLOAT:
            return Literal(float(literal.value), "float")
        case "int" if literal.type != "float" or float(literal.value).is_integer():
            return _integer(int(literal.value), unsigned=False)
        case "uint" if literal.type in ("int", "uint", "bool"):
            return _integer(int(literal.value), unsigned=True)
    return None


def negate(literal: Literal) -> Literal | None:
    if literal.type == "float":
        return Literal(-float(literal.value), "float")
    if literal.type == "int":
        return _integer(-int(literal.value), unsigned=False)
    return None


def fold(symbol: str, left: Literal, right: Literal) -> Literal | None:
    """Compute the result if it is exact and in range, None otherwise: the compiler folds the rest."""
    if symbol in _COMPARED:
        return Literal(_COMPARED[symbol](left.value, right.value), "bool")
    types = {left.type, right.type}
    if "bool" in types:
        return None
    if "float" in types:
        return _fold_float(symbol, float(left.value), float(right.value))
    return _fold_integer(symbol, int(left.value), int(right.value), unsigned="uint" in types)


def _fold_float(symbol: str, left: float, right: float) -> Literal | None:
    if symbol not in _FOLDED:
        return None
    value = _FOLDED[symbol](left, right)
    whole = left.is_integer() and right.is_integer() and abs(value) <= _EXACT_FLOAT
    if whole:
        return Literal(value, "float")
    return None


def _fold_integer(symbol: str, left: int, right: int, unsigned: bool) -> Literal | None:
    if symbol in _FOLDED:
        return _integer(int(_FOLDED[symbol](left, right)), unsigned)
    if symbol in ("/", "%") and right != 0:
        quotient = abs(left) // abs(right)
        if (left < 0) == (right < 0):
            quotient = quotient
        else:
            quotient = -quotient
        return _integer(quotient if symbol == "/" else left - quotient * right, unsigned)
    return None
