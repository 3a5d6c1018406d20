"""The part of a file that the compiler reads, with the rest blanked out."""

from metalsci.msl.text.conditionals import Conditionals
from metalsci.msl.text.directives import keyword_of, name_in
from metalsci.msl.text.lexer import SourceText, Token
from metalsci.msl.text.macros import Macros

_PREDEFINED = (b"#define __METAL__ 1", b"#define __METAL_VERSION__ 310", b"#define __HAVE_BFLOAT__ 1")


def live_code(text: SourceText) -> SourceText:
    """Blank out directives, and branches of `#if` that are not read or that the file itself does not decide.

    Every byte that is left stays at its place.
    """
    macros, conditionals = Macros(), Conditionals()
    for line in _PREDEFINED:
        macros.define(Token("directive", 0, len(line), line))
    data = bytearray(text.data)
    at, certain = 0, True
    for token in text.tokens:
        if token.kind != "directive":
            continue
        if not certain:
            _blank(data, at, token.start)
        _blank(data, token.start, token.end)
        keyword = keyword_of(token)
        if conditionals.live and keyword == b"define":
            macros.define(token)
        elif conditionals.live and keyword == b"undef":
            macros.undefine(name_in(token))
        conditionals.read(keyword, token, macros)
        at, certain = token.end, conditionals.live and not conditionals.undecided
    if not certain:
        _blank(data, at, len(data))
    return SourceText(bytes(data))


def macro_names(text: SourceText) -> frozenset[str]:
    """Return every name that the file defines as a macro somewhere."""
    directives = (token for token in text.tokens if token.kind == "directive" and keyword_of(token) == b"define")
    return frozenset(name_in(token).decode(errors="replace") for token in directives)


def _blank(data: bytearray, start: int, end: int) -> None:
    for index in range(start, end):
        if data[index] not in b"\r\n":
            data[index] = 0x20
