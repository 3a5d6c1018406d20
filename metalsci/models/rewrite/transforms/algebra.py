"""Floating-point sums and products rearranged. The last bits may change, as Metal's fast math allows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.models.rewrite.change import Change
from metalsci.models.rewrite.syntax.chains import Term, factors, is_whole, spell_sum, sum_terms
from metalsci.models.rewrite.syntax.edits import Edit, replace
from metalsci.models.rewrite.syntax.expressions import Expressions, Key
from metalsci.models.rewrite.syntax.precedence import (
    PRIMARY,
    PRODUCT,
    SUM,
    UNARY,
    level_of,
    parenthesised,
    put,
)
from metalsci.models.rewrite.syntax.source import Source
from metalsci.models.rewrite.syntax.tree import Node


def _float_sums(source: Source) -> list[Node]:
    """Whole sums of pure floats."""
    return [
        node
        for function in source.functions
        for node in function.body.find("binary_expression")
        if node.operator in ("+", "-") and is_whole(node, ("+", "-"))
        if source.expressions.type_of(node) == "float" and source.expressions.is_pure(node)
    ]


def _outermost(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    return tuple(e for e in edits if not any(o is not e and o.start <= e.start and e.end <= o.end for o in edits))


@dataclass(frozen=True)
class ContractToFma:
    """`a * b + c` as `fma(a, b, c)`: one instruction, one rounding."""

    def changes(self, source: Source) -> Sequence[Change]:
        edits = [edit for node in _float_sums(source) if (edit := self._edit(node, source.expressions))]
        edits += self._updates(source)
        sentence = "Contracted products and sums to fused multiply-adds."
        return [Change(sentence, _outermost(edits))] if edits else []

    def _edit(self, node: Node, expressions: Expressions) -> Edit | None:
        text = _contracted(list(sum_terms(node)), expressions)
        return put(node, text, PRIMARY) if text else None

    def _updates(self, source: Source) -> list[Edit]:
        """`x += a * b` as `x = fma(a, b, x)`."""
        edits = []
        for function in source.functions:
            for node in function.body.find("assignment_expression"):
                left, right = node.part("left"), node.part("right")
                floats = all(source.expressions.type_of(side) == "float" for side in (left, right))
                if node.operator not in ("+=", "-=") or not floats or not source.expressions.is_pure(right):
                    continue
                terms = list(sum_terms(right, "+" if node.operator == "+=" else "-"))
                text = _contracted([Term("+", left), *terms], source.expressions)
                if text and source.expressions.is_pure(left):
                    edits.append(replace(node, f"{left.text} = {text}"))
        return edits


def _contracted(terms: list[Term], expressions: Expressions) -> str | None:
    """Nested `fma`s around the terms that are no products; None without a product to contract."""
    products = [term for term in terms if _is_float_product(term.node, expressions)]
    addends = [term for term in terms if term not in products]
    if not products or len(terms) < 2:
        return None
    if not addends:
        addends, products = products[:1], products[1:]
    text = spell_sum(addends)
    for term in products:
        left, right = term.node.part("left"), term.node.part("right")
        first = parenthesised(left.text, level_of(left), UNARY) if term.sign == "-" else left.bare.text
        sign = "-" if term.sign == "-" else ""
        text = f"fma({sign}{first}, {right.bare.text}, {text})"
    return text


def _is_float_product(node: Node, expressions: Expressions) -> bool:
    if node.kind != "binary_expression" or node.operator != "*":
        return False
    return all(expressions.type_of(node.part(side)) == "float" for side in ("left", "right"))


@dataclass(frozen=True)
class FactorOut:
    """`a*x + b*x` as `(a + b) * x`: one multiplication less."""

    def changes(self, source: Source) -> Sequence[Change]:
        edits = [edit for node in _float_sums(source) if (edit := self._edit(node, source.expressions))]
        return [Change("Factored sums of products.", _outermost(edits))] if edits else []

    def _edit(self, node: Node, expressions: Expressions) -> Edit | None:
        terms = list(sum_terms(node))
        counts = Counter[Key]()
        by_key = dict[Key, Node]()
        for term in terms:
            for factor in {expressions.key(factor): factor for factor in factors(term.node)}.values():
                if expressions.constant(factor) is None and factor.kind == "identifier":
                    counts[expressions.key(factor)] += 1
                    by_key[expressions.key(factor)] = factor
        key, count = counts.most_common(1)[0] if counts else ((), 0)
        if count < 2:
            return None
        sharing = [t for t in terms if any(expressions.key(factor) == key for factor in factors(t.node))]
        others = [term for term in terms if term not in sharing]
        inner = _spelled([(term.sign, _without_factor(term.node, key, expressions)) for term in sharing])
        product = f"{by_key[key].text} * ({inner})"
        text = f"{spell_sum(others)} + {product}" if others else product
        return put(node, text, SUM if others else PRODUCT)


def _without_factor(product: Node, key: Key, expressions: Expressions) -> str:
    rest = list(factors(product))
    rest.remove(next(factor for factor in rest if expressions.key(factor) == key))
    return " * ".join(parenthesised(f.text, level_of(f), PRODUCT + 1) for f in rest) or "1.0f"


def _spelled(terms: Sequence[tuple[str, str]]) -> str:
    (sign, first), *others = terms
    return ("-" if sign == "-" else "") + first + "".join(f" {sign} {text}" for sign, text in others)


@dataclass(frozen=True)
class PairwiseSum:
    """A long sum as a tree: half the additions no longer wait for one another."""

    least: int = 6

    def changes(self, source: Source) -> Sequence[Change]:
        edits = []
        for node in _float_sums(source):
            terms = list(sum_terms(node))
            plain = node.text.count("(") == sum(term.node.text.count("(") for term in terms)
            if len(terms) >= self.least and plain:
                edits.append(put(node, _tree(terms), SUM))
        sentence = "Summed pairwise, so that the additions depend less on one another."
        return [Change(sentence, _outermost(edits))] if edits else []


def _tree(terms: list[Term]) -> str:
    """Terms with a plus first, for a pair to begin with one where it can."""
    ordered = [term for term in terms if term.sign == "+"] + [term for term in terms if term.sign == "-"]
    positive, negative = (_balanced([t for t in ordered if t.sign == sign]) for sign in ("+", "-"))
    if not negative:
        return positive
    return f"({positive}) - ({negative})" if positive else f"-({negative})"


def _balanced(terms: list[Term]) -> str:
    if len(terms) <= 2:
        return " + ".join(parenthesised(term.node.text, level_of(term.node), SUM) for term in terms)
    half = (len(terms) + 1) // 2
    first, second = _balanced(terms[:half]), _balanced(terms[half:])
    return f"({first}) + ({second})" if len(terms) > 3 else f"({first}) + {second}"
