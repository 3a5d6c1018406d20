"""Floating-point literals without a suffix are `float` in Metal. Clang's option for that forgets it in templates."""

import re
from collections.abc import Iterator, Sequence

from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import Token

_DIGITS = rb"\d(?:'?\d)*"
_DECIMAL = rb"(?:%b\.(?:%b)?|\.%b)(?:[eE][+-]?%b)?|%b[eE][+-]?%b" % ((_DIGITS,) * 6)
_HEXADECIMAL = rb"0[xX][\da-fA-F'.]+[pP][+-]?%b" % _DIGITS
_UNSUFFIXED = re.compile(rb"%b|%b" % (_DECIMAL, _HEXADECIMAL))
_BRAIN = re.compile(rb"(?:%b|%b)(?:bf|BF)" % (_DECIMAL, _DIGITS))


def literals(tokens: Sequence[Token]) -> Iterator[Edit[bytes]]:
    """Give `0.5` its `f`, and turn a `float` converted to `bfloat` into `0.5bf`.

    A literal that a macro pastes to something may get its suffix from that.
    """
    for index, token in enumerate(tokens):
        pasted = index + 1 < len(tokens) and tokens[index + 1].text == b"#"
        if token.kind == "number" and not pasted and _UNSUFFIXED.fullmatch(token.text):
            yield Edit(token.end, token.end, b"f")
        elif token.kind == "number" and not pasted and _BRAIN.fullmatch(token.text):
            value = token.text[:-2]
            if _UNSUFFIXED.fullmatch(value):
                whole = value
            else:
                whole = value + b".0"
            yield Edit(token.start, token.end, b"((bfloat)%bf)" % whole)
