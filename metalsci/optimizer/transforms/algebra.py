"""Floating-point sums and products rearranged. The last bits may change, as Metal's fast math allows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.chains import Chain, Term, chains, factors, negated, spell_sum, sum_terms
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.precedence import (
    PRIMARY,
    PRODUCT,
    SUM,
    level_of,
    parenthesised,
    put,
)
from metalsci.optimizer.syntax.source import Source
from metalsci.optimizer.syntax.statement_edits import replace
from metalsci.optimizer.syntax.tree import Node


def _float_sums(source: Source) -> list[Chain]:
    """Return whole sums of pure floats."""
    return [
        chain
        for function in source.functions
        for chain in chains(function.body)
        if not chain.is_product and source.expressions.type_of(chain.node) == "float"
        if source.expressions.is_pure(chain.node)
    ]


def _outermost(edits: Sequence[Edit[str]]) -> tuple[Edit[str], ...]:
    return tuple(e for e in edits if not any(o is not e and o.start <= e.start and e.end <= o.end for o in edits))


@dataclass(frozen=True)
class ContractToFma:
    """`a * b + c` as `fma(a, b, c)`: one instruction, one rounding."""

    def changes(self, source: Source) -> Sequence[Change]:
        edits = [
            put(chain.node, text, PRIMARY)
            for chain in _float_sums(source)
            if (text := _contracted(chain.terms, source.expressions))
        ]
        edits += self._updates(source)
        sentence = "Contracted products and sums to fused multiply-adds."
        if edits:
            return [Change(sentence, _outermost(edits))]
        return []

    def _updates(self, source: Source) -> Iterator[Edit[str]]:
        """Yield edits of `x += a * b` to `x = fma(a, b, x)`."""
        expressions = source.expressions
        for function in source.functions:
            for node in function.body.find("assignment_expression"):
                sides = left, right = node.part("left"), node.part("right")
                floats = all(expressions.type_of(side) == "float" and expressions.is_pure(side) for side in sides)
                if node.operator in ("+=", "-=") and floats:
                    terms = sum_terms(right, "+" if node.operator == "+=" else "-")
                    text = _contracted((Term("+", left), *terms), expressions)
                    if text:
                        yield replace(node, f"{left.text} = {text}")


def _contracted(terms: Sequence[Term], expressions: Expressions) -> str | None:
    """Nest `fma`s around the terms that are no products; None without a product to contract."""
    products = [term for term in terms if _is_float_product(term.node, expressions)]
    addends = [term for term in terms if term not in products]
    if not products or len(terms) < 2 or not all(expressions.type_of(term.node) == "float" for term in terms):
        return None
    if not addends:
        addends, products = products[:1], products[1:]
    text = spell_sum(addends)
    for term in products:
        left, right = term.node.part("left"), term.node.part("right")
        text = f"fma({negated(left) if term.sign == '-' else left.bare.text}, {right.bare.text}, {text})"
    return text


def _is_float_product(node: Node, expressions: Expressions) -> bool:
    if node.kind != "binary_expression" or node.operator != "*":
        return False
    return all(expressions.type_of(node.part(side)) == "float" for side in ("left", "right"))


@dataclass(frozen=True)
class FactorOut:
    """`a*x + b*x` as `x * (a + b)`: one multiplication fewer."""

    def changes(self, source: Source) -> Sequence[Change]:
        edits = [edit for chain in _float_sums(source) if (edit := self._edit(chain, source.expressions))]
        if edits:
            return [Change("Factored sums of products.", _outermost(edits))]
        return []

    def _edit(self, chain: Chain, expressions: Expressions) -> Edit[str] | None:
        counts = Counter(variable for term in chain.terms for variable in _factor_names(term, expressions))
        if counts:
            name, count = counts.most_common(1)[0]
        else:
            name, count = ("", 0)
        if count < 2:
            return None
        sharing = [term for term in chain.terms if name in _factor_names(term, expressions)]
        others = [term for term in chain.terms if term not in sharing]
        first, *more = (f" {term.sign} {_without(name, term.node)}" for term in sharing)
        product = f"{name} * ({first.removeprefix(' + ').replace(' - ', '-', 1)}{''.join(more)})"
        if not others:
            return put(chain.node, product, PRODUCT)
        return put(chain.node, f"{spell_sum(others)} + {product}", SUM)


def _factor_names(term: Term, expressions: Expressions) -> list[str]:
    """Return the variables among a term's factors, each once."""
    plain = (factor for factor in factors(term.node) if factor.kind == "identifier" and expressions.variable(factor))
    return list(dict.fromkeys(factor.text for factor in plain if expressions.constant(factor) is None))


def _without(name: str, product: Node) -> str:
    """Spell the other factors, with one occurrence of the name removed."""
    rest = list(factors(product))
    rest.remove(next(factor for factor in rest if factor.text == name))
    return " * ".join(parenthesised(factor.text, level_of(factor), PRODUCT + 1) for factor in rest) or "1.0f"


@dataclass(frozen=True)
class PairwiseSum:
    """A long sum as a tree: half the additions no longer wait for one another."""

    least: int = 6

    def changes(self, source: Source) -> Sequence[Change]:
        edits = [
            put(chain.node, _tree(chain.terms), SUM)
            for chain in _float_sums(source)
            if len(chain.terms) >= self.least and not _is_grouped(chain)
        ]
        sentence = "Summed pairwise, so that the additions depend less on one another."
        if edits:
            return [Change(sentence, _outermost(edits))]
        return []


def _is_grouped(chain: Chain) -> bool:
    """Return True if parentheses make a tree of the sum already."""
    return chain.node.text.count("(") > sum(term.node.text.count("(") for term in chain.terms)


def _tree(terms: Sequence[Term]) -> str:
    """Spell the added and the subtracted terms, each as a tree."""
    plus, minus = (_balanced([term.node for term in terms if term.sign == sign]) for sign in ("+", "-"))
    if not minus:
        return plus
    if plus:
        return f"({plus}) - ({minus})"
    return f"-({minus})"


def _balanced(operands: Sequence[Node]) -> str:
    if len(operands) <= 2:
        return " + ".join(parenthesised(operand.text, level_of(operand), SUM) for operand in operands)
    half = (len(operands) + 1) // 2
    first, second = _balanced(operands[:half]), _balanced(operands[half:])
    if len(operands) > 3:
        return f"({first}) + ({second})"
    return f"({first}) + {second}"
