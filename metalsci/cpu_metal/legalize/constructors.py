"""Constructors: `float4(a, b, c, d)` becomes `metal::_make<float4>(a, b, c, d)`.

`float4 v(a, b, c, d);` becomes `float4 v = metal::_make<float4>(a, b, c, d);`. Vectors are Clang's own, which C++ gives
no constructors. The same holds for the two scalars that convert to one another only through a third.
"""

import re
from collections.abc import Iterator, Sequence

from metalsci.cpu_metal.legalize.code_tokens import after_parentheses
from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import SourceText, Token

_SCALARS = b"char|uchar|short|ushort|int|uint|long|ulong|half|float|bfloat"
_VECTOR = re.compile(rb"(?:packed_)?(?:%b|bool)[234]|u?int(?:8|16|32|64)_t[234]" % _SCALARS)
_TYPE = re.compile(rb"bool|void|u?int(?:8|16|32|64)_t|(?:%b)|" % _SCALARS + _VECTOR.pattern)
_TEMPLATES = (b"vec", b"packed_vec")
_CONVERTED = (b"half", b"bfloat")
_QUALIFIERS = frozenset(b"device constant threadgroup thread const volatile static constexpr".split())


def constructors(text: SourceText, tokens: Sequence[Token]) -> Iterator[Edit[bytes]]:
    """Yield edits of every constructor, in the bodies of macros too."""
    names = _type_names(tokens)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        end = index + 1
        if token.kind == "word" and (token.text in _TEMPLATES or token.text in names):
            end = _after_angles(tokens, index + 1)
        elif token.kind != "word" or not (token.text in _CONVERTED or _VECTOR.fullmatch(token.text)):
            index += 1
            continue
        if _is_constructor(tokens, index, end):
            first = _start_of_name(tokens, index)
            yield Edit(tokens[first].start, tokens[first].start, b"metal::_make<")
            yield Edit(tokens[end - 1].end, tokens[end - 1].end, b">")
        elif token.text not in _CONVERTED and _is_initialised(tokens, end, names):
            first = _start_of_name(tokens, index)
            spelling = text.data[tokens[first].start : tokens[end - 1].end]
            yield Edit(tokens[end].end, tokens[end].end, b" = metal::_make<%b>" % spelling)
        index = end


def _type_names(tokens: Sequence[Token]) -> frozenset[bytes]:
    """Return the names that stand for a type: of templates' parameters, aliases, typedefs and macros."""
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
            last = next((i for i in range(index, len(tokens)) if tokens[i].text == b";"), None)
            if last is not None and tokens[last - 1].kind == "word":
                names.add(tokens[last - 1].text)
        elif token.text == b"define":
            body = tokens[index + 2]
            if _VECTOR.fullmatch(body.text) and tokens[index + 3].kind == "end":
                names.add(following.text)
    return frozenset(names)


def _after_angles(tokens: Sequence[Token], index: int) -> int:
    """Return the index after the `<…>` that starts at `index`; `index` itself if there is none."""
    depth = 0
    for position in range(index, min(index + 64, len(tokens))):
        text = tokens[position].text
        depth += (text == b"<") - (text == b">")
        if depth == 0:
            if position > index:
                return position + 1
            return index
        if text in (b";", b"{"):
            break
    return index


def _start_of_name(tokens: Sequence[Token], index: int) -> int:
    """Return the start of a qualified name, `metal::float4`."""
    while index >= 3 and tokens[index - 1].text == tokens[index - 2].text == b":" and tokens[index - 3].kind == "word":
        index -= 3
    return index


def _is_constructor(tokens: Sequence[Token], index: int, end: int) -> bool:
    if end >= len(tokens) or tokens[end].text != b"(":
        return False
    if index:
        before = tokens[_start_of_name(tokens, index) - 1].text
    else:
        before = b";"
    if before in _QUALIFIERS or before in (b"operator", b"using", b"typename", b"class", b"struct", b"define"):
        return False
    inside = [token.text for token in tokens[end + 1 : end + 5]]
    if inside[:1] == [b"&"]:  # `float4 (&tile)[16]`: nothing is constructed from an address
        return False
    # `float4 (*row)[16];` is a declaration at the start of a statement; elsewhere `float4(*pointer)` constructs.
    pointer = inside[:1] == [b"*"] and inside[2:4] in ([b")", b"["], [b")", b"("])
    return not (pointer and before in (b";", b"{", b"}"))


def _is_initialised(tokens: Sequence[Token], name: int, types: frozenset[bytes]) -> bool:
    """Return True if `name` is a variable with arguments, rather than a function with parameters."""
    if name + 2 >= len(tokens) or tokens[name].kind != "word" or tokens[name + 1].text != b"(":
        return False
    close = after_parentheses(tokens, name + 1)
    if close is None or close >= len(tokens) or tokens[close].text not in (b";", b","):
        return False
    first, second = tokens[name + 2], tokens[name + 3]
    if first.text == b")" or (first.kind == second.kind == "word"):  # no expression has two words side by side
        return False
    is_type = first.text in _QUALIFIERS or first.text in types or _TYPE.fullmatch(first.text) is not None
    return not (is_type and second.text in (b"&", b"*", b",", b")"))
