"""The few constructs of Metal that C++ for OpenCL has no spelling for, rewritten before Clang sees them.

Every rewrite is an edit of a few tokens; `EditedSource.original` maps a place in the new text back to the user's, so
that diagnostics point into the file that the user wrote.
"""

from collections.abc import Sequence

from metalsci.cpu_metal.legalize.casts import casts
from metalsci.cpu_metal.legalize.code_tokens import code
from metalsci.cpu_metal.legalize.constructed_types import TypeNames
from metalsci.cpu_metal.legalize.constructors import constructors
from metalsci.cpu_metal.legalize.instantiations import instantiations, method_qualifiers
from metalsci.cpu_metal.legalize.reserved_names import names
from metalsci.cpu_metal.legalize.struct_copies import copies
from metalsci.cpu_metal.legalize.suffixes import literals
from metalsci.cpu_metal.legalize.threadgroup_variables import threadgroup_variables
from metalsci.cpu_metal.legalize.vector_comparisons import loose_truths
from metalsci.msl.text.edits import Edit, EditedSource
from metalsci.msl.text.lexer import SourceText

__all__ = ["rewrite"]


def rewrite(text: SourceText) -> EditedSource:
    """Return the text that Clang compiles."""
    tokens = code(text)
    types = TypeNames.of(tokens)
    edits = [
        *literals(tokens),  # first: what others insert at the same place comes behind
        *copies(tokens),  # around the constructed value
        *casts(text, tokens, types),
        *constructors(text, tokens, types),
        *loose_truths(tokens),
        *threadgroup_variables(tokens),
        *instantiations(text, tokens),
        *method_qualifiers(tokens),
        *names(tokens),
    ]
    return EditedSource(text, _without_overlaps(edits))


def _without_overlaps(edits: Sequence[Edit[bytes]]) -> tuple[Edit[bytes], ...]:
    kept: list[Edit[bytes]] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return tuple(kept)
