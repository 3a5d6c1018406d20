"""What Metal leaves out of C++ and Clang would let pass."""

from collections.abc import Iterator, Sequence

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.lexer import SourceText, Token

_WORDS = {
    b"double": "'double' is not supported in Metal",
    b"goto": "goto statements are not supported in Metal",
    b"function_constant": "function constants are not supported by this device: they have no value here",
}
# After these a `[` begins an expression: what it opens is the capture of a lambda.
_BEFORE_EXPRESSION = frozenset({b"=", b"(", b",", b"return", b"{", b";", b"}", b"?", b":"})


def check_language(text: SourceText) -> Iterator[Diagnostic]:
    """An error for each use."""
    tokens = text.tokens
    for index, token in enumerate(tokens):
        message = _WORDS.get(token.text) if token.kind == "word" else None
        if message is None and token.text == b"[" and _is_lambda(tokens, index):
            message = "lambda expressions are not supported in Metal"
        if message is not None:
            yield Diagnostic(Severity.ERROR, *text.position(token.start), message)


def _is_lambda(tokens: Sequence[Token], index: int) -> bool:
    if index == 0 or tokens[index - 1].text not in _BEFORE_EXPRESSION or tokens[index + 1 : index + 2] == []:
        return False
    if tokens[index + 1].text == b"[":  # an attribute
        return False
    depth = 0
    for position in range(index, len(tokens)):
        depth += (tokens[position].text == b"[") - (tokens[position].text == b"]")
        if depth == 0:
            return position + 1 < len(tokens) and tokens[position + 1].text in (b"(", b"{")
    return False
