"""Syntax trees of Metal text, from the C++ grammar of tree-sitter.

Metal's own keywords are reserved words, so a copy of the text may have each replaced by a C++ keyword of the same
grammatical role and length: `kernel` by `inline`, the address spaces by `const`, `coherent(…)` by nothing. The tree of
the copy then fits the original byte for byte, and where it has a qualifier the original says which.
"""

import re
from collections.abc import Iterator
from functools import cache

import tree_sitter
import tree_sitter_cpp

from metalsci.msl.language.signature import AddressSpace

_STAND_INS = {
    b"kernel": b"inline",
    **{space.value.encode(): b"const".ljust(len(space.value)) for space in AddressSpace},
}
_METAL = re.compile(
    rb"""
      //[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*"
    | \[\[.*?\]\]
    | \b(?:kernel|device|constant|threadgroup|thread)\b
    | \bcoherent\s*\(\s*\w+\s*\)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(rb"\w+")


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_cpp.language()))


def parse_cpp(text: bytes) -> tree_sitter.Tree:
    return _parser().parse(text)


def parse_metal(text: bytes) -> tree_sitter.Tree:
    """Parse a text. The tree's offsets are those of `text`; take words from `text`, not from the tree."""
    return parse_cpp(_METAL.sub(_stand_in, text))


def _stand_in(match: re.Match[bytes]) -> bytes:
    if match[0].startswith(b"coherent"):
        return b" " * len(match[0])
    return _STAND_INS.get(match[0], match[0])


def word_at(text: bytes, offset: int) -> str:
    """Return the word that begins at a byte, empty if none does."""
    match = _WORD.match(text, offset)
    if match:
        return match[0].decode()
    return ""


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """Yield a subtree in source order, outermost first.

    Not recursive: hostile text nests deeper than Python's stack.
    """
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.children))


def first(node: tree_sitter.Node, *types: str) -> tree_sitter.Node | None:
    """Return the first node of one of the types in a subtree."""
    return next((found for found in walk(node) if found.type in types), None)


def attributes(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """Yield the attributes inside the `[[…]]` lists of a subtree."""
    return (found for found in walk(node) if found.type == "attribute")


def attribute_name(attribute: tree_sitter.Node) -> tree_sitter.Node:
    return attribute.child_by_field_name("name") or next(iter(attribute.named_children), attribute)
