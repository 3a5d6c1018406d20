"""Declarations that Clang would not take as they stand."""

from collections.abc import Iterator, Sequence

from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import SourceText, Token


def instantiations(text: SourceText, tokens: Sequence[Token]) -> Iterator[Edit[bytes]]:
    """Remove explicit instantiations, `template [[host_name("f")]] [[kernel]] …;`: the wrapper makes its own."""
    for index, token in enumerate(tokens[:-1]):
        starts = index == 0 or tokens[index - 1].text not in (b".", b">", b":")  # `x.template f<int>()` is none
        if token.text != b"template" or not starts or tokens[index + 1].text == b"<":
            continue
        end = next((t for t in tokens[index:] if t.text in (b";", b"{")), None)
        if end is not None and end.text == b";":
            yield Edit(token.start, end.start, b"\n" * text.data.count(b"\n", token.start, end.start))


def method_qualifiers(tokens: Sequence[Token]) -> Iterator[Edit[bytes]]:
    """Turn methods for objects of a thread, `T() const thread`, into methods for any object.

    To Clang a temporary object is in no address space. Methods that return a reference or pointer to such an object are
    left alone: it is no temporary.
    """
    for index, token in enumerate(tokens):
        if token.text != b"thread" or index < 2:
            continue
        if tokens[index - 1].text in (b"const", b"volatile"):
            before = index - 2
        else:
            before = index - 1
        if tokens[before].text == b")" and not _returns_to_thread(tokens, before):
            yield Edit(token.start, token.end, b"")


def _returns_to_thread(tokens: Sequence[Token], close: int) -> bool:
    """Return True if the text before the parameters that end at `close` says `thread`."""
    depth = 0
    for index in range(close, -1, -1):
        text = tokens[index].text
        depth += (text == b")") - (text == b"(")
        if depth == 0 and text in (b";", b"{", b"}", b":"):
            break
        if depth == 0 and text == b"thread":
            return True
    return False
