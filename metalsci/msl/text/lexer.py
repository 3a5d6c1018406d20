"""Tokens of Metal source: enough to tell code from comments, strings, directives and attributes.

Offsets are bytes into the UTF-8 text and columns count bytes, as Clang's do.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple


class Token(NamedTuple):
    kind: str
    """comment, string, directive, word, number or punct (one byte)."""
    start: int
    end: int
    text: bytes


# A directive may follow comments and spliced lines, and `#` has two other spellings. Source is untrusted: what this
# lexer takes for a comment or a string must be one to the compiler too.
_TOKEN = re.compile(
    rb"""
      (?P<directive>^(?:[ \t\v\f]|\\\r?\n|/\*(?:[^*]|\*(?!/))*\*/)*(?:\#|%:|\?\?=)
                     (?:\\\r?\n|/\*(?:[^*]|\*(?!/))*\*/|(?!//)[^\n])* )
    | (?P<comment>  //(?:\\\r?\n|[^\n])* | /\*.*?(?:\*/|\Z) )
    | (?P<string>   (?:u8|[uUL])?R"(?P<delimiter>[^\s()\\]{0,16})\(.*?(?:\)(?P=delimiter)"|\Z)
                  | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'? )
    | (?P<word>     [A-Za-z_]\w* )
    | (?P<number>   \.?\d(?:[eEpP][+-]|'?[\w.])* )
    | (?P<punct>    \S )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


def tokenize(text: bytes) -> list[Token]:
    """Split `text` into tokens, comments included.

    Never fails: an unterminated token ends with the line or the text.
    """
    return [Token(m.lastgroup or "", m.start(), m.end(), m[0]) for m in _TOKEN.finditer(text)]


@lru_cache(maxsize=8)
def _code(text: bytes) -> Sequence[Token]:
    """Return tokens without comments: of a compile, four readers ask for those of the same text."""
    return tuple(token for token in tokenize(text) if token.kind != "comment")


@dataclass(frozen=True)
class SourceText:
    """A file's bytes and the starts of its lines."""

    data: bytes

    @cached_property
    def _line_starts(self) -> Sequence[int]:
        return (0, *(m.end() for m in re.finditer(rb"\n", self.data)))

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of a byte, both from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """Return the byte at a line and column, clipped to the text."""
        if line > len(self._line_starts):
            return len(self.data)
        return min(self._line_starts[max(line, 1) - 1] + max(column, 1) - 1, len(self.data))

    @cached_property
    def tokens(self) -> Sequence[Token]:
        """Tokens without comments."""
        return _code(self.data)
