"""Arrays on disk: those that are large, kept for long and seldom read, such as expected results.

They lie in a file that has no name, mapped into memory as ordinary NumPy arrays. Whoever has read one lets go of its
pages: they stay in the system's page cache for as long as nobody needs the memory, and belong to no process.
"""

import math
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from metalsci.files.locations import cache

LARGE = 8 << 20
"""Bytes of an array from which on it is worth a file."""
_HELD = 4 << 20  # bytes that a reader of parts has in memory at most
_BLOCK = 1 << 20  # bytes of a write


class _Mapping(mmap.mmap):
    """The memory of an array on disk."""


def empty_on_disk(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros on disk; in memory if it is small or no disk has room for it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size >= LARGE:
        with suppress(OSError), _file() as file:
            _reserve(file, size)
            return mapped(file, shape, dtype)
    return np.zeros(shape, dtype)


def on_disk(array: NDArray[Any]) -> NDArray[Any]:
    """Return the same array on disk; itself if it is small, there already, or no disk has room for it."""
    if array.nbytes < LARGE or _mapping(array) is not None:
        return array
    with suppress(OSError), _file() as file:
        write_parts(file, array)
        return mapped(file, array.shape, array.dtype)
    return array


def write_parts(file: IO[bytes], array: NDArray[Any]) -> None:
    """Write the bytes of an array in row-major order."""
    for part in parts(np.ascontiguousarray(array), max(1, _BLOCK // array.itemsize)):
        file.write(part.view(np.uint8).data)


def read_parts(file: IO[bytes], array: NDArray[Any]) -> None:
    """Fill a contiguous array with bytes of a file. Raises EOFError if there are too few."""
    for part in parts(array, max(1, _BLOCK // array.itemsize)):
        data = file.read(part.nbytes)
        if len(data) < part.nbytes:
            raise EOFError("a file ends within an array")
        part[:] = np.frombuffer(data, part.dtype)


def mapped(file: IO[bytes], shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return the content of a file as an array, which holds on to the file."""
    file.flush()
    return np.ndarray(tuple(shape), dtype, _Mapping(file.fileno(), 0))


def parts(array: NDArray[Any], elements: int) -> Iterator[NDArray[Any]]:
    """Yield a contiguous array in parts of so many elements, letting go of what has been read on disk."""
    flat = array.reshape(-1)
    held = max(elements, _HELD // max(1, array.itemsize))
    kept = 0
    for start in range(0, flat.size, elements):
        if start - kept >= held:
            let_go(flat[kept:start])
            kept = start
        yield flat[start : start + elements]
    let_go(flat[kept:])


def let_go(array: NDArray[Any]) -> None:
    """Give back the memory of an array on disk, or of a contiguous part of one. Nothing for other arrays."""
    mapping = _mapping(array)
    if mapping is not None and array.size:
        whole = np.frombuffer(mapping, np.uint8)
        first = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        start = first - first % mmap.PAGESIZE
        mapping.madvise(mmap.MADV_DONTNEED, start, first + array.nbytes - start)


def _mapping(array: NDArray[Any]) -> _Mapping | None:
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, _Mapping) else None


def _file() -> IO[bytes]:
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    return TemporaryFile(dir=folder)


def _reserve(file: IO[bytes], size: int) -> None:
    """Reserve room, since a process that writes to a mapping for which there is none is killed."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        os.ftruncate(file.fileno(), size)
