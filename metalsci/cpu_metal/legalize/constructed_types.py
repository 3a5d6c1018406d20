"""Names of types in a file's tokens: of vectors, and of what may be one in an instance of a template."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.msl.text.lexer import Token

_SCALARS = b"char|uchar|short|ushort|int|uint|long|ulong|half|float|bfloat"
VECTOR = re.compile(rb"(?:packed_)?(?:%b|bool)[234]|u?int(?:8|16|32|64)_t[234]" % _SCALARS)
SCALAR = re.compile(rb"bool|void|u?int(?:8|16|32|64)_t|(?:%b)" % _SCALARS)
TYPE = re.compile(SCALAR.pattern + b"|" + VECTOR.pattern)
CONVERTED = (b"half", b"bfloat")
"""Scalars that Clang converts to one another only through a third."""
QUALIFIERS = frozenset(b"device constant threadgroup thread const volatile static constexpr".split())
_TEMPLATES = (b"vec", b"packed_vec")
LONGEST = 64
"""Tokens between angles, of a typedef or of a macro's parameters: no text has more but one that is to take long."""


@dataclass(frozen=True)
class TypeNames:
    """The file's own names for types: of templates' parameters, aliases, typedefs and macros."""

    own: frozenset[bytes]

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> "TypeNames":
        names = set()
        for index, token in enumerate(tokens[:-2]):
            following = tokens[index + 1]
            if following.kind != "word":
                continue
            parameter = token.text in (b"typename", b"class") and tokens[index - 1].text in (b"<", b",")
            alias = token.text == b"using" and tokens[index + 2].text == b"="
            if parameter or alias:
                names.add(following.text)
            elif token.text == b"typedef":
                last = next(
                    (i for i in range(index, min(index + LONGEST, len(tokens))) if tokens[i].text == b";"), None
                )
                if last is not None and tokens[last - 1].kind == "word":
                    names.add(tokens[last - 1].text)
            elif token.text == b"define":
                body = tokens[index + 2]
                if VECTOR.fullmatch(body.text) and tokens[index + 3].kind == "end":
                    names.add(following.text)
        return cls(frozenset(names))

    def after(self, tokens: Sequence[Token], index: int) -> int:
        """Return the index after the type at `index` if it is, or may be, a vector or of 16 bits; 0 if not."""
        if index >= len(tokens) or tokens[index].kind != "word":
            return 0
        text = tokens[index].text
        if text in _TEMPLATES or text in self.own:
            return self.after_angles(tokens, index + 1)
        if text in CONVERTED or VECTOR.fullmatch(text):
            return index + 1
        return 0

    def after_angles(self, tokens: Sequence[Token], index: int) -> int:
        """Return the index after the `<…>` that starts at `index`; `index` itself if there is none."""
        depth = 0
        for position in range(index, min(index + LONGEST, len(tokens))):
            text = tokens[position].text
            depth += (text == b"<") - (text == b">")
            if depth == 0:
                if position > index:
                    return position + 1
                return index
            if text in (b";", b"{"):
                break
        return index


def start_of_name(tokens: Sequence[Token], index: int) -> int:
    """Return the start of a qualified name, `metal::float4`."""
    while index >= 3 and tokens[index - 1].text == tokens[index - 2].text == b":" and tokens[index - 3].kind == "word":
        index -= 3
    return index
