"""Casts to vectors: `(half4) x` and `static_cast<half4>(x)` become `metal::_make<half4>(x)`.

In Metal they convert element by element. Clang's C++ for OpenCL takes them for another reading of the same bits, and
refuses types of different size. The same holds for the two scalars of 16 bits, of which neither is cast to the other.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from metalsci.cpu_metal.legalize.code_tokens import CodeTokens
from metalsci.cpu_metal.legalize.constructed_types import LONGEST, QUALIFIERS, SCALAR, TypeNames
from metalsci.cpu_metal.legalize.vector_comparisons import truths
from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import SourceText, Token

_PREFIXES = frozenset((b"-", b"+", b"!", b"~", b"*", b"&"))
_BEFORE = frozenset(b"= ( , ? : & | ^ + - * / % < > ! ~ [ { } ; return case else".split())


def casts(text: SourceText, tokens: CodeTokens, names: TypeNames) -> Iterator[Edit[bytes]]:
    """Yield edits of every such cast, in the bodies of macros too."""
    for index, token in enumerate(tokens):
        if token.text == b"static_cast" and index + 2 < len(tokens) and tokens[index + 1].text == b"<":
            first, end = _type(tokens, index + 2, names)
            if end and tokens[end].text == b">":
                yield Edit(token.start, tokens[first].start, b"metal::_make<")
                yield from truths(tokens, end + 1)
    for opening, last in _operands(tokens, names).items():
        close = tokens.behind(opening)
        first, end = _type(tokens, opening + 1, names)
        if end == close - 1 and last:
            kind = text.data[tokens[first].start : tokens[end].start]
            yield Edit(tokens[opening].start, tokens[end].end, b"metal::_make<%b>(" % kind)
            if tokens.behind(close) == last:
                yield from truths(tokens, close)
            yield Edit(tokens[last - 1].end, tokens[last - 1].end, b")")


def _operands(tokens: CodeTokens, names: TypeNames) -> Mapping[int, int]:
    """Map the opening of every cast to the index behind its operand, 0 where that cannot be told."""
    found: dict[int, int] = {}
    behind_casts: set[int] = set()
    for index, token in enumerate(tokens):
        if token.text == b"(" and _is_cast(tokens, index, names, behind_casts):
            behind_casts.add(tokens.behind(index))
            found[index] = 0
    for index in reversed(found):  # so that casts in an operand are known
        found[index] = _after_operand(tokens, tokens.behind(index), names, found)
    return found


def _type(tokens: CodeTokens, index: int, names: TypeNames) -> tuple[int, int]:
    """Return where a type begins, without `const`, and the index after it if it is, or may be, a vector; else 0."""
    while index < len(tokens) and tokens[index].text == b"const":
        index += 1
    first = index
    while index + 2 < len(tokens) and tokens[index + 1].text == tokens[index + 2].text == b":":
        index += 3
    end = names.after(tokens, index)
    if end < len(tokens):
        return first, end
    return first, 0


def _is_cast(tokens: CodeTokens, opening: int, names: TypeNames, behind_casts: Collection[int]) -> bool:
    """Return True for a type in parentheses where a cast may stand, with something to cast behind them.

    behind_casts: where another may stand.
    """
    close = tokens.behind(opening)
    if not opening < close < min(opening + LONGEST, len(tokens)):
        return False
    if not _is_type(tokens[opening + 1 : close - 1], names):
        return False
    following = tokens[close]
    if following.kind not in ("word", "number") and following.text not in (*_PREFIXES, b"("):
        return False
    if opening == 0 or opening in behind_casts:
        return True
    return tokens[opening - 1].text in _BEFORE or _begins_macro(tokens, opening)


def _begins_macro(tokens: Sequence[Token], index: int) -> bool:
    """Return True if a macro's replacement begins at `index`."""
    at = index - 1
    if at > 1 and tokens[at].text == b")":
        depth = 0
        while at > max(index - LONGEST, 1):
            depth += (tokens[at].text == b")") - (tokens[at].text == b"(")
            at -= 1
            if depth == 0:
                break
        if tokens[at].end != tokens[at + 1].start:
            return False
    return at >= 1 and tokens[at - 1].text == b"define"


def _after_operand(tokens: CodeTokens, index: int, names: TypeNames, operands: Mapping[int, int]) -> int:
    """Return the index after a unary expression; 0 if it cannot be told. operands: of casts further on."""
    while index < len(tokens) and tokens[index].text in _PREFIXES:
        index += 1
    if index >= len(tokens):
        return 0
    if tokens[index].kind == "number":
        return index + 1
    if tokens[index].kind == "word":
        return _after_postfixes(tokens, _after_name(tokens, index, names))
    if index in operands:
        return operands[index]
    return _after_postfixes(tokens, tokens.behind(index))


def _is_type(tokens: Sequence[Token], names: TypeNames) -> bool:
    """Return True for what stands in the parentheses of a cast, such as `device const float *`."""
    words = [token for token in tokens if token.text not in QUALIFIERS]
    while len(words) > 2 and words[1].text == words[2].text == b":":
        words = words[3:]
    if not words:
        return False
    is_scalar = SCALAR.fullmatch(words[-1].text) is not None
    return is_scalar or words[-1].text in (b"*", b"&") or names.after(words, 0) == len(words)


def _after_name(tokens: CodeTokens, index: int, names: TypeNames) -> int:
    """Return the index after `a`, `metal::a` or the `a<3>` of a call."""
    end = index + 1
    while end + 2 < len(tokens) and tokens[end].text == tokens[end + 1].text == b":" and tokens[end + 2].kind == "word":
        end += 3
    behind = names.after_angles(tokens, end)
    if behind > end and behind < len(tokens) and tokens[behind].text in (b"(", b"{"):
        end = behind
    if end < len(tokens) and tokens[end].text == b"{":
        return tokens.behind(end)
    return end


def _after_postfixes(tokens: CodeTokens, index: int) -> int:
    """Return the index after the calls, subscripts and members that begin at `index`."""
    while index and index + 1 < len(tokens):
        text, following = tokens[index].text, tokens[index + 1]
        if text in (b"(", b"["):
            index = tokens.behind(index)
        elif text == b"." and following.kind == "word":
            index += 2
        elif text == b"-" and following.text == b">":
            index += 3
        elif text in (b"+", b"-") and following.text == text and not _continues(tokens, index + 2):
            index += 2
        else:
            break
    return index


def _continues(tokens: Sequence[Token], index: int) -> bool:
    """Return True if an operand follows, so that two signs are not those behind a variable."""
    if index >= len(tokens):
        return False
    return tokens[index].kind in ("word", "number") or tokens[index].text == b"("
