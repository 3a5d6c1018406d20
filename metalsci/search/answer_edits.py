"""Answers that edit a kernel instead of writing it again: search and replace blocks against a kernel of the prompt.

<<<<<<< SEARCH
lines that stand in the kernel exactly once
=======
lines to put there
>>>>>>> REPLACE

That is the request's parent; `<<<<<<< SEARCH 7` edits attempt 7, if the prompt shows it.
"""

import re
from collections.abc import Mapping

from metalsci.msl.text.quoting import inline

_BLOCK = re.compile(
    r"^<{5,9} ?SEARCH[ \t]*\d*[ \t]*\n(.*?)^={5,9}[ \t]*\n(.*?)^>{5,9} ?REPLACE[ \t]*$", re.DOTALL | re.MULTILINE
)
_BEGIN = re.compile(r"^<{5,9} ?SEARCH[ \t]*(\d*)[ \t]*$", re.MULTILINE)


class EditError(Exception):
    """An edit that cannot be made; the message is for the model."""


def has_edits(text: str) -> bool:
    return _BEGIN.search(text.replace("\r\n", "\n")) is not None


def apply_edits(text: str, parent: str, shown: Mapping[int, str] | None = None) -> str:
    """Make the edits of an answer, one after the other. Raises EditError.

    shown: kernels that may be edited by their number, besides the parent.
    """
    if "\r" not in parent:
        text = text.replace("\r\n", "\n")
    blocks = _BLOCK.findall(text)
    named = _BEGIN.findall(text)
    if len(blocks) < len(named):
        raise EditError("a SEARCH block has no `=======` or no `>>>>>>> REPLACE` after it")
    parent = _named(set(named), parent, shown or {})
    edited = parent
    for number, (search, replacement) in enumerate(blocks, start=1):
        if not search.strip():
            raise EditError(f"edit {number} searches for nothing: give the lines that it replaces")
        count = edited.count(search)
        if count != 1:
            line = inline(search.strip().splitlines()[0])
            found = f"stands there {count} times" if count else "does not stand there"
            raise EditError(
                f"edit {number} does not apply to {_title(named[0])}: its text, which begins with {line}, {found}"
            )
        edited = edited.replace(search, replacement)
    if edited == parent:
        raise EditError("the edits change nothing")
    return edited


def _named(numbers: set[str], parent: str, shown: Mapping[int, str]) -> str:
    """Return the kernel that the blocks name, all the same one. Raises EditError."""
    if len(numbers) > 1:
        raise EditError("the edits are of several kernels: edit one, and repeat what you want of the other")
    (number,) = numbers
    if not number:
        return parent
    if int(number) not in shown:
        there = ", ".join(map(str, sorted(shown))) or "none"
        raise EditError(f"the edits are of attempt {number[:9]}, which is not among the kernels shown: {there}")
    return shown[int(number)]


def _title(number: str) -> str:
    if number:
        return f"attempt {number}"
    return "the kernel to improve on"
