"""Indices on periodic axes: `(i + 1) % n`, and comparisons in its place."""

from collections.abc import Iterator
from dataclasses import dataclass

from metalsci.optimizer.syntax import builtins
from metalsci.optimizer.syntax.chains import Term, sum_terms
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.scopes import Form
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class WrappedIndex:
    """`node` is `rest` brought back into 0 <= index < `period`.

    `rest` are the terms of the index without the period that keeps a remainder's dividend positive (`has_period`).
    `base` and `offset`: the rest as one term and a literal; None where it is not of that form.
    """

    node: Node
    period: Node
    type: str
    rest: tuple[Term, ...]
    has_period: bool
    offset: int | None
    base: Node | None

    @property
    def is_remainder(self) -> bool:
        return self.node.kind == "binary_expression"


def wrapped_indices(root: Node, expressions: Expressions) -> Iterator[WrappedIndex]:
    for node in root.find("binary_expression", "conditional_expression"):
        wrapped = _remainder(node, expressions) or _selection(node, expressions)
        if wrapped is not None:
            yield wrapped


def _remainder(node: Node, expressions: Expressions) -> WrappedIndex | None:
    """Recognise `(rest + n) % n` or `(a + b) % n`."""
    if node.kind != "binary_expression" or node.operator != "%" or not expressions.is_pure(node):
        return None
    terms, key = list(sum_terms(node.part("left"))), expressions.key(node.part("right"))
    lift = next((term for term in terms if term.sign == "+" and expressions.key(term.node) == key), None)
    rest = tuple(term for term in terms if term is not lift)
    if not rest or (lift is None and len(rest) < 2):
        return None
    return _wrapped(node, node.part("right"), rest, lift is not None, expressions)


def _selection(node: Node, expressions: Expressions) -> WrappedIndex | None:
    """Recognise `x < 0 ? x + n : (x >= n ? x - n : x)`, with x a sum or a variable that holds one."""
    if node.kind != "conditional_expression" or not expressions.is_pure(node):
        return None
    inner = node.part("alternative").bare
    if inner.kind != "conditional_expression":
        return None
    below, above = node.part("condition").bare, inner.part("condition").bare
    if (below.kind, above.kind) != ("binary_expression",) * 2 or (below.operator, above.operator) != ("<", ">="):
        return None
    zero, index, period = expressions.constant(below.part("right")), below.part("left"), above.part("right")
    same = {expressions.key(part) for part in (index, above.part("left"), inner.part("alternative"))}
    if zero is None or zero.value != 0 or len(same) != 1:
        return None
    shifted = ((node.part("consequence"), "+"), (inner.part("consequence"), "-"))
    if not all(_is_shift(part, index, sign, period, expressions) for part, sign in shifted):
        return None
    definition = _definition(index, expressions)
    if definition:
        return _wrapped(node, period, tuple(sum_terms(definition)), True, expressions)
    return None


def _is_shift(node: Node, index: Node, sign: str, period: Node, expressions: Expressions) -> bool:
    node = node.bare
    if node.kind != "binary_expression" or node.operator != sign:
        return False
    return (expressions.key(node.part("left")), expressions.key(node.part("right"))) == (
        expressions.key(index),
        expressions.key(period),
    )


def _definition(index: Node, expressions: Expressions) -> Node | None:
    """Return the sum that a variable holds, None if its terms may have changed since; else the index itself."""
    variable = expressions.variable(index.bare)
    if variable is not None and variable.initial is not None:
        initial = variable.initial.bare
    else:
        initial = None
    if variable is None or initial is None or initial.kind != "binary_expression":
        return index
    lasting = variable.is_fixed and expressions.is_pure(initial)
    lasting = lasting and all(v.is_fixed for v in expressions.variables(initial))
    if lasting and next(expressions.loads(initial), None) is None:
        return initial
    return None


def _wrapped(
    node: Node, period: Node, rest: tuple[Term, ...], has_period: bool, expressions: Expressions
) -> WrappedIndex | None:
    kind = expressions.type_of(node)
    if kind not in ("int", "uint") or expressions.constant(period) or not all(map(_is_index_like, rest)):
        return None
    values = [expressions.constant(term.node) for term in rest]
    open_terms = [term for term, value in zip(rest, values, strict=True) if value is None]
    if not 1 <= sum(term.sign == "+" for term in open_terms) <= 2:
        return None
    alone = len(open_terms) == 1
    known = sum(int(v.value) * (1 if t.sign == "+" else -1) for t, v in zip(rest, values, strict=True) if v)
    if alone and known == 0 and not _is_position(open_terms[0].node, expressions):
        return None  # (d + n) % n of any d is no neighbour
    return WrappedIndex(
        node=node,
        period=period,
        type=kind,
        rest=rest,
        has_period=has_period,
        offset=known if alone else None,
        base=open_terms[0].node if alone else None,
    )


def _is_index_like(term: Term) -> bool:
    """Return True for a name, a literal, an entry of a table or a conversion of such.

    A hash or a linear index is no wrap-around.
    """
    return not any(part.kind in ("binary_expression", "conditional_expression") for part in term.node.walk())


def _is_position(node: Node, expressions: Expressions) -> bool:
    """Recognise a thread's position, or a variable that holds one: inside the grid, so inside the axis."""
    node = node.bare
    if node.kind == "call_expression" and builtins.called_name(node) in ("int", "uint"):
        return _is_position(builtins.arguments(node)[0], expressions)
    if node.kind == "field_expression":
        return _is_position(node.part("argument"), expressions)
    variable = expressions.variable(node)
    if variable is None or not variable.is_fixed:
        return False
    if variable.is_parameter:
        return variable.form is Form.VALUE
    return variable.initial is not None and _is_position(variable.initial, expressions)
