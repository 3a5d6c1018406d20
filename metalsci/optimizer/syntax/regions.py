"""Places at which the value of an expression may be computed once for several uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.tree import Node

LOOPS = ("for_statement", "while_statement", "do_statement")
_CONDITIONAL = (*LOOPS, "if_statement", "conditional_expression")


@dataclass(frozen=True)
class Region:
    """Consecutive statements `first` to `last` of one block."""

    block: Node
    first: Node
    last: Node

    def covers(self, node: Node) -> bool:
        return self.first.start <= node.start and node.end <= self.last.end


def statement_of(node: Node) -> Node | None:
    """Return the statement that holds the node and stands directly in a block."""
    for inner in (node, *node.ancestors()):
        if inner.parent is not None and inner.parent.kind == "compound_statement":
            return inner
    return None


def statements(block: Node) -> list[Node]:
    return [child for child in block.named if not child.kind.startswith("preproc")]


def enclosing_region(uses: Sequence[Node]) -> Region | None:
    """Return the smallest run of statements that holds all uses, in the innermost block that holds them all."""
    first = uses[0]
    for block in first.ancestors():
        if block.kind == "compound_statement" and all(block.contains(use) for use in uses):
            inside = [child for child in block.named if any(child.contains(use) for use in uses)]
            return Region(block, inside[0], inside[-1])
    return None


def outer_region(region: Region) -> Region | None:
    """Return the region of the same uses in the block around this one."""
    return enclosing_region([region.block])


def crosses_loop(region: Region, outer: Region) -> bool:
    """Return True if moving from the inner region to the outer leaves a loop."""
    return any(node.kind in LOOPS for node in region.block.ancestors() if outer.first.contains(node))


class Motion:
    """A test for expressions with one value over a region, which may be computed in front of it."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def is_hoistable(self, expression: Node, uses: Sequence[Node], region: Region) -> bool:
        return (
            self._expressions.is_pure(expression)
            and self._is_declared_before(expression, region)
            and self.is_stable(expression, region)
            and (not self._expressions.may_trap(expression) or self._is_reached(uses[0], region.first))
        )

    def is_stable(self, expression: Node, region: Region) -> bool:
        """Return True if nothing the expression reads changes within the region."""
        for variable in self._expressions.variables(expression):
            if variable.escapes or any(region.covers(write) for write in variable.writes):
                return False
        loads = list(self._expressions.loads(expression))
        return all(map(self._expressions.is_stable_memory, loads)) or not self._writes_memory(region)

    def _writes_memory(self, region: Region) -> bool:
        """Return True if the region stores through a pointer or calls a function that may."""
        inside = [node for node in region.block.walk() if region.covers(node)]
        for node in inside:
            if node.kind == "call_expression" and not self._expressions.is_builtin_call(node):
                return True
            if node.kind in ("assignment_expression", "update_expression"):
                target = node.child("left") or node.part("argument")
                if next(self._expressions.loads(target), None) is not None:
                    return True
        return False

    def _is_declared_before(self, expression: Node, region: Region) -> bool:
        return all(
            variable.declaration.end <= region.first.start for variable in self._expressions.variables(expression)
        )

    def _is_reached(self, use: Node, statement: Node) -> bool:
        """Return True if the use is evaluated whenever its statement is."""
        child = use
        while child is not statement and child.parent is not None:
            node = child.parent
            short_circuit = node.kind == "binary_expression" and node.operator in ("&&", "||")
            if (node.kind in _CONDITIONAL or short_circuit) and child.field not in ("condition", "left"):
                return False
            child = node
        return child is statement
