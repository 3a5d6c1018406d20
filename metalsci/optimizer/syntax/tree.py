"""The syntax tree the rewrites walk: tree-sitter's, copied once into Python objects with parents and text."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tree_sitter

from metalsci.msl.language.syntax import parse_metal

Shape = tuple[object, ...]


class Document(NamedTuple):
    """Data that the nodes of a tree share.

    `order` holds all nodes as they begin in the text: a subtree is a slice of it.
    """

    text: str
    order: "list[Node]"


class Node:
    """One node.

    `start` and `end` are character offsets into the source; `children` include comments and operators, `named` does
    not. Punctuation and keywords are only in the text.
    """

    __slots__ = (
        "_document",
        "_first",
        "_named",
        "_shape",
        "_stop",
        "children",
        "end",
        "field",
        "is_named",
        "kind",
        "parent",
        "start",
    )

    def __init__(self, document: Document, raw: tree_sitter.Node, field: str | None, parent: "Node | None") -> None:
        self.kind = "ERROR" if raw.is_missing else raw.type
        self.field = field
        self.start = raw.start_byte
        self.end = raw.end_byte
        self.is_named = raw.is_named
        self.parent = parent
        self.children: Sequence[Node] = ()
        self._document = document
        self._first = len(document.order)
        self._stop = self._first + 1
        self._named: Sequence[Node] | None = None
        self._shape: Shape | None = None
        document.order.append(self)

    def adopt(self, children: Sequence["Node"]) -> None:
        """Complete a node with its children, when they and all below them are complete."""
        self.children = children
        self._stop = len(self._document.order)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.text!r}>"

    @property
    def source(self) -> str:
        """The text of the whole file."""
        return self._document.text

    @property
    def text(self) -> str:
        return self._document.text[self.start : self.end]

    @property
    def named(self) -> Sequence["Node"]:
        if self._named is None:
            self._named = [child for child in self.children if child.is_named and child.kind != "comment"]
        return self._named

    @property
    def shape(self) -> Shape:
        """Key that is equal for expressions that differ only in blanks, comments and needless parentheses."""
        if self._shape is None:
            node = self.bare
            inner = [child.shape for child in node.children if child.kind != "comment"]
            if inner:
                self._shape = (node.kind, *inner)
            else:
                self._shape = (node.text,)
        return self._shape

    @property
    def operator(self) -> str:
        node = self.child("operator")
        if node:
            return node.text
        return ""

    def child(self, field: str) -> "Node | None":
        for child in self.children:
            if child.field == field:
                return child
        return None

    def part(self, field: str) -> "Node":
        """Return a child that the grammar always gives."""
        child = self.child(field)
        if child is None:
            raise LookupError(f"{self.kind} without {field}: {self.text!r}")
        return child

    def walk(self) -> Sequence["Node"]:
        """Return this node and all below it, in the order of the text."""
        return self._document.order[self._first : self._stop]

    def find(self, *kinds: str) -> list["Node"]:
        return [node for node in self.walk() if node.kind in kinds]

    def ancestors(self) -> Iterator["Node"]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def contains(self, other: "Node") -> bool:
        return self.start <= other.start and other.end <= self.end

    @property
    def bare(self) -> "Node":
        """The expression inside any parentheses around it."""
        node = self
        while node.kind == "parenthesized_expression" and len(node.named) == 1:
            node = node.named[0]
        return node

    @property
    def is_assigned(self) -> bool:
        """True for the target of an assignment: a place, not a value."""
        return self.parent is not None and self.parent.kind == "assignment_expression" and self.field == "left"


def parse(source: str) -> Node:
    """Parse a Metal source. Never fails: text that cannot be parsed is a node of kind ERROR.

    Characters beyond ASCII stand only in comments and strings; with a placeholder for each, tree-sitter's byte
    offsets are character offsets.
    """
    tree = parse_metal(source.encode("ascii", errors="replace"))
    return _copy(tree.walk(), Document(source, []), tree.root_node, None, None)


def _copy(
    cursor: tree_sitter.TreeCursor, document: Document, raw: tree_sitter.Node, field: str | None, parent: Node | None
) -> Node:
    """Copy the subtree of `raw`, at which the cursor stands, without nodes that have neither a name nor a role."""
    node = Node(document, raw, field, parent)
    if cursor.goto_first_child():
        children, more = [], True
        while more:
            child, role = cursor.node, cursor.field_name
            if child is not None and (child.is_named or role is not None or child.is_missing):
                children.append(_copy(cursor, document, child, role, node))
            more = cursor.goto_next_sibling()
        cursor.goto_parent()
        node.adopt(children)
    return node
