"""The shapes of control flow around a kernel's work: early return, guarded body, else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.precedence import CONDITIONAL, PRIMARY, level_of, parenthesised
from metalsci.optimizer.syntax.regions import statements
from metalsci.optimizer.syntax.scopes import FunctionScope
from metalsci.optimizer.syntax.source import Source
from metalsci.optimizer.syntax.statement_edits import indent_of, reindent, remove, replace
from metalsci.optimizer.syntax.tree import Node

_NEGATED = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "==", "||": "&&", "&&": "||"}
_STEP = "    "


def negated(condition: Node) -> str:
    """Spell `!(a < b || c)` with the negation pushed down to the comparisons."""
    condition = condition.bare
    if condition.kind == "binary_expression" and condition.operator in ("||", "&&"):
        symbol = _NEGATED[condition.operator]
        sides = []
        for side in (condition.part("left"), condition.part("right")):
            inner = side.bare
            mixed = inner.kind == "binary_expression" and inner.operator in ("||", "&&")
            keeps = mixed and inner.operator == condition.operator
            sides.append(f"({negated(side)})" if mixed and not keeps else negated(side))
        return f" {symbol} ".join(sides)
    if condition.kind == "binary_expression" and condition.operator in _NEGATED:
        left, right = condition.part("left").text, condition.part("right").text
        return f"{left} {_NEGATED[condition.operator]} {right}"
    if condition.kind == "unary_expression" and condition.operator == "!":
        return condition.part("argument").bare.text
    return f"!{parenthesised(condition.text, level_of(condition), PRIMARY)}"


def leading_guard(function: FunctionScope) -> Node | None:
    """Return the first `if (...) return;` of the body."""
    return next((statement for statement in statements(function.body) if returns_only(statement)), None)


def returns_only(statement: Node) -> bool:
    if statement.kind != "if_statement" or statement.child("alternative") is not None:
        return False
    taken = statement.part("consequence")
    if taken.kind == "compound_statement":
        inner = statements(taken)
    else:
        inner = [taken]
    return len(inner) == 1 and inner[0].kind == "return_statement" and not inner[0].named


def condition_of(statement: Node) -> Node | None:
    return statement.part("condition").child("value")


@dataclass(frozen=True)
class GuardedBody:
    """`if (outside) return; work` as `if (inside) { work }`."""

    def changes(self, source: Source) -> Sequence[Change]:
        return [change for kernel in source.kernels if (change := self._guard(kernel)) is not None]

    def _guard(self, kernel: FunctionScope) -> Change | None:
        guard = leading_guard(kernel)
        condition = condition_of(guard) if guard else None
        if guard is None or condition is None or condition.kind == "declaration":
            return None
        end = kernel.body.end - 1
        rest = kernel.body.source[guard.end : end].strip()
        if not rest or any(
            s.end > guard.end and s.kind == "declaration" and _is_threadgroup(s) for s in kernel.body.named
        ):
            return None
        indent = indent_of(guard)
        lines = f"if ({negated(condition)}) {{\n{indent}{_STEP}{reindent(rest, indent + _STEP)}\n{indent}}}\n"
        sentence = "Put the body under the bounds check instead of returning early."
        return Change(sentence, (Edit(guard.start, end, lines + indent_of(kernel.node)),))


def _is_threadgroup(declaration: Node) -> bool:
    return declaration.source.startswith("threadgroup", declaration.start)


@dataclass(frozen=True)
class EarlyReturn:
    """`if (inside) { work }` at the end of a kernel as `if (outside) return; work`."""

    def changes(self, source: Source) -> Sequence[Change]:
        return [change for kernel in source.kernels if (change := self._return(kernel)) is not None]

    def _return(self, kernel: FunctionScope) -> Change | None:
        if statements(kernel.body):
            last = statements(kernel.body)[-1]
        else:
            last = None
        if last is None or last.kind != "if_statement" or last.child("alternative") is not None:
            return None
        body, condition = last.part("consequence"), condition_of(last)
        if body.kind != "compound_statement" or condition is None or condition.kind == "declaration":
            return None
        inner = body.source[body.start + 1 : body.end - 1].strip()
        if not inner or returns_only(last):
            return None
        indent = indent_of(last)
        text = f"if ({negated(condition)}) return;\n{indent}{reindent(inner, indent)}"
        return Change("Returned early if there is nothing to do, and unindented the rest.", (replace(last, text),))


@dataclass(frozen=True)
class ReturnToElse:
    """`if (edge) { ...; return; } rest` as `if (edge) { ... } else { rest }`: one exit."""

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            self._join(kernel, statement, jump)
            for kernel in source.kernels
            for statement, jump in list(_branches_that_return(kernel))[:1]
        ]

    def _join(self, kernel: FunctionScope, statement: Node, jump: Node) -> Change:
        taken, end = statement.part("consequence"), kernel.body.end - 1
        rest = kernel.body.source[statement.end : end].strip()
        indent = indent_of(statement)
        tail = f" else {{\n{indent}{_STEP}{reindent(rest, indent + _STEP)}\n{indent}}}\n{indent_of(kernel.node)}"
        sentence = "Joined the two ways out of the kernel with an `else`."
        return Change(sentence, (remove(jump), Edit(taken.end, end, tail)))


def _branches_that_return(kernel: FunctionScope) -> Iterator[tuple[Node, Node]]:
    """Yield `if` statements of the body that do something and return, with their last `return`."""
    body = statements(kernel.body)
    for statement in body[:-1]:
        if statement.kind == "if_statement" and statement.child("alternative") is None:
            taken = statement.part("consequence")
            if taken.kind == "compound_statement":
                inner = statements(taken)
            else:
                inner = []
            if len(inner) > 1 and inner[-1].kind == "return_statement" and not inner[-1].named:
                yield statement, inner[-1]


@dataclass(frozen=True)
class SelectStore:
    """Two branches that store to one place, as one store of a selected value: no divergence, one write.

    The values of both branches are computed, so neither may load from memory.
    """

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            Change("Selected the value to store instead of branching.", (edit,))
            for function in source.functions
            for statement in function.body.find("if_statement")
            if (edit := self._edit(statement, source)) is not None
        ]

    def _edit(self, statement: Node, source: Source) -> Edit[str] | None:
        taken, other = statement.part("consequence"), statement.child("alternative")
        condition = condition_of(statement)
        one, another = _lone_assignment(taken), _lone_assignment(other.named[0] if other else None)
        if condition is None or condition.kind == "declaration" or one is None or another is None:
            return None
        (target, value), (other_target, other_value) = one, another
        expressions = source.expressions
        if expressions.key(target) != expressions.key(other_target) or not expressions.is_pure(target):
            return None
        if any(not expressions.is_pure(v) or expressions.may_trap(v) for v in (value, other_value)):
            return None
        choice = " : ".join(parenthesised(v.text, level_of(v), CONDITIONAL + 1) for v in (value, other_value))
        test = parenthesised(condition.text, level_of(condition), CONDITIONAL + 1)
        return replace(statement, f"{target.text} = {test} ? {choice};")


def _lone_assignment(statement: Node | None) -> tuple[Node, Node] | None:
    if statement is not None and statement.kind == "compound_statement":
        inner = statements(statement)
        statement = inner[0] if len(inner) == 1 else None
    if statement is None or statement.kind != "expression_statement" or not statement.named:
        return None
    assignment = statement.named[0]
    if assignment.kind != "assignment_expression" or assignment.operator != "=":
        return None
    return assignment.part("left"), assignment.part("right")
