"""Kernels and instantiations of kernels that macros write, written out where the macros are used.

`FILL(float)` is a kernel, or a dozen, in files of several types. All else in a file is read as the user wrote it, with
the macros left to the compiler; but readers of kernels must see these.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.conditionals import Conditionals
from metalsci.msl.text.directives import keyword_of, name_in
from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import SourceText, Token
from metalsci.msl.text.macros import MacroError, Macros
from metalsci.msl.text.source_map import MappedText, Piece

_WORDS = (b"kernel", b"host_name")
_MOST_TOKENS = 400_000
"""Tokens of a file's expansions: a thousand instantiations of 20 arguments each, and all that it takes to get there."""


@dataclass(frozen=True)
class WrittenOut(SourceText):
    """A text in which macros are written out, line for line. Its positions are those of the user's file."""

    file: SourceText
    mapped: MappedText

    def position(self, offset: int) -> tuple[int, int]:
        origin = self.mapped.origin(offset)
        return self.file.position(len(self.file.data) if origin is None else origin)


def with_kernels_written_out(text: SourceText) -> SourceText:
    """Return a text in which macros write no kernels, which is the given one if they do not anyway.

    A use that is malformed, or grows beyond bounds, is left as it is.
    """
    if not _may_write_kernels(text):
        return text
    pieces, at = [], 0
    for edit in _uses(text.tokens):
        pieces += [Piece(text.data[at : edit.start], at), Piece(edit.text, edit.start, verbatim=False)]
        lines = text.data.count(b"\n", edit.start, edit.end)
        pieces.append(Piece(b"\n" * lines, edit.start, verbatim=False))
        at = edit.end
    mapped = MappedText([*pieces, Piece(text.data[at:], at)])
    return WrittenOut(mapped.data, text, mapped) if at else text


def _may_write_kernels(text: SourceText) -> bool:
    definitions = (token for token in text.tokens if token.kind == "directive" and keyword_of(token) == b"define")
    return any(word in token.text for token in definitions for word in _WORDS)


def _uses(tokens: Sequence[Token]) -> Iterator[Edit[bytes]]:
    """Yield what replaces each use of a macro that writes whole kernels or instantiations."""
    macros, conditionals = Macros(), Conditionals()
    left = _MOST_TOKENS
    behind = 0
    for at, token in enumerate(tokens):
        if token.kind == "directive":
            keyword = keyword_of(token)
            if conditionals.live and keyword == b"define":
                macros.define(token)
            elif conditionals.live and keyword == b"undef":
                macros.undefine(name_in(token))
            conditionals.read(keyword, token, macros)
        elif at < behind or not conditionals.live or token.text not in macros:
            continue
        elif macros.writes(token.text, *_WORDS):
            try:
                behind = macros.invocation(tokens, at)
                expansion = macros.expand(tokens[at:behind], left)
            except MacroError:
                continue
            left -= len(expansion.starts)
            if b"{" in expansion.text or b";" in expansion.text:
                yield Edit(token.start, tokens[behind - 1].end, expansion.text)
