"""Variables in threadgroup memory, wherever a function declares them.

`threadgroup float a[16], b;` becomes `typedef float _metal_a[16], _metal_b;` and, for each, a reference into the
worker's threadgroup memory, at an offset that the linker chooses (include/metal_threadgroup).
"""

from collections.abc import Iterator, Sequence

from metalsci.cpu_metal.legalize.code_tokens import after_parentheses
from metalsci.cpu_metal.legalize.reserved_names import PREFIX, spelling
from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import Token


def threadgroup_variables(tokens: Sequence[Token]) -> Iterator[Edit[bytes]]:
    start = depth = brackets = 0
    for index, token in enumerate(tokens):
        depth += (token.text == b"{") - (token.text == b"}")
        brackets += (token.text in (b"[", b"(")) - (token.text in (b"]", b")"))
        if index + 1 < len(tokens):
            after = tokens[index + 1].text
        else:
            after = b""
        label = token.text == b":" and not brackets and b":" not in (tokens[index - 1].text, after)
        if token.text not in (b";", b"{", b"}") and not label:
            continue
        brackets = 0
        if token.text == b";" and depth:
            yield from _threadgroup_statement(tokens[start:index])
        start = index + 1


def _threadgroup_statement(statement: Sequence[Token]) -> Iterator[Edit[bytes]]:
    plain, alignments = _without_attributes(statement)
    names = list(_declared(plain))
    if not names or names[0] < 2 or all(token.text != b"threadgroup" for token in plain[: names[0]]):
        return
    # Pointers and references to threadgroup memory are C++ as they stand; an initialiser is for Clang to refuse.
    if any(token.text in (b"*", b"&", b"=", b"using", b"typedef", b"(") for token in _outside_brackets(plain)):
        return
    for token in plain[: names[0]]:
        if token.text in (b"threadgroup", b"static"):
            yield Edit(token.start, token.end, b"typedef" if token.text == b"threadgroup" else b"")
    for word, close in alignments:  # `alignas` is not for typedefs
        yield Edit(word.start, word.end, b"__attribute__((aligned")
        yield Edit(close.end, close.end, b"))")
    for name in names:
        yield Edit(plain[name].start, plain[name].start, PREFIX)
    variables = b"".join(b"; METAL_THREADGROUP(%b)" % spelling(plain[name].text) for name in names)
    yield Edit(statement[-1].end, statement[-1].end, variables)


def _without_attributes(statement: Sequence[Token]) -> tuple[Sequence[Token], Sequence[tuple[Token, Token]]]:
    """Remove `__attribute__((…))` and `alignas(…)`; return also the word and last parenthesis of the latter."""
    plain, alignments = [], []
    index = 0
    while index < len(statement):
        token = statement[index]
        if token.text not in (b"__attribute__", b"__attribute", b"alignas"):
            plain.append(token)
            index += 1
            continue
        index = after_parentheses(statement, index + 1) or len(statement)
        if token.text == b"alignas":
            alignments.append((token, statement[index - 1]))
    return plain, alignments


def _outside_brackets(statement: Sequence[Token]) -> Iterator[Token]:
    depth = 0
    for token in statement:
        depth += token.text == b"["
        if not depth:
            yield token
        depth -= token.text == b"]"


def _declared(statement: Sequence[Token]) -> Iterator[int]:
    """Yield the index of each name that `type a[2][3], b` declares.

    It is the last word before its dimensions, `,` or the end.
    """
    angles = brackets = 0
    name: int | None = None
    for index, token in enumerate(statement):
        if brackets == 0:
            angles += (token.text == b"<") - (token.text == b">")
        brackets += (token.text == b"[") - (token.text == b"]")
        if angles or brackets:
            continue
        if token.text == b"," and name is not None:
            yield name
            name = None
        elif token.kind == "word":
            name = index
    if name is not None:
        yield name
