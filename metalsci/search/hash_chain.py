"""The hash chain of a journal: each line carries a digest of itself and of all lines before it.

Changing, removing or inserting a line breaks the chain at that place. Lines of journals from before the chain carry no
link; lines that such a run adds later do.
"""

import hashlib
import re
from pathlib import Path

_LINK = re.compile(rb',"link":"([0-9a-f]{32})"\}\n$')


def linked(record: bytes, before: str) -> tuple[bytes, str]:
    """Return the line of a record (a JSON object) that follows the link `before`, and its own link."""
    link = _digest(before, record)
    return record[:-1] + b',"link":"' + link.encode() + b'"}\n', link


def last_link(path: Path) -> str:
    """Return the link of a journal's last line; empty if it has none."""
    last = b""
    with path.open("rb") as file:
        for last in file:  # noqa: B007  (only the last one counts)
            pass
    match = _LINK.search(last)
    if match:
        return match[1].decode()
    return ""


def first_broken(path: Path) -> int | None:
    """Return the number of the first line whose link does not follow from the lines before it; None if all do."""
    before = ""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            match = _LINK.search(line)
            if match is None:
                return number
            record = line[: match.start()] + b"}"
            if _digest(before, record) != match[1].decode():
                return number
            before = match[1].decode()
    return None


def _digest(before: str, record: bytes) -> str:
    return hashlib.sha256(before.encode() + record).hexdigest()[:32]
