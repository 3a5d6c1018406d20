"""The syntax tree the rewrites walk: tree-sitter's, copied once into Python objects with parents and text."""

from collections.abc import Iterator, Sequence

import tree_sitter

from metalsci.msl.syntax import parse_metal

Shape = tuple[object, ...]


class Node:
    """One node. `start` and `end` are character offsets into the source; `children` include comments and operators,
    `named` does not. Punctuation and keywords are only in the text."""

    __slots__ = (
        "_named",
        "_shape",
        "_subtree",
        "children",
        "end",
        "field",
        "is_named",
        "kind",
        "parent",
        "source",
        "start",
    )

    def __init__(
        self, kind: str, field: str | None, start: int, end: int, named: bool, source: str, parent: "Node | None"
    ) -> None:
        self.kind = kind
        self.field = field
        self.start = start
        self.end = end
        self.is_named = named
        self.source = source
        self.parent = parent
        self.children: Sequence[Node] = ()
        self._subtree: Sequence[Node] = ()
        self._named: list[Node] | None = None
        self._shape: Shape | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.text!r}>"

    @property
    def text(self) -> str:
        return self.source[self.start : self.end]

    @property
    def named(self) -> list["Node"]:
        if self._named is None:
            self._named = [child for child in self.children if child.is_named and child.kind != "comment"]
        return self._named

    @property
    def shape(self) -> Shape:
        """Equal for expressions that are the same but for blanks, comments and needless parentheses."""
        if self._shape is None:
            node = self.bare
            inner = [child.shape for child in node.children if child.kind != "comment"]
            self._shape = (node.kind, *inner) if inner else (node.text,)
        return self._shape

    @property
    def operator(self) -> str:
        node = self.child("operator")
        return node.text if node else ""

    def child(self, field: str) -> "Node | None":
        for child in self.children:
            if child.field == field:
                return child
        return None

    def part(self, field: str) -> "Node":
        """A child that the grammar always gives."""
        child = self.child(field)
        if child is None:
            raise LookupError(f"{self.kind} without {field}: {self.text!r}")
        return child

    def walk(self) -> Sequence["Node"]:
        """This node and all below it, in the order of the text."""
        return self._subtree

    def find(self, *kinds: str) -> list["Node"]:
        return [node for node in self._subtree if node.kind in kinds]

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
        """The target of an assignment: a place, not a value."""
        return self.parent is not None and self.parent.kind == "assignment_expression" and self.field == "left"

    def adopt(self, children: Sequence["Node"]) -> None:
        """Complete a node under construction with its complete children."""
        self.children = children
        self._subtree = [self, *(node for child in children for node in child.walk())]


def parse(source: str) -> Node:
    """The tree of a Metal source. Never fails: what cannot be parsed is a node of kind ERROR.

    Characters beyond ASCII stand only in comments and strings; with a placeholder for each, tree-sitter's byte
    offsets are character offsets.
    """
    ascii_text = source.encode("ascii", errors="replace")
    tree = parse_metal(ascii_text)
    return _copy(tree.walk(), tree.root_node, None, source, None)


def _copy(
    cursor: tree_sitter.TreeCursor, raw: tree_sitter.Node, field: str | None, source: str, parent: Node | None
) -> Node:
    """The subtree of `raw`, at which the cursor stands."""
    kind = "ERROR" if raw.is_missing else raw.type
    node = Node(kind, field, raw.start_byte, raw.end_byte, raw.is_named, source, parent)
    children = []
    if cursor.goto_first_child():
        more = True
        while more:
            child, name = cursor.node, cursor.field_name
            if child is not None and (child.is_named or name is not None or child.is_missing):
                children.append(_copy(cursor, child, name, source, node))
            more = cursor.goto_next_sibling()
        cursor.goto_parent()
    node.adopt(children)
    return node
