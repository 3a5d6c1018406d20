"""Rewrites that are often wrong, and pay when they are not. The evaluator decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax import builtins
from metalsci.optimizer.syntax.regions import statement_of
from metalsci.optimizer.syntax.scopes import Form
from metalsci.optimizer.syntax.source import Source
from metalsci.optimizer.syntax.statement_edits import remove, replace
from metalsci.optimizer.syntax.tree import Node
from metalsci.optimizer.transforms.guards import leading_guard


@dataclass(frozen=True)
class DropGuard:
    """No bounds check: right if the grid is dispatched exactly, an access out of bounds if it is padded."""

    def changes(self, source: Source) -> Sequence[Change]:
        sentence = "Dropped the bounds check, trusting the host to dispatch the exact grid."
        guards = (leading_guard(kernel) for kernel in source.kernels)
        return [Change(sentence, (remove(guard),)) for guard in guards if guard is not None]


@dataclass(frozen=True)
class DropBarrier:
    """One barrier fewer: right if it orders nothing, a race if it does."""

    def changes(self, source: Source) -> Sequence[Change]:
        changes = []
        for function in source.functions:
            for call in function.body.find("call_expression"):
                statement = statement_of(call)
                is_barrier = builtins.called_name(call).endswith("_barrier")
                if is_barrier and statement is not None and statement.named == [call]:
                    changes.append(Change("Dropped a barrier that may order nothing.", (remove(statement),)))
        return changes


@dataclass(frozen=True)
class HalfTemporaries:
    """A `float` temporary as `half`: half the registers, and an error that a tolerance may or may not forgive."""

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            Change(f"Kept `{variable.name}` in half precision.", (replace(variable.declaration.part("type"), "half"),))
            for kernel in source.kernels
            for variable in kernel.variables
            if variable.type == "float" and variable.form is Form.VALUE and not variable.is_parameter
            if variable.declaration.kind == "declaration" and variable.stands_alone and not variable.escapes
            if not any(_is_argument(use) for use in variable.uses)
        ]


def _is_argument(use: Node) -> bool:
    """Recognise an argument of a call, whose overloads take all `half` or all `float`."""
    return any(node.kind == "argument_list" for node in use.ancestors())
