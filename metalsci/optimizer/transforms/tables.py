"""Constant tables and macros as the literals they stand for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.precedence import level_of, put
from metalsci.optimizer.syntax.scopes import Form, VariableScope
from metalsci.optimizer.syntax.source import Source
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class FoldTables:
    """Elements of `constant` tables at constant indices, spelled as the literals that the table holds."""

    def changes(self, source: Source) -> Sequence[Change]:
        edits, tables = list[Edit[str]](), list[str]()
        for function in source.functions:
            for node, element in self._elements(function.body, source.expressions):
                edits.append(put(node, element.text, level_of(element)))
                name = node.text.partition("[")[0]
                tables += [] if name in tables else [name]
        if not edits:
            return []
        names = " and ".join(f"`{name}`" for name in tables)
        return [Change(f"Put the entries of {names} into the code as literals.", tuple(edits))]

    def _elements(self, body: Node, expressions: Expressions) -> Iterator[tuple[Node, Node]]:
        for node in body.find("subscript_expression"):
            element = table_element(node, expressions)
            if element is not None and element.kind != "initializer_list":
                yield node, element


def table_element(node: Node, expressions: Expressions) -> Node | None:
    """Return the initialiser's expression that `TABLE[3]` or `TABLE[3][1]` reads, if all of it is constant."""
    base = node.part("argument").bare
    if base.kind == "subscript_expression":
        row = table_element(base, expressions)
    else:
        if base.kind == "identifier":
            variable = expressions.variable(base)
        else:
            variable = None
        if variable is not None and _is_table(variable):
            row = variable.initial
        else:
            row = None
    indices = node.part("indices").named
    if len(indices) == 1:
        index = expressions.constant(indices[0])
    else:
        index = None
    if row is None or row.kind != "initializer_list" or index is None:
        return None
    entries = row.named
    if int(index.value) not in range(len(entries)):
        return None
    entry = entries[int(index.value)]
    if _is_constant(entry, expressions):
        return entry
    return None


def _is_table(variable: VariableScope) -> bool:
    read_only = variable.qualifiers & {"constant", "const", "constexpr"}
    return bool(variable.form is Form.ARRAY and variable.is_fixed and read_only)


def _is_constant(entry: Node, expressions: Expressions) -> bool:
    """Return True for literals and arithmetic on them, `4.0f / 9.0f` included."""
    leaves = (node for node in entry.walk() if node.is_named and not node.children)
    return all(leaf.kind in ("number_literal", "true", "false") for leaf in leaves)
