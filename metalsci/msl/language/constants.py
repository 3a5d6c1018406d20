"""Integer constant expressions."""

import operator
from collections.abc import Callable

import tree_sitter

_MAX_BITS = 64
_MAX_DEPTH = 64

_BINARY: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": lambda a, b: a << b if 0 <= b < _MAX_BITS else 0,
    ">>": lambda a, b: a >> b if 0 <= b < _MAX_BITS else 0,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    ">": lambda a, b: int(a > b),
    "<=": lambda a, b: int(a <= b),
    ">=": lambda a, b: int(a >= b),
    "&&": lambda a, b: int(bool(a) and bool(b)),
    "||": lambda a, b: int(bool(a) or bool(b)),
    # C truncates towards zero
    "/": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "%": lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1),
}
_UNARY: dict[str, Callable[[int], int]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
    "!": lambda a: int(not a),
}


def integer(literal: str) -> int | None:
    """Parse `64`, `0x40u`, `1'024`."""
    digits = literal.replace("'", "").lower().rstrip("ul")
    try:
        if digits[:1] == "0" and digits.isdigit():
            return int(digits, 8)
        return int(digits, 0)
    except ValueError:
        return None


Lookup = Callable[[tree_sitter.Node], int | None]


def evaluate(node: tree_sitter.Node | None, lookup: Lookup, depth: int = _MAX_DEPTH) -> int | None:
    """Evaluate an expression's syntax tree; None if it is not an integer constant. `lookup` knows the names."""
    if node is None or depth == 0:
        return None
    match node.type:
        case "number_literal":
            return integer((node.text or b"").decode(errors="replace"))
        case "identifier":
            return lookup(node)
        case "parenthesized_expression" if node.named_child_count == 1:
            return evaluate(node.named_child(0), lookup, depth - 1)
        case "unary_expression" if (symbol := _symbol(node)) in _UNARY:
            value = evaluate(node.child_by_field_name("argument"), lookup, depth - 1)
            if value is None:
                return None
            return _UNARY[symbol](value)
        case "binary_expression" if (symbol := _symbol(node)) in _BINARY:
            left = evaluate(node.child_by_field_name("left"), lookup, depth - 1)
            right = evaluate(node.child_by_field_name("right"), lookup, depth - 1)
            if left is None or right is None or (right == 0 and symbol in "/%"):
                return None
            value = _BINARY[symbol](left, right)
            if value.bit_length() <= _MAX_BITS:
                return value
            return None
    return None


def _symbol(node: tree_sitter.Node) -> str:
    operator_node = node.child_by_field_name("operator")
    if operator_node is not None:
        return operator_node.type
    return ""
