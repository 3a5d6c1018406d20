"""Scalars next to vectors of smaller elements: `half4 * 0.5f`, `uchar4 + 1`.

Metal converts the scalar to the vector's element type. C++ for OpenCL refuses that, by type, so that only Clang can say
where: its messages, with the ranges of both operands, become edits.
"""

import re
from collections.abc import Iterator

from metalsci.msl.text.edits import Edit
from metalsci.msl.text.lexer import SourceText

FLAGS = ("-fsyntax-only", "-fdiagnostics-print-source-range-info")
_RANGE = r"\{{(?P<{0}_line>\d+):(?P<{0}_column>\d+)-(?P<{0}_last>\d+):(?P<{0}_end>\d+)\}}"
_MESSAGE = re.compile(
    rf"^(?P<file>[^:\n]+):\d+:\d+:{_RANGE.format('left')}{_RANGE.format('right')}: error: "
    r"scalar operand type has greater rank than the type of the vector element\. \((?P<types>.*)\)$",
    re.MULTILINE,
)


def is_mentioned(messages: str) -> bool:
    """Return True if Clang refused such a scalar somewhere."""
    return "scalar operand type has greater rank" in messages


def conversions(messages: str, file: str, text: SourceText) -> tuple[Edit[bytes], ...]:
    """Convert the scalars in `text`, the content of `file`, by messages under FLAGS.

    Operands within others are left to the next round.
    """
    edits: dict[int, Edit[bytes]] = {}
    last = 0
    for start, end, edit in sorted(_operations(messages, file, text), key=lambda found: found[:2]):
        if start >= last:
            edits[edit.start] = edit
            last = end
    return tuple(edits.values())


def _operations(messages: str, file: str, text: SourceText) -> Iterator[tuple[int, int, Edit[bytes]]]:
    for found in _MESSAGE.finditer(messages):
        if found["file"].removeprefix("./") != file:
            continue
        left, right = (_offsets(found, side, text) for side in ("left", "right"))
        vector_first = "vector of" in found["types"].partition(" and ")[0]
        if vector_first:
            vector, scalar = (left, right)
        else:
            vector, scalar = (right, left)
        vector_text, scalar_text = (text.data[slice(*operand)] for operand in (vector, scalar))
        # The sum has the vector's type without address space, const and reference.
        converted = b"metal::_as_element<decltype((%b) + (%b))>(%b)" % (vector_text, vector_text, scalar_text)
        yield left[0], right[1], Edit(*scalar, converted)


def _offsets(found: re.Match[str], side: str, text: SourceText) -> tuple[int, int]:
    return (
        text.offset(int(found[f"{side}_line"]), int(found[f"{side}_column"])),
        text.offset(int(found[f"{side}_last"]), int(found[f"{side}_end"])),
    )
