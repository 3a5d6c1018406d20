"""Names that only repeat another name or a literal, and declarations that nothing uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.precedence import level_of, put
from metalsci.optimizer.syntax.regions import Motion, enclosing_region
from metalsci.optimizer.syntax.scopes import Form, FunctionScope, VariableScope
from metalsci.optimizer.syntax.source import Source
from metalsci.optimizer.syntax.statement_edits import remove
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class PropagateCopies:
    """`x` in place of `y` after `const int y = x`, and literals likewise."""

    def changes(self, source: Source) -> Sequence[Change]:
        copies = [
            variable
            for function in source.functions
            for variable in function.variables
            if variable.name not in source.macro_words and _is_copy(variable, function, source.expressions)
        ]
        edits = list[Edit[str]]()
        for variable in copies:
            if variable.initial is None or source.expressions.variable(variable.initial) in copies:
                continue
            text, level = variable.initial.text, level_of(variable.initial)
            edits += [put(use, text, level) for use in variable.uses]
            edits.append(remove(variable.declaration))
        if edits:
            return [Change("Read variables directly instead of through copies of them.", tuple(edits))]
        return []


def _is_copy(variable: VariableScope, function: FunctionScope, expressions: Expressions) -> bool:
    initial = variable.initial
    if initial is None or variable.form is not Form.VALUE or not variable.is_fixed or not variable.stands_alone:
        return False
    if variable.block.kind != "compound_statement" or not variable.uses:
        return False
    if initial.kind not in ("identifier", "number_literal") or expressions.type_of(initial) != variable.type:
        return False
    if sum(other.name == initial.text for other in function.variables) > 1:
        return False  # at the place of reading, the name may mean another variable
    region = enclosing_region([variable.declaration, *variable.uses])
    return region is not None and Motion(expressions).is_stable(initial, region)


@dataclass(frozen=True)
class RemoveUnused:
    """Drop tables and local variables that nothing reads."""

    def changes(self, source: Source) -> Sequence[Change]:
        local = [variable for function in source.functions for variable in function.variables]
        unused = [
            variable
            for variable in (*source.scopes.constants, *local)
            if not variable.uses and variable.name not in source.macro_words
            if _is_removable(variable, source)
        ]
        sentence = "Removed declarations that nothing uses any more."
        if unused:
            return [Change(sentence, tuple(remove(v.declaration) for v in unused))]
        return []


def _is_removable(variable: VariableScope, source: Source) -> bool:
    if variable.declaration.kind != "declaration" or not variable.stands_alone:
        return False
    if variable.block.kind not in ("compound_statement", "translation_unit"):
        return False
    # A name that only a broken function or an unresolved template uses is still in the text.
    if source.text.count(variable.name) > 1 and _mentions(source.root, variable) > 1:
        return False
    initial = variable.initial
    return initial is None or initial.kind == "initializer_list" or source.expressions.is_pure(initial)


def _mentions(root: Node, variable: VariableScope) -> int:
    return sum(node.text == variable.name for node in root.walk() if not node.children)
