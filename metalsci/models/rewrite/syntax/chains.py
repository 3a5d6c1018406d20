"""Sums and products of more than two operands, flat."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from metalsci.models.rewrite.syntax.precedence import PRODUCT, SUM, level_of, parenthesised
from metalsci.models.rewrite.syntax.tree import Node

Sign = Literal["+", "-"]


@dataclass(frozen=True)
class Term:
    """An operand of a sum; of a product, with sign `+`."""

    sign: Sign
    node: Node


def sum_terms(node: Node, sign: Sign = "+") -> Iterator[Term]:
    """`a - (b + c)` as +a, -b, -c."""
    node = node.bare
    if node.kind == "binary_expression" and node.operator in ("+", "-"):
        flipped: Sign = "-" if sign == "+" else "+"
        yield from sum_terms(node.part("left"), sign)
        yield from sum_terms(node.part("right"), sign if node.operator == "+" else flipped)
    elif node.kind == "unary_expression" and node.operator == "-":
        yield from sum_terms(node.part("argument"), "-" if sign == "+" else "+")
    else:
        yield Term(sign, node)


def factors(node: Node) -> Iterator[Node]:
    """The operands of a product; only its first may have been in parentheses, for order matters to integers."""
    if node.kind == "binary_expression" and node.operator == "*":
        yield from factors(node.part("left"))
        yield node.part("right")
    else:
        yield node


def spell_sum(terms: list[Term]) -> str:
    text = ""
    for term in terms:
        operand = parenthesised(term.node.text, level_of(term.node), SUM + (term.sign == "-"))
        if text:
            text += f" {term.sign} {operand}"
        else:
            text = operand if term.sign == "+" else f"-{parenthesised(operand, level_of(term.node), PRODUCT)}"
    return text or "0"


def is_whole(node: Node, operators: tuple[str, ...]) -> bool:
    """Whether the node is not itself an operand of a longer chain of the same operators."""
    parent = node.parent
    while parent is not None and parent.kind == "parenthesized_expression":
        parent = parent.parent
    return not (parent is not None and parent.kind == "binary_expression" and parent.operator in operators)
