"""Pointers and references must name the address space they lead to: Metal has no other kind."""

import re
from collections.abc import Iterator
from itertools import pairwise

import tree_sitter

from metalsci.msl.language.file_names import FileNames
from metalsci.msl.language.signature import AddressSpace
from metalsci.msl.language.syntax import walk
from metalsci.msl.language.types import value_type
from metalsci.msl.text.lexer import SourceText, tokenize
from metalsci.msl.text.preprocessed import macro_names

_SPACES = (*(space.value for space in AddressSpace), "threadgroup_imageblock", "ray_data", "object_data")
_SPACE = re.compile(rb"\b(?:%b)\b" % "|".join(_SPACES).encode())
_START = re.compile(rb"[;{}(),<]")
_POINTERS = ("pointer_declarator", "abstract_pointer_declarator")
_REFERENCES = ("reference_declarator", "abstract_reference_declarator")
_GROUPS = ("parenthesized_declarator", "abstract_parenthesized_declarator")
_FUNCTIONS = ("function_declarator", "abstract_function_declarator")

Finding = tuple[tree_sitter.Node, str]
"""The `*` or `&` of a declarator, and Apple's message."""


def unqualified(text: bytes, node: tree_sitter.Node) -> Iterator[Finding]:
    """Yield the places where a declaration points to a type in no address space.

    node: declares things of one type: a parameter, a member, variables, an alias, a function, or it is the type in a
        cast.

    The target of a pointer counts, not the place of the pointer itself: Apple's compiler takes `device float *&p`.
    """
    for declarator in node.named_children:
        if declarator.type.endswith("declarator"):
            found = _outermost(declarator)
        else:
            found = None
        if found is not None and not _is_qualified(text, node) and not _leads_to_function(found):
            if found.type in _POINTERS:
                kind = "pointer"
            else:
                kind = "reference"
            yield found, f"{kind} type must have explicit address space qualifier"


def _outermost(declarator: tree_sitter.Node) -> tree_sitter.Node | None:
    """Return the pointer or reference that is furthest from the name."""
    current: tree_sitter.Node | None = declarator
    while current is not None and current.type not in (*_POINTERS, *_REFERENCES):
        inner = current.child_by_field_name("declarator")
        declarators = (child for child in current.named_children if child.type.endswith("declarator"))
        if inner is not None:
            current = inner
        else:
            current = next(declarators, None)
    return current


def _is_qualified(text: bytes, node: tree_sitter.Node) -> bool:
    """Return True if an address space stands with the type."""
    first = next(child for child in node.named_children if child.type.endswith("declarator"))
    return _SPACE.search(text, _start(text, node), first.start_byte) is not None


def _start(text: bytes, node: tree_sitter.Node) -> int:
    """Return the start of a declaration. The grammar's node may start behind words that it does not know."""
    window = max(node.start_byte - 200, 0)
    return max((match.end() for match in _START.finditer(text, window, node.start_byte)), default=window)


def _leads_to_function(declarator: tree_sitter.Node) -> bool:
    """Recognise `float (*f)(float)`."""
    around = declarator.parent
    while around is not None and around.type in _GROUPS:
        around = around.parent
    return around is not None and around != declarator.parent and around.type in _FUNCTIONS


class KnownTypes:
    """Types of a file that certainly name no address space. `live` is the part of its text that is read: see there."""

    def __init__(self, text: SourceText, live: SourceText) -> None:
        self._text = live.data
        self._names = FileNames(live)
        self._macros = macro_names(text)
        self._records, self._parameters = _declared(live)

    def unqualified(self, root: tree_sitter.Node) -> Iterator[Finding]:
        """Check all declarations and casts below `root`, the tree of `live`."""
        for node in walk(root):
            type_ = node.child_by_field_name("type")
            if type_ is None or any(child.is_error or child.is_missing for child in node.children):
                continue
            for declarator, message in unqualified(self._text, node):
                if self._is_plain(type_) and self._macros.isdisjoint(self._words(node, declarator)):
                    yield declarator, message

    def _is_plain(self, type_: tree_sitter.Node) -> bool:
        spelled = self._text[type_.start_byte : type_.end_byte].decode(errors="replace")
        if spelled in self._parameters:
            return False
        resolved = self._names.resolve(spelled)
        return resolved == "void" or resolved in self._records or value_type(resolved) is not None

    def _words(self, node: tree_sitter.Node, declarator: tree_sitter.Node) -> Iterator[str]:
        """Yield the words of a declaration up to a declarator."""
        declared = self._text[_start(self._text, node) : declarator.start_byte]
        return (token.text.decode(errors="replace") for token in tokenize(declared) if token.kind == "word")


def _declared(text: SourceText) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the file's structs and enumerations that are no templates, and of template parameters."""
    records: set[str] = set()
    parameters: set[str] = set()
    before = b";"
    for token, name in pairwise(text.tokens):
        if name.kind == "word" and token.text in (b"struct", b"class", b"enum", b"typename"):
            if before in (b";", b"}", b"{", b":", b"typedef"):
                kind = records
            else:
                kind = parameters
            kind.add(name.text.decode(errors="replace"))
        before = token.text
    return frozenset(records - parameters), frozenset(parameters)
