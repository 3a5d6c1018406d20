"""Vectors whose braces have too few elements, `float4 v = {1.0f};`: the rest is zero in Metal.

C++ for OpenCL refuses that, by type, so that only Clang can say where: its messages become edits.
"""

import re
from collections.abc import Iterator

from metalsci.cpu_metal.legalize.code_tokens import code
from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import SourceText

_MESSAGE = re.compile(
    r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+):.* error: too few elements in vector initialization "
    r"\(expected (?P<wanted>\d+) elements, have (?P<given>\d+)\)$",
    re.MULTILINE,
)


def completions(messages: str, file: str, text: SourceText) -> Iterator[Edit[bytes]]:
    """Add the zeros that are missing in `text`, the content of `file`."""
    found = [each for each in _MESSAGE.finditer(messages) if each["file"].removeprefix("./") == file]
    if not found:
        return
    tokens = code(text)
    braces = {token.start: index for index, token in enumerate(tokens) if token.text == b"{"}
    missing = {text.offset(int(f["line"]), int(f["column"])): int(f["wanted"]) - int(f["given"]) for f in found}
    for offset, count in missing.items():
        behind = tokens.behind(braces.get(offset, -1))
        if behind:
            at = tokens[behind - 1].start
            separator = b" 0" if tokens[behind - 2].text == b"," else b", 0"
            yield Edit(at, at, separator + b", 0" * (count - 1))
