"""Descriptors of a kernel, read from its text: how it uses the machine, not how fast it is."""

import re
from dataclasses import dataclass

from metalsci.msl.text.lexer import Token, tokenize

_TYPES = {"half": 2, "short": 2, "ushort": 2, "char": 1, "uchar": 1, "bool": 1, "float": 4, "int": 4, "uint": 4}
_CONSTANT = re.compile(rb"#\s*define\s+(\w+)\s+\(?(\d+)[uU]?\)?\s*$|constexpr\s[^;=]*?(\w+)\s*=\s*(\d+)[uU]?\s*;")


@dataclass(frozen=True)
class Descriptors:
    """Facts about a kernel's text.

    threadgroup_memory: bytes declared in threadgroup arrays, if their extents are literal or named constants.
    barriers: calls of threadgroup_barrier. simd_functions: calls of simd_… and quad_… functions. size: tokens.
    """

    threadgroup_memory: int
    barriers: int
    simd_functions: int
    size: int


def describe_kernel(source: str) -> Descriptors:
    data = source.encode(errors="replace")
    tokens = [token for token in tokenize(data) if token.kind not in ("comment", "directive")]
    words = [token.text for token in tokens if token.kind == "word"]
    barriers = words.count(b"threadgroup_barrier")
    simd = sum(word.startswith((b"simd_", b"quad_")) for word in words)
    return Descriptors(_threadgroup_bytes(tokens, _constants(data)), barriers, simd, len(tokens))


def _constants(data: bytes) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for line in data.splitlines():
        match = _CONSTANT.search(line)
        if match:
            name, value = (match[1], match[2]) if match[1] else (match[3], match[4])
            found[name] = int(value)
    return found


def _threadgroup_bytes(tokens: list[Token], constants: dict[bytes, int]) -> int:
    """Add up the `threadgroup TYPE NAME[A][B];` declarations. Pointers and parameters declare no memory."""
    total = 0
    for at, token in enumerate(tokens):
        if token.text == b"threadgroup" and at + 3 < len(tokens) and tokens[at + 3].text == b"[":
            kind = tokens[at + 1].text.decode(errors="replace")
            total += _scalar_bytes(kind) * _extent(tokens, at + 3, constants)
    return total


def _scalar_bytes(kind: str) -> int:
    base = kind.rstrip("234")
    lanes = {"2": 2, "3": 4, "4": 4}.get(kind[len(base) :], 1)
    return _TYPES.get(base, 4) * lanes


def _extent(tokens: list[Token], at: int, constants: dict[bytes, int]) -> int:
    """Multiply the extents in brackets from `at` on; an expression counts as its largest constant."""
    extent = 1
    while at < len(tokens) and tokens[at].text == b"[":
        values = [1]
        while at < len(tokens) and tokens[at].text != b"]":
            text = tokens[at].text
            if text.rstrip(b"uU").isdigit():
                values.append(int(text.rstrip(b"uU")))
            values.append(constants.get(text, 1))
            at += 1
        extent *= max(values)
        at += 1
    return extent
