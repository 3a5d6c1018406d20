"""Answers that edit a kernel instead of writing it again: search and replace blocks against the request's parent.

<<<<<<< SEARCH
lines that stand in the kernel exactly once
=======
lines to put there
>>>>>>> REPLACE
"""

import re

from metalsci.msl.text.quoting import inline

_BLOCK = re.compile(
    r"^<{5,9} ?SEARCH[ \t]*\n(.*?)^={5,9}[ \t]*\n(.*?)^>{5,9} ?REPLACE[ \t]*$", re.DOTALL | re.MULTILINE
)
_BEGIN = re.compile(r"^<{5,9} ?SEARCH[ \t]*$", re.MULTILINE)


class EditError(Exception):
    """An edit that cannot be made; the message is for the model."""


def has_edits(text: str) -> bool:
    return _BEGIN.search(text) is not None


def apply_edits(text: str, parent: str) -> str:
    """Make the edits of an answer, one after the other. Raises EditError."""
    blocks = _BLOCK.findall(text)
    if len(blocks) < len(_BEGIN.findall(text)):
        raise EditError("a SEARCH block has no `=======` or no `>>>>>>> REPLACE` after it")
    edited = parent
    for number, (search, replacement) in enumerate(blocks, start=1):
        if not search.strip():
            raise EditError(f"edit {number} searches for nothing: give the lines that it replaces")
        count = edited.count(search)
        if count != 1:
            line = inline(search.strip().splitlines()[0])
            found = f"stands there {count} times" if count else "does not stand there"
            raise EditError(
                f"edit {number} does not apply to the kernel to improve on: its text, which begins with {line}, {found}"
            )
        edited = edited.replace(search, replacement)
    if edited == parent:
        raise EditError("the edits change nothing")
    return edited
