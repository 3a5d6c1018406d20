"""Digests of this package's own files, of which keys of the cache are made."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from metalsci.cpu_metal.compile.kernel_cache import digest

_Stamp = tuple[str, int, int]


def fingerprint(folder: Path) -> str:
    """Return a digest of the names and the contents of all files in a folder.

    They are read again only after one of them has been changed: a compile needs this twice, and reading takes longer
    than all the rest that a compile does in this process.
    """
    return _of(tuple(sorted(_stamps(str(folder)))))


def _stamps(folder: str) -> Iterator[_Stamp]:
    """Yield path, time of the last change in nanoseconds and size of each file."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _stamps(entry.path)
            else:
                status = entry.stat()
                yield entry.path, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=16)
def _of(files: tuple[_Stamp, ...]) -> str:
    parts: list[str | bytes] = []
    for name, _, _ in files:
        path = Path(name)
        parts += [path.name, path.read_bytes()]
    return digest(*parts)
