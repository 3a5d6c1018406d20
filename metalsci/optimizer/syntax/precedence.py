"""Precedence of expressions, and the parentheses that a replacement needs."""

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.syntax.statement_edits import replace
from metalsci.optimizer.syntax.tree import Node

PRIMARY, UNARY, PRODUCT, SUM, CONDITIONAL, ANY = 16, 14, 13, 12, 3, 0

_BINARY = {
    "*": PRODUCT,
    "/": PRODUCT,
    "%": PRODUCT,
    "+": SUM,
    "-": SUM,
    "<<": 11,
    ">>": 11,
    "<": 10,
    ">": 10,
    "<=": 10,
    ">=": 10,
    "==": 9,
    "!=": 9,
    "&": 8,
    "^": 7,
    "|": 6,
    "&&": 5,
    "||": 4,
}
_PREFIX = ("unary_expression", "pointer_expression", "cast_expression", "update_expression")
_POSTFIX = ("subscript_expression", "field_expression", "call_expression")
_LOOSE = ("assignment_expression", "comma_expression")


def operator_level(operator: str) -> int:
    return _BINARY[operator]


def level_of(node: Node) -> int:
    """Return how tightly the node's own text binds."""
    match node.kind:
        case "binary_expression":
            return _BINARY.get(node.operator, ANY)
        case "conditional_expression":
            return CONDITIONAL
        case "number_literal":
            if node.text.startswith(("-", "+")):
                return UNARY
            return PRIMARY
        case kind if kind in _PREFIX:
            return UNARY
        case kind if kind in _LOOSE:
            return ANY
    return PRIMARY


def required_level(node: Node) -> int:
    """Return how tightly text must bind to take the node's place."""
    parent = node.parent
    if parent is None:
        return ANY
    if parent.kind == "binary_expression":
        level = _BINARY.get(parent.operator, PRIMARY)
        if node.field == "left":
            return level
        return level + 1
    if parent.kind == "conditional_expression":
        if node.field == "condition":
            return CONDITIONAL + 1
        return CONDITIONAL
    if parent.kind in _PREFIX:
        return UNARY
    if parent.kind in _POSTFIX and node.field in ("argument", "function"):
        return PRIMARY
    return ANY + 1


def parenthesised(text: str, level: int, required: int) -> str:
    if level >= required:
        return text
    return f"({text})"


def fitted(node: Node, text: str, level: int) -> str:
    """Fit `text`, which binds at `level`, to the node's place."""
    sign_before = node.source[node.start - 1 : node.start]
    if sign_before in ("+", "-") and text.startswith(sign_before):  # a - -b must not become a--b
        return f"({text})"
    return parenthesised(text, level, required_level(node))


def put(node: Node, text: str, level: int) -> Edit[str]:
    """Replace the node by `text`, with any parentheses around the node that it does not need."""
    outer = node.parent
    if outer is not None and outer.kind == "parenthesized_expression" and level >= required_level(outer):
        return put(outer, text, level)
    return replace(node, fitted(node, text, level))
