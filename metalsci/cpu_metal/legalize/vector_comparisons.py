"""Comparisons of vectors, which in Metal give vectors of bool: 1 as a number where they hold.

Clang's give integers that are -1 there, of no type of their own. So they are made vectors of bool where their value may
be taken for a number: `float4(v > 0.0f)` becomes `float4(metal::_truth(v > 0.0f))`, which leaves scalars as they are.
"""

from collections.abc import Iterator

from metalsci.cpu_metal.legalize.code_tokens import CodeTokens
from metalsci.cpu_metal.legalize.constructed_types import LONGEST
from metalsci.msl.text.edits import Edit

_OPENING = (b"(", b"[", b"{")
_CASTS = (b"static_cast", b"reinterpret_cast", b"as_type")
_OPERATORS = frozenset((*(bytes([sign]) for sign in b"<>=!&|^?:+-*/%"), b"<=", b">=", b"==", b"!=", b"&&", b"||"))
_LOGICAL = (b"<", b">", b"<=", b">=", b"==", b"!=", b"&&", b"||")
_LOOSER = (b"=", b"&", b"|", b"^", b"?", b":")
"""Operators whose operand a comparison may be, so that the whole is none."""


def truths(tokens: CodeTokens, opening: int) -> Iterator[Edit[bytes]]:
    """Yield edits of the comparisons among the arguments in the parentheses at `opening`."""
    end = tokens.behind(opening)
    if end:
        for first, last in _arguments(tokens, opening + 1, end - 1):
            yield from _truth(tokens, first, last)


def loose_truths(tokens: CodeTokens) -> Iterator[Edit[bytes]]:
    """Yield edits of comparisons of which elements are taken, `(v > w).x`, or a variable is made, `auto m = v > w;`."""
    for index, token in enumerate(tokens):
        if token.text == b"(":
            end = tokens.behind(index)
            if 0 < end < len(tokens) and tokens[end].text in (b".", b"["):
                yield from _truth(tokens, index + 1, end - 1)
        elif token.text == b"auto" and [t.text for t in tokens[index + 2 : index + 3]] == [b"="]:
            last = next((i for i in range(index, min(index + LONGEST, len(tokens))) if tokens[i].text == b";"), index)
            yield from _truth(tokens, index + 3, last)


def _truth(tokens: CodeTokens, first: int, last: int) -> Iterator[Edit[bytes]]:
    while first < last and tokens[first].text == b"(" and tokens.behind(first) == last:
        first, last = first + 1, last - 1
    if first < last and _is_comparison(tokens, first, last):
        yield Edit(tokens[first].start, tokens[first].start, b"metal::_truth(")
        yield Edit(tokens[last - 1].end, tokens[last - 1].end, b")")


def _arguments(tokens: CodeTokens, first: int, last: int) -> Iterator[tuple[int, int]]:
    at, start = first, first
    while at < last:
        text = tokens[at].text
        if text in _OPENING:
            at = min(tokens.behind(at) or last, last)
            continue
        if text == b"<" and (behind := _after_angles(tokens, at, last)):
            at = behind
            continue
        at += 1
        if text == b",":
            yield start, at - 1
            start = at
    yield start, last


def _is_comparison(tokens: CodeTokens, first: int, last: int) -> bool:
    """Return True if the value of an expression is that of a comparison, or of `!`, `&&` or `||`."""
    operators = list(_operators(tokens, first, last))
    if any(operator in _LOOSER for operator, is_prefix in operators if not is_prefix):
        return False
    binary = [operator for operator, is_prefix in operators if not is_prefix]
    if not binary:
        return operators[:1] == [(b"!", True)]
    return any(operator in _LOGICAL for operator in binary)


def _operators(tokens: CodeTokens, first: int, last: int) -> Iterator[tuple[bytes, bool]]:
    """Yield the operators of an expression outside brackets, and whether they stand before their only operand."""
    at, is_prefix = first, True
    while at < last:
        token = tokens[at]
        if token.text in _OPENING:
            at, is_prefix = min(tokens.behind(at) or last, last), False
        elif token.text == b"<" and (end := _after_angles(tokens, at, last)):
            at, is_prefix = end, False
        elif token.kind == "punct" and token.text in _OPERATORS:
            operator, at = _operator(tokens, at, last)
            if operator not in (b"->", b"::"):
                yield operator, is_prefix
                is_prefix = True
        else:
            at, is_prefix = at + 1, False


def _operator(tokens: CodeTokens, at: int, last: int) -> tuple[bytes, int]:
    """Return the operator at `at`, and the index after it. Shifts and assignments count as one of their signs."""
    text = tokens[at].text
    if at + 1 < last and tokens[at].end == tokens[at + 1].start:
        both = text + tokens[at + 1].text
        if both in _OPERATORS or both in (b"->", b"::"):
            return both, at + 2
        if both in (b"<<", b">>"):
            assigns = at + 2 < last and tokens[at + 2].text == b"="
            return (b"=", at + 3) if assigns else (b"+", at + 2)
        if both in (b"++", b"--"):
            return b"+", at + 2
        if tokens[at + 1].text == b"=":
            return b"=", at + 2
    return text, at + 1


def _after_angles(tokens: CodeTokens, at: int, last: int) -> int:
    """Return the index after a template's arguments, which a call follows; 0 for a comparison."""
    depth = 0
    for index in range(at, min(at + LONGEST, last)):
        token = tokens[index]
        depth += (token.text == b"<") - (token.text == b">")
        if depth == 0:
            called = index + 1 < last and tokens[index + 1].text in (b"(", b"{", b":")
            return index + 1 if called or tokens[at - 1].text in _CASTS else 0
        if token.kind not in ("word", "number") and token.text not in (b"<", b">", b",", b":", b"*"):
            return 0
    return 0
