"""Names that Clang takes for something else: OpenCL's words, which are free in Metal, and some vectors.

OpenCL's are `local`, `global` and `pipe`; Clang has no vector for `vec<bool, N>`.
"""

import re
from collections.abc import Iterator, Sequence

from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import Token

PREFIX = b"_metal_"
"""Beginning of every name that the rewriting makes out of one of the user's."""

_OPENCL = re.compile(
    rb"global|local|generic|pipe|vec_step|addrspace_cast|(?:read|write)_only|read_write"
    rb"|__(?:global|local|constant|private|generic|kernel|read_only|write_only|read_write)"
    rb"|image(?:1d|2d|3d|1d_array|1d_buffer|2d_array)(?:_depth|_msaa|_msaa_depth)?_t"
)


def spelling(name: bytes) -> bytes:
    """Return the spelling of a user's name in the text that Clang compiles."""
    if _OPENCL.fullmatch(name):
        return PREFIX + name
    return name


def names(tokens: Sequence[Token]) -> Iterator[Edit[bytes]]:
    for index, token in enumerate(tokens):
        if token.kind == "word" and spelling(token.text) != token.text:
            yield Edit(token.start, token.start, PREFIX)
        elif token.text == b"vec" and [t.text for t in tokens[index + 1 : index + 4]] == [b"<", b"bool", b","]:
            yield Edit(token.start, tokens[index + 3].end, b"_bool_vec<")
