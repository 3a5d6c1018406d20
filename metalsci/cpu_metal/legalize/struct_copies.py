"""Copies of objects of the file's own structs, which may lie in constant memory.

C++ copies them from any other address space, so such copies are made by a function that reads there too. `S a = b;`, `a
= b;`, `return b;` and an argument `f(b)` for a parameter `S s` become `S a = metal::_load(b);` and so on.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from metalsci.cpu_metal.legalize.code_tokens import after_parentheses
from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import Token


def copies(tokens: Sequence[Token]) -> Iterator[Edit[bytes]]:
    structs = {b.text for a, b in pairwise(tokens) if a.text in (b"struct", b"class") and b.kind == "word"}
    variables = {b.text for a, b in pairwise(tokens) if a.text in structs and b.kind == "word"}
    for index, token in enumerate(tokens[:-4]):
        name, equals = tokens[index + 1 : index + 3]
        declared = token.text in structs and name.kind == "word"
        assigned = token.text in (b";", b"{", b"}") and name.text in variables
        if (declared or assigned) and equals.text == b"=":
            yield from _statement(tokens, index + 3)
    # If the file has no struct in constant memory, none can be copied from there.
    if structs & _in_constant_memory(tokens):
        yield from _calls(tokens, structs)
        yield from _returns(tokens, structs)


def _in_constant_memory(tokens: Sequence[Token]) -> set[bytes]:
    """Return the words next to `constant`, before and behind it."""
    words: set[bytes] = set()
    for index, token in enumerate(tokens):
        if token.text == b"constant":
            words |= {t.text for t in tokens[max(index - 2, 0) : index + 3]}
    return words


def _statement(tokens: Sequence[Token], start: int) -> Iterator[Edit[bytes]]:
    """Yield the copies from `start` to the end of a statement that declares or assigns nothing else."""
    end = next((i for i in range(start, len(tokens)) if tokens[i].text in (b";", b",", b"{")), None)
    if end is not None and end > start and tokens[end].text == b";" and tokens[end].kind == "punct":
        yield from _load(tokens, start, end)


def _load(tokens: Sequence[Token], start: int, end: int) -> Iterator[Edit[bytes]]:
    yield Edit(tokens[start].start, tokens[start].start, b"metal::_load(")
    yield Edit(tokens[end].start, tokens[end].start, b")")


def _calls(tokens: Sequence[Token], structs: set[bytes]) -> Iterator[Edit[bytes]]:
    """Edit arguments of functions whose parameters are structs by value, in every definition of that name."""
    taken: dict[bytes, frozenset[int]] = {}
    heads = set(_heads(tokens))
    for index in heads:
        by_value = frozenset(
            position
            for position, (first, last) in enumerate(_arguments(tokens, index + 1))
            if any(t.text in structs for t in tokens[first:last])
            and all(t.text in structs or t.kind == "word" for t in tokens[first:last])
        )
        name = tokens[index].text
        taken[name] = taken.get(name, by_value) & by_value
    for index, token in enumerate(tokens):
        if index not in heads and taken.get(token.text) and tokens[index + 1].text == b"(":
            for position, (first, last) in enumerate(_arguments(tokens, index + 1)):
                if position in taken[token.text] and not any(t.text == b"{" for t in tokens[first:last]):
                    yield from _load(tokens, first, last)


def _returns(tokens: Sequence[Token], structs: set[bytes]) -> Iterator[Edit[bytes]]:
    for index, body in _heads(tokens).items():
        if body is None or tokens[index - 1].text not in structs:
            continue
        depth = 0
        for position in range(body, len(tokens)):
            depth += (tokens[position].text == b"{") - (tokens[position].text == b"}")
            if depth == 0:
                break
            if tokens[position].text == b"return":
                yield from _statement(tokens, position + 1)


def _heads(tokens: Sequence[Token]) -> Mapping[int, int | None]:
    """Return the index of each function's name, and of the brace that opens its body if it has one."""
    heads: dict[int, int | None] = {}
    for index, token in enumerate(tokens[:-1]):
        before = tokens[index - 1] if index else token
        typed = before.kind == "word" and before.text not in (b"return", b"else", b"case")
        if token.kind != "word" or not typed or tokens[index + 1].text != b"(":
            continue
        close = after_parentheses(tokens, index + 1)
        while close is not None and close < len(tokens) and tokens[close].text in (b"const", b"thread"):
            close += 1
        if close is not None and close < len(tokens) and tokens[close].text in (b"{", b";"):
            if tokens[close].text == b"{":
                heads[index] = close
            else:
                heads[index] = None
    return heads


def _arguments(tokens: Sequence[Token], opening: int) -> Iterator[tuple[int, int]]:
    """Yield first and last index, the latter not included, of each argument or parameter between parentheses."""
    depth, first = 0, opening + 1
    for index in range(opening, len(tokens)):
        text = tokens[index].text
        depth += text in (b"(", b"[", b"{")
        if depth == 1 and text in (b",", b")"):
            if index > first:
                yield first, index
            first = index + 1
        depth -= text in (b")", b"]", b"}")
        if depth == 0:
            return
