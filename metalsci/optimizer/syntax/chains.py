"""Sums and products of several operands, flat."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.syntax.precedence import PRIMARY, PRODUCT, SUM, UNARY, level_of, parenthesised, put
from metalsci.optimizer.syntax.tree import Node

Sign = Literal["+", "-"]


@dataclass(frozen=True)
class Term:
    """An operand of a sum; a factor of a product has sign `+`."""

    sign: Sign
    node: Node


@dataclass(frozen=True)
class Chain:
    """`a - (b + c)` or `a * b * c` with its operands, if it is no operand of a longer chain itself."""

    node: Node
    terms: tuple[Term, ...]

    @property
    def is_product(self) -> bool:
        return self.node.operator == "*"

    def spell(self, terms: Sequence[Term]) -> str:
        if self.is_product:
            return _spell_product(terms)
        return spell_sum(terms)

    def with_name(self, name: str, parts: Collection[Term]) -> Edit[str]:
        """Replace some of the chain's operands by `name`."""
        rest = [term for term in self.terms if term not in parts]
        if not rest:
            return put(self.node, name, PRIMARY)
        if self.is_product:
            return put(self.node, f"{_spell_product(rest)} * {name}", PRODUCT)
        if all(term.sign == "-" for term in rest):
            return put(self.node, spell_sum(rest, after=name), SUM)
        return put(self.node, f"{spell_sum(rest)} + {name}", SUM)


def chains(root: Node) -> Iterator[Chain]:
    """Yield every whole sum and product, outer before inner."""
    for node in root.find("binary_expression"):
        chain = chain_at(node)
        if chain is not None:
            yield chain


def chain_at(node: Node) -> Chain | None:
    if node.kind != "binary_expression":
        return None
    if node.operator == "*" and _is_whole(node, ("*",)):
        return Chain(node, tuple(Term("+", factor) for factor in factors(node)))
    if node.operator in ("+", "-") and _is_whole(node, ("+", "-")):
        return Chain(node, tuple(sum_terms(node)))
    return None


def sum_terms(node: Node, sign: Sign = "+") -> Iterator[Term]:
    """Yield `a - (b + c)` as +a, -b, -c."""
    node = node.bare
    if node.kind == "binary_expression" and node.operator in ("+", "-"):
        yield from sum_terms(node.part("left"), sign)
        yield from sum_terms(node.part("right"), sign if node.operator == "+" else _flipped(sign))
    elif node.kind == "unary_expression" and node.operator == "-":
        yield from sum_terms(node.part("argument"), _flipped(sign))
    else:
        yield Term(sign, node)


def _flipped(sign: Sign) -> Sign:
    if sign == "+":
        return "-"
    return "+"


def factors(node: Node) -> Iterator[Node]:
    """Yield `a * b * (c * d)` as a, b and the rest: factors in parentheses were meant to stay together."""
    if node.kind == "binary_expression" and node.operator == "*":
        yield from factors(node.part("left"))
        yield node.part("right")
    else:
        yield node


def spell_sum(terms: Sequence[Term], after: str = "") -> str:
    """Spell the terms, behind the text `after`."""
    text = after
    for term in terms:
        operand = parenthesised(term.node.text, level_of(term.node), SUM + (term.sign == "-"))
        if text:
            text += f" {term.sign} {operand}"
        else:
            if term.sign == "+":
                text = operand
            else:
                text = negated(term.node)
    return text or "0"


def negated(node: Node) -> str:
    """Spell the node with the other sign, binding at least as tightly as a product."""
    node = node.bare
    if node.text.startswith("-") and level_of(node) == UNARY:
        return node.text[1:].lstrip()
    return f"-{parenthesised(node.text, level_of(node), PRODUCT)}"


def _spell_product(terms: Sequence[Term]) -> str:
    levels = [PRODUCT, *(PRODUCT + 1 for _ in terms[1:])]
    operands = (parenthesised(t.node.text, level_of(t.node), level) for t, level in zip(terms, levels, strict=True))
    return " * ".join(operands)


def _is_whole(node: Node, operators: tuple[str, ...]) -> bool:
    parent = node.parent
    while parent is not None and parent.kind == "parenthesized_expression":
        parent = parent.parent
    return not (parent is not None and parent.kind == "binary_expression" and parent.operator in operators)
