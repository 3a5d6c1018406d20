"""Constructors: `float4(a, b, c, d)` becomes `metal::_make<float4>(a, b, c, d)`.

`float4 v(a, b, c, d);` becomes `float4 v = metal::_make<float4>(a, b, c, d);`. Vectors are Clang's own, which C++ gives
no constructors. The same holds for the two scalars that convert to one another only through a third.
"""

from collections.abc import Iterator, Sequence

from metalsci.cpu_metal.legalize.code_tokens import CodeTokens
from metalsci.cpu_metal.legalize.constructed_types import CONVERTED, QUALIFIERS, TYPE, TypeNames, start_of_name
from metalsci.cpu_metal.legalize.vector_comparisons import truths
from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import SourceText, Token


def constructors(text: SourceText, tokens: CodeTokens, names: TypeNames) -> Iterator[Edit[bytes]]:
    """Yield edits of every constructor, in the bodies of macros too."""
    index = 0
    while index < len(tokens):
        token = tokens[index]
        end = names.after(tokens, index)
        if not end:
            index += 1
            continue
        if _is_constructor(tokens, index, end):
            first = start_of_name(tokens, index)
            yield Edit(tokens[first].start, tokens[first].start, b"metal::_make<")
            yield Edit(tokens[end - 1].end, tokens[end - 1].end, b">")
            yield from truths(tokens, end)
        elif token.text not in CONVERTED and _is_initialised(tokens, end, names.own):
            first = start_of_name(tokens, index)
            spelling = text.data[tokens[first].start : tokens[end - 1].end]
            yield Edit(tokens[end].end, tokens[end].end, b" = metal::_make<%b>" % spelling)
            yield from truths(tokens, end + 1)
        index = end


def _is_constructor(tokens: Sequence[Token], index: int, end: int) -> bool:
    if end >= len(tokens) or tokens[end].text != b"(":
        return False
    if index:
        before = tokens[start_of_name(tokens, index) - 1].text
    else:
        before = b";"
    if before in QUALIFIERS or before in (b"operator", b"using", b"typename", b"class", b"struct", b"define"):
        return False
    inside = [token.text for token in tokens[end + 1 : end + 5]]
    if inside[:1] == [b"&"]:  # `float4 (&tile)[16]`: nothing is constructed from an address
        return False
    # `float4 (*row)[16];` is a declaration at the start of a statement; elsewhere `float4(*pointer)` constructs.
    pointer = inside[:1] == [b"*"] and inside[2:4] in ([b")", b"["], [b")", b"("])
    return not (pointer and before in (b";", b"{", b"}"))


def _is_initialised(tokens: CodeTokens, name: int, types: frozenset[bytes]) -> bool:
    """Return True if `name` is a variable with arguments, rather than a function with parameters."""
    if name + 2 >= len(tokens) or tokens[name].kind != "word" or tokens[name + 1].text != b"(":
        return False
    close = tokens.behind(name + 1)
    if not close or close >= len(tokens) or tokens[close].text not in (b";", b","):
        return False
    first, second = tokens[name + 2], tokens[name + 3]
    if first.text == b")" or (first.kind == second.kind == "word"):  # no expression has two words side by side
        return False
    is_type = first.text in QUALIFIERS or first.text in types or TYPE.fullmatch(first.text) is not None
    return not (is_type and second.text in (b"&", b"*", b",", b")"))
