"""Small local arrays as scalars, and sums built up statement by statement as one expression."""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.precedence import SUM, level_of, parenthesised
from metalsci.optimizer.syntax.regions import Motion, Region, statement_of, statements
from metalsci.optimizer.syntax.scopes import Form, FunctionScope, VariableScope
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import remove, replace
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class ScalarReplacement:
    """`f[3]` as `f3` if every index of the array is a constant: registers need no address.

    An element that is written once, in the block of the array's declaration, is declared there, as a `const`.
    """

    most_elements: int = 64

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            change
            for function in source.functions
            for variable in function.variables
            if variable.name not in source.macro_words
            if (change := self._replace(source, variable, names)) is not None
        ]

    def _replace(self, source: Source, array: VariableScope, names: Names) -> Change | None:
        if not array.is_local_array or not array.stands_alone or array.escapes or array.length is None:
            return None
        length = source.expressions.constant(array.length)
        if length is None or not 0 < length.value <= self.most_elements or not array.uses:
            return None
        indices = [_element(use, source.expressions) for use in array.uses]
        if any(index is None or index not in range(int(length.value)) for index in indices):
            return None
        joint = "_" if array.name[-1].isdigit() else ""
        scalars = {index: names.fresh(f"{array.name}{joint}{index}") for index in range(int(length.value))}
        initials = _initial_texts(array, int(length.value))
        if initials is None:
            return None
        edits, declared_later = list[Edit[str]](), set[int]()
        for index, name in scalars.items():
            uses = [use for use, at in zip(array.uses, indices, strict=True) if at == index]
            if not initials:
                first = _defining_statement(array, uses)
            else:
                first = None
            if first is not None:
                edits.append(Edit(first.start, first.start, f"const {array.type} "))
                declared_later.add(index)
            edits += [replace(use.parent, name) for use in uses if use.parent]
        edits.append(_declaration(array, scalars, initials, declared_later))
        last = int(length.value) - 1
        sentence = f"Replaced the array `{array.name}` by scalars `{scalars[0]}` to `{scalars[last]}`."
        return Change(sentence, tuple(edits))


def _declaration(array: VariableScope, scalars: dict[int, str], initials: list[str], later: set[int]) -> Edit[str]:
    left = [index for index in scalars if index not in later]
    if not left:
        return remove(array.declaration)
    parts = [f"{scalars[i]} = {initials[i]}" if initials else scalars[i] for i in left]
    const = "const " if "const" in array.qualifiers else ""
    return replace(array.declaration, f"{const}{array.type} {', '.join(parts)};")


def _element(use: Node, expressions: Expressions) -> int | None:
    subscript = use.parent
    if subscript is None or subscript.kind != "subscript_expression" or use.field != "argument":
        return None
    indices = subscript.part("indices").named
    if len(indices) == 1:
        index = expressions.constant(indices[0])
    else:
        index = None
    if index and index.type != "float":
        return int(index.value)
    return None


def _initial_texts(array: VariableScope, length: int) -> list[str] | None:
    """Return one initialiser an element, none at all if the array has none; None if they cannot be told apart."""
    if array.initial is None:
        return []
    if array.initial.kind != "initializer_list" or any(e.kind == "initializer_list" for e in array.initial.named):
        return None
    given = [element.text for element in array.initial.named]
    if len(given) <= length:
        return given + ["0"] * (length - len(given))
    return None


def _defining_statement(array: VariableScope, uses: Sequence[Node]) -> Node | None:
    """Find the assignment that may become the declaration: the only one, before all reads, in the array's block."""
    written = [use for use in uses if use in array.writes]
    if len(written) != 1 or written[0] is not uses[0]:
        return None
    statement = statement_of(written[0])
    if statement is None or statement.parent is not array.block or statement.kind != "expression_statement":
        return None
    assignment = statement.named[0]
    is_plain = assignment.kind == "assignment_expression" and assignment.operator == "="
    target = assignment.child("left")
    if is_plain and target is written[0].parent:
        return statement
    return None


@dataclass(frozen=True)
class MergeAccumulation:
    """`float s = 0; s += a; s += b;` as `float s = a + b;`, declared after the last term's value is known."""

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            change
            for function in source.functions
            for variable in function.variables
            if (change := self._merge(source, function, variable)) is not None
        ]

    def _merge(self, source: Source, function: FunctionScope, variable: VariableScope) -> Change | None:
        if variable.form is not Form.VALUE or variable.escapes or not variable.stands_alone or not variable.initial:
            return None
        block = variable.block
        if block.kind != "compound_statement" or variable.declaration.kind != "declaration":
            return None
        updates = _updates(variable, source.expressions)
        if len(updates) < 2:
            return None
        motion = Motion(source.expressions)
        for statement in (variable.declaration, *updates):
            if statement is variable.declaration:
                values = [variable.initial]
            else:
                values = [_right(statement)]
            if not all(motion.is_stable(value, Region(block, statement, updates[-1])) for value in values):
                return None
        zero = source.expressions.constant(variable.initial)
        if zero and zero.value == 0:
            pieces = []
        else:
            pieces = [("+", variable.initial)]
        pieces += [(statement.named[0].operator[0], _right(statement)) for statement in updates]
        if any(w.start > updates[-1].end for w in variable.writes):
            kept_const = ""
        else:
            kept_const = "const "
        total = f"{kept_const}{variable.type} {variable.name} = {_sum(pieces)};"
        edits = [remove(statement) for statement in (variable.declaration, *updates[:-1])]
        sentence = f"Wrote `{variable.name}` as one sum instead of {len(updates)} updates."
        return Change(sentence, (*edits, replace(updates[-1], total)))


def _right(update: Node) -> Node:
    return update.named[0].part("right")


def _updates(variable: VariableScope, expressions: Expressions) -> list[Node]:
    """Return the `+=` and `-=` statements after the declaration in its block, before the variable is read or set."""
    updates = list[Node]()
    for statement in statements(variable.block):
        touches = any(statement.contains(use) for use in variable.uses)
        if statement.start <= variable.declaration.start or not touches:
            continue
        if statement.kind == "expression_statement":
            assignment = statement.named[0]
        else:
            assignment = statement
        if assignment.kind != "assignment_expression" or assignment.operator not in ("+=", "-="):
            break
        if expressions.variable(assignment.part("left")) is not variable:
            break
        value = assignment.part("right")
        if variable in expressions.variables(value) or not expressions.is_pure(value):
            break
        updates.append(statement)
    return updates


def _sum(pieces: Sequence[tuple[str, Node]]) -> str:
    text = ""
    for sign, value in pieces:
        term = parenthesised(value.text, level_of(value), SUM + (sign == "-"))
        if text:
            text += f" {sign} {term}"
        else:
            if sign == "+":
                text = term
            else:
                text = f"-{parenthesised(value.text, level_of(value), SUM + 1)}"
    return text
