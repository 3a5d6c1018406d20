"""Pieces of LLVM's text: the end of an operand, the end of its type, the metadata."""

import re
from functools import cache

_OPEN, _CLOSE = "([{<", ")]}>"
_BRACKETS = re.compile(r'[(\[{<"]')
_ATTRIBUTE = re.compile(r"(?:align \d+|[a-z_]+(?:\([^()]*\))?) (?=\S)")
_METADATA = re.compile(r", !(?=[a-z])")
# Words that stand between a type and its value and belong to the value.
_VALUE_WORDS = ("splat", "true", "false", "null", "poison", "undef", "getelementptr", "ptrtoint", "add", "sub")
NAME = re.compile(r"%(?:\"[^\"]+\"|[\w.$-]+)")
"""A local value, or a block's label where it is used."""


def closed(text: str, start: int) -> int:
    """Find the index after the bracket that closes the one at `start`."""
    depth = 0
    for index in range(start, len(text)):
        character = text[index]
        if character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        if depth == 0:
            return index + 1
    return len(text)


def operands(text: str) -> list[str]:
    """Cut `text` at the commas that stand outside brackets and quotes."""
    if not _BRACKETS.search(text):
        return [part.strip() for part in text.split(",")]
    parts, depth, start, quoted = [], 0, 0, False
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def arguments(call: str) -> list[str]:
    """Return the operands in a call's parentheses, the first ones after `@name`."""
    start = call.index("(", call.index("@"))
    inside = call[start + 1 : closed(call, start) - 1]
    if inside:
        return operands(inside)
    return []


@cache
def split_type(text: str) -> tuple[str, str]:
    """Split `<4 x float> %x` after the type: `<4 x float>` and `%x`, whatever words stand in front of the value."""
    text = text.strip()
    if text[:1] in _OPEN:
        end = closed(text, 0)
        return text[:end], text[end:].strip()
    kind, _, rest = text.partition(" ")
    return kind, rest.strip()


@cache
def typed(operand: str) -> tuple[str, str]:
    """Return `<4 x float> %x` as type and value; attributes between the two, `float noundef %x`, are left out."""
    kind, rest = split_type(operand)
    while match := _ATTRIBUTE.match(rest):
        if match[0].partition(" ")[0].partition("(")[0] in _VALUE_WORDS:
            break
        rest = rest[match.end() :]
    return kind, rest


def without_metadata(text: str) -> tuple[str, str]:
    """Split an instruction before its metadata, `, !dbg !7`."""
    found = _METADATA.search(text)
    if found is None:
        return text, ""
    return text[: found.start()], text[found.start() :]
