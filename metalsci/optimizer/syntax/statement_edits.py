"""Edits of whole statements: the lines and blanks around statements that are added or removed."""

import textwrap

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.syntax.tree import Node


def replace(node: Node, text: str) -> Edit[str]:
    return Edit(node.start, node.end, text)


def indent_of(node: Node) -> str:
    """Return the blanks that begin the node's line."""
    line = node.source[node.source.rfind("\n", 0, node.start) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]


def starts_line(node: Node) -> bool:
    return not node.source[node.source.rfind("\n", 0, node.start) + 1 : node.start].strip(" \t")


def pragma_before(statement: Node) -> Node | None:
    """Return the directive directly in front of a statement that belongs to it: `#pragma unroll`."""
    if statement.parent:
        siblings = [node for node in statement.parent.children if node.kind != "comment"]
    else:
        siblings = []
    if statement in siblings:
        at = siblings.index(statement)
    else:
        at = 0
    if at and siblings[at - 1].kind == "preproc_call":
        return siblings[at - 1]
    return None


def insert_before(statement: Node, *lines: str) -> Edit[str]:
    """Insert lines in front of a statement and its pragma, indented as it is."""
    statement = pragma_before(statement) or statement
    indent = indent_of(statement)
    if starts_line(statement):
        return Edit(statement.start, statement.start, "".join(f"{line}\n{indent}" for line in lines))
    return Edit(statement.start, statement.start, "".join(f"{line} " for line in lines))


def remove(statement: Node) -> Edit[str]:
    """Remove a statement, with its line and the comment behind it if they hold nothing else."""
    source = statement.source
    line_start = source.rfind("\n", 0, statement.start) + 1
    line_end = source.find("\n", statement.end)
    if line_end < 0:
        line_end = len(source)
    else:
        line_end = line_end + 1
    before = source[line_start : statement.start]
    behind = source[statement.end : line_end].strip()
    if not before.strip() and (not behind or behind.startswith("//")):
        return Edit(line_start, line_end, "")
    return Edit(statement.start, statement.end, "")


def reindent(text: str, indent: str) -> str:
    """Shift lines so that the shallowest begins at `indent`; the first line is taken to begin there already."""
    first, _, rest = text.partition("\n")
    if not rest:
        return first
    shifted = textwrap.indent(textwrap.dedent(rest), indent, lambda line: bool(line.strip()))
    return f"{first}\n{shifted}"
