"""Buffers: memory that the host sees as a NumPy array and the device process maps."""

import mmap
import os
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.execute.host import shared_memory
from metalsci.cpu_metal.execute.large_pages import collapse

PAGE = 16384
"""A multiple of the page of every system meant."""
_ALIGNMENT = 64


class SharedRegion:
    """Zeroed memory in whole pages, shared by descriptor. Freed with the last reference to it or its views."""

    def __init__(self, size: int) -> None:
        self.size = -(-max(size, 1) // PAGE) * PAGE
        self.descriptor = shared_memory("metal-buffer", self.size)
        weakref.finalize(self, os.close, self.descriptor)
        collapse(self.descriptor, self.size)
        self.memory = mmap.mmap(self.descriptor, self.size)


class Buffer:
    """A buffer of the device.

    It ends where a page ends, so that the first access beyond it faults.
    """

    initialised = False
    """False if its content may be anybody's: the sanitizer reports reads of what nobody has written."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        dtype = np.dtype(dtype)
        self.nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        aligned = -(-max(self.nbytes, 1) // _ALIGNMENT) * _ALIGNMENT
        self.region = SharedRegion(aligned)
        self.start = self.region.size - aligned
        """Place of the buffer's first byte in the region."""
        self._array: npt.NDArray[Any] = np.ndarray(shape, dtype, self.region.memory, self.start)

    @property
    def array(self) -> npt.NDArray[Any]:
        """The same memory, for the host. After any access to it, the host may have written to it."""
        self.initialised = True
        return self._array

    @property
    def padding(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """The bytes of the region before the buffer and after it. Nothing may use them."""
        whole: npt.NDArray[np.uint8] = np.ndarray((self.region.size,), np.uint8, self.region.memory)
        return whole[: self.start], whole[self.start + self.nbytes :]

    def at(self, offset: int) -> "BufferSlice":
        """Return the buffer from a byte offset on, to be bound in its place."""
        if not 0 <= offset <= self.nbytes:
            raise ValueError(f"offset {offset} is not within the buffer's {self.nbytes:,} bytes")
        return BufferSlice(self, offset)


@dataclass(frozen=True)
class BufferSlice:
    """A buffer from a byte offset on."""

    buffer: Buffer
    offset: int
