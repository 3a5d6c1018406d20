"""Declarations that Clang would not take as they stand."""

from collections.abc import Iterator, Sequence

from metalsci.cpu_metal.rewrite.edits import Edit
from metalsci.msl.lexer import SourceText, Token


def instantiations(text: SourceText, tokens: Sequence[Token]) -> Iterator[Edit]:
    """Explicit instantiations, `template [[host_name("f")]] [[kernel]] …;`, go: the wrapper makes its own."""
    for index, token in enumerate(tokens[:-1]):
        starts = index == 0 or tokens[index - 1].text in (b";", b"}", b"{")
        if token.text != b"template" or not starts or tokens[index + 1].text == b"<":
            continue
        end = next((t for t in tokens[index:] if t.text in (b";", b"{")), None)
        if end is not None and end.text == b";":
            yield Edit(token.start, end.start, b"\n" * text.data.count(b"\n", token.start, end.start))


def method_qualifiers(tokens: Sequence[Token]) -> Iterator[Edit]:
    """Methods for objects of a thread, `T() const thread`, become methods for any object: to Clang a temporary object
    is in no address space.
    """
    for index, token in enumerate(tokens):
        if token.text != b"thread" or index < 2:
            continue
        before = tokens[index - 1].text
        if before == b")" or (before in (b"const", b"volatile") and tokens[index - 2].text == b")"):
            yield Edit(token.start, token.end, b"")
