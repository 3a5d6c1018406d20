"""Integer remainders and quotients, the slowest arithmetic on any device, by cheaper means."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.chains import spell_sum
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.periodic import WrappedIndex, wrapped_indices
from metalsci.optimizer.syntax.precedence import (
    CONDITIONAL,
    PRIMARY,
    PRODUCT,
    SUM,
    fitted,
    level_of,
    operator_level,
    parenthesised,
    put,
)
from metalsci.optimizer.syntax.regions import LOOPS, Motion, Region, statement_of, statements
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import insert_before, replace
from metalsci.optimizer.syntax.tree import Node

_INTEGERS = ("int", "uint")


@dataclass(frozen=True)
class WrapByComparison:
    """One or two comparisons in place of the remainder: a neighbour's index is at most one period off.

    Assumes 0 <= base < period and an offset of at most a period, which is what such code is written for.
    """

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            change
            for function in source.functions
            for wrapped in wrapped_indices(function.body, source.expressions)
            if (change := _wrap(wrapped, names)) is not None
        ]


def _wrap(wrapped: WrappedIndex, names: Names) -> Change | None:
    n = parenthesised(wrapped.period.text, level_of(wrapped.period), SUM + 1)
    period = wrapped.period.text
    sentence = f"Replaced the remainder modulo `{period}` by a comparison: a neighbour is at most one period off."
    if not wrapped.is_remainder:
        sentence = f"Compared indices with the one end of `{period}` that they can pass."
    if wrapped.base is not None and wrapped.offset == 0:
        sentence = f"Dropped the wrap-around at `{period}` of indices that are inside already."
        text = fitted(wrapped.node, wrapped.base.text, level_of(wrapped.base))
        return Change(sentence, (replace(wrapped.node, text),))
    if wrapped.base is not None and wrapped.offset in (1, -1):
        text = fitted(wrapped.node, _next_door(wrapped, n), CONDITIONAL)
        return Change(sentence, (replace(wrapped.node, text),))
    if wrapped.offset is None and not wrapped.is_remainder:
        return None
    edits = _by_comparison(wrapped, n, names)
    if edits:
        return Change(sentence, edits)
    return None


def _next_door(wrapped: WrappedIndex, n: str) -> str:
    if wrapped.base:
        base = parenthesised(wrapped.base.text, level_of(wrapped.base), SUM)
    else:
        base = ""
    if wrapped.offset == 1:
        return f"{base} + 1 == {n} ? 0 : {base} + 1"
    return f"{base} == 0 ? {n} - 1 : {base} - 1"


def _by_comparison(wrapped: WrappedIndex, n: str, names: Names) -> tuple[Edit[str], ...] | None:
    """Name the index before wrapping in front of the statement, and turn the remainder into a selection."""
    statement = statement_of(wrapped.node)
    if statement is None or statement.kind in (*LOOPS, "if_statement", "ERROR"):
        return None
    is_initial = statement.kind == "declaration" and wrapped.node.parent is not None
    if is_initial and wrapped.node.parent:
        owner = wrapped.node.parent.child("declarator")
    else:
        owner = None
    name = names.fresh(f"{owner.text}_open" if owner is not None and owner.kind == "identifier" else "open_index")
    value, text = _selection(wrapped, n, name)
    declaration = f"const {wrapped.type} {name} = {value};"
    return insert_before(statement, declaration), put(wrapped.node, text, CONDITIONAL)


def _selection(wrapped: WrappedIndex, n: str, name: str) -> tuple[str, str]:
    """Return the value to compare and the selection among its shifts by one period."""
    value = spell_sum(list(wrapped.rest))
    below, above = f"{name} < 0 ? {name} + {n}", f"{name} >= {n} ? {name} - {n}"
    if wrapped.offset is not None and wrapped.offset > 0:
        return value, f"{above} : {name}"
    if wrapped.type == "uint":
        return _unsigned_selection(wrapped, value, n, name)
    if wrapped.offset is not None:
        return value, f"{below} : {name}"
    if wrapped.has_period or any(term.sign == "-" for term in wrapped.rest):
        return value, f"{below} : ({above} : {name})"
    return value, f"{above} : {name}"


def _unsigned_selection(wrapped: WrappedIndex, value: str, n: str, name: str) -> tuple[str, str]:
    """Return the same for unsigned indices: nothing is below zero, so the period stays added and is taken off again."""
    once = f"{name} >= {n} ? {name} - {n} : {name}"
    if not wrapped.has_period:
        return value, once
    if wrapped.offset is None:
        twice = f"{name} - {n} < {n} ? {name} - {n} : {name} - {n} - {n}"
        return f"{value} + {n}", f"{name} < {n} ? {name} : ({twice})"
    return f"{value} + {n}", once


@dataclass(frozen=True)
class PowerOfTwo:
    """Unsigned division and remainder by a literal power of two as shift and mask."""

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            Change("Divided by a power of two with shifts and masks.", (edit,))
            for function in source.functions
            for node in function.body.find("binary_expression")
            if node.operator in ("/", "%") and (edit := self._edit(node, source.expressions))
        ]

    def _edit(self, node: Node, expressions: Expressions) -> Edit[str] | None:
        left, divisor = node.part("left"), expressions.constant(node.part("right"))
        if divisor is None or divisor.type == "float" or expressions.type_of(left) != "uint":
            return None
        value = int(divisor.value)
        if value < 2 or value & (value - 1):
            return None
        if node.operator == "/":
            symbol, amount = (">>", f"{value.bit_length() - 1}u")
        else:
            symbol, amount = ("&", f"{value - 1}u")
        level = operator_level(symbol)
        text = f"{parenthesised(left.text, level_of(left), level)} {symbol} {amount}"
        return put(node, text, level)


@dataclass(frozen=True)
class RemainderFromQuotient:
    """One division if both `a / n` and `a % n` are needed: `a % n` is `a - (a / n) * n`."""

    def changes(self, source: Source) -> Sequence[Change]:
        names, changes = Names(source), list[Change]()
        for function in source.functions:
            divisions = [n for n in function.body.find("binary_expression") if n.operator in ("/", "%")]
            for remainder in (node for node in divisions if node.operator == "%"):
                pair = [node for node in divisions if node.operator == "/" and _same_operands(node, remainder, source)]
                if pair and (change := self._share(pair[0], remainder, source, names)):
                    changes.append(change)
        return changes

    def _share(self, quotient: Node, remainder: Node, source: Source, names: Names) -> Change | None:
        first, last = (statement_of(node) for node in sorted((quotient, remainder), key=lambda n: n.start))
        if first is None or last is None or first.parent is not last.parent or first.parent is None:
            return None
        region = Region(first.parent, first, last)
        if not Motion(source.expressions).is_hoistable(quotient, [quotient], region):
            return None
        kind = source.expressions.type_of(quotient)
        if kind not in _INTEGERS:
            return None
        a, n = quotient.part("left"), quotient.part("right")
        name = names.fresh("quotient")
        left = parenthesised(a.text, level_of(a), SUM)
        right = parenthesised(n.text, level_of(n), PRODUCT + 1)
        sentence = f"Computed `{remainder.text}` from the quotient instead of with a second division."
        return Change(
            sentence,
            (
                insert_before(first, f"const {kind} {name} = {quotient.text};"),
                replace(quotient, name),
                put(remainder, f"{left} - {name} * {right}", SUM),
            ),
        )


def _same_operands(one: Node, other: Node, source: Source) -> bool:
    key = source.expressions.key
    return all(key(one.part(side)) == key(other.part(side)) for side in ("left", "right"))


@dataclass(frozen=True)
class QuotientByReciprocal:
    """`a / n` for unsigned a and a uniform n through a float: exact for quotients of numbers below 2^21."""

    def changes(self, source: Source) -> Sequence[Change]:
        names, changes = Names(source), list[Change]()
        for kernel in source.kernels:
            by_divisor = defaultdict[str, list[Node]](list)
            for node in kernel.body.find("binary_expression"):
                if node.operator == "/" and self._applies(node, source.expressions):
                    by_divisor[node.part("right").bare.text].append(node)
            for divisor, divisions in by_divisor.items():
                changes.append(self._change(divisor, divisions, statements(kernel.body)[0], names))
        return changes

    def _applies(self, node: Node, expressions: Expressions) -> bool:
        divisor = node.part("right").bare
        if divisor.kind == "identifier":
            variable = expressions.variable(divisor)
        else:
            variable = None
        return (
            variable is not None
            and variable.is_uniform
            and variable.type == "uint"
            and expressions.type_of(node.part("left")) == "uint"
            and expressions.is_pure(node.part("left"))
            and not any(part.operator == "/" for part in node.part("left").find("binary_expression"))
        )

    def _change(self, divisor: str, divisions: list[Node], first: Node, names: Names) -> Change:
        inverse = names.fresh(f"inv_{divisor}")
        edits = [insert_before(first, f"const float {inverse} = 1.0f / float({divisor});")]
        for node in divisions:
            text = f"uint((float({node.part('left').bare.text}) + 0.5f) * {inverse})"
            edits.append(put(node, text, PRIMARY))
        sentence = f"Divided by `{divisor}` through a reciprocal in floating point, exact for numbers below 2^21."
        return Change(sentence, tuple(edits))
