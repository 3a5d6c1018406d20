"""Loops that count: `for (int k = first; k < limit; k += step)`."""

from collections.abc import Iterator
from dataclasses import dataclass

from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.scopes import FunctionScope, VariableScope
from metalsci.optimizer.syntax.tree import Node

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}
_INTEGERS = ("int", "uint", "short", "ushort")


@dataclass(frozen=True)
class CountedLoop:
    """`first` and `limit` are expressions; the body neither writes the counter nor leaves the loop early."""

    node: Node
    counter: VariableScope
    first: Node
    comparison: str
    limit: Node
    step: int

    @property
    def body(self) -> Node:
        return self.node.part("body")

    @property
    def statements(self) -> list[Node]:
        """The body's children with its comments."""
        if self.body.kind != "compound_statement":
            return [self.body]
        return [child for child in self.body.children if child.is_named]

    def values(self, expressions: Expressions, most: int) -> range | None:
        """Return the counter's values if they are constant and at most so many."""
        first, limit = expressions.constant(self.first), expressions.constant(self.limit)
        if first is None or limit is None or "float" in (first.type, limit.type):
            return None
        start, stop = int(first.value), int(limit.value)
        if self.comparison in ("<=", ">="):
            stop += 1 if self.comparison == "<=" else -1
        values = range(start, stop, self.step)
        upward = self.comparison in ("<", "<=")
        if self.comparison == "!=":
            if 0 < len(values) <= most and (stop - start) % self.step == 0:
                return values
            return None
        if 0 < len(values) <= most and upward == (self.step > 0):
            return values
        return None


def counted_loops(function: FunctionScope, expressions: Expressions) -> Iterator[CountedLoop]:
    for node in function.body.find("for_statement"):
        loop = _recognise(node, function, expressions)
        if loop is not None:
            yield loop


def _recognise(node: Node, function: FunctionScope, expressions: Expressions) -> CountedLoop | None:
    initial, condition, update = (node.child(part) for part in ("initializer", "condition", "update"))
    counters = [variable for variable in function.variables if variable.declaration is initial]
    if initial is None or condition is None or update is None or condition.kind != "binary_expression":
        return None
    if len(counters) != 1 or counters[0].initial is None or counters[0].type not in _INTEGERS:
        return None
    counter, first = counters[0], counters[0].initial
    step = _step(update, counter, expressions)
    comparison, limit = _bound(condition, counter, expressions)
    if not step or limit is None or counter.escapes or len(counter.writes) != 1 or _leaves(node):
        return None
    return CountedLoop(node, counter, first, comparison, limit, step)


def _step(update: Node, counter: VariableScope, expressions: Expressions) -> int:
    """Return the constant step of the update, 0 if there is none."""
    target = update.child("argument") or update.child("left")
    if target is None or expressions.variable(target) is not counter:
        return 0
    match update.operator:
        case "++":
            return 1
        case "--":
            return -1
        case "+=" | "-=" as sign:
            amount = expressions.constant(update.part("right"))
            if amount and amount.type != "float":
                size = int(amount.value)
            else:
                size = 0
            if sign == "+=":
                return size
            return -size
    return 0


def _bound(condition: Node, counter: VariableScope, expressions: Expressions) -> tuple[str, Node | None]:
    left, right = condition.part("left"), condition.part("right")
    if condition.operator not in _MIRRORED:
        return "", None
    if expressions.variable(left.bare) is counter:
        return condition.operator, right
    if expressions.variable(right.bare) is counter:
        return _MIRRORED[condition.operator], left
    return "", None


def _leaves(loop: Node) -> bool:
    """Find a `break` or `continue` of this loop, not of one inside it."""
    for jump in loop.part("body").find("break_statement", "continue_statement"):
        owner = next(n for n in jump.ancestors() if n.kind in ("for_statement", "while_statement", "do_statement"))
        if owner is loop:
            return True
    return False
