"""Buffers: memory that the host sees as a NumPy array and the device process maps."""

import mmap
import os
import weakref
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.execute.host import shared_memory
from metalsci.cpu_metal.execute.large_pages import collapse

PAGE = 16384
"""A multiple of the page of every system meant."""
_ALIGNMENT = 64


class SharedMemory(mmap.mmap):
    """Memory that is shared by its descriptor, which is closed with it.

    used: bytes of the buffer that lies in it.
    """

    descriptor: int
    used = 0


def _shared(size: int) -> SharedMemory:
    descriptor = shared_memory("metal-buffer", size)
    collapse(descriptor, size)
    memory = SharedMemory(descriptor, size)
    memory.descriptor = descriptor
    weakref.finalize(memory, os.close, descriptor)
    return memory


class SharedRegion:
    """Zeroed memory in whole pages, or such memory that is there. Freed with the last reference to it or its views."""

    def __init__(self, size: int, memory: SharedMemory | None = None) -> None:
        self.size = -(-max(size, 1) // PAGE) * PAGE
        self.memory = _shared(self.size) if memory is None else memory
        self.descriptor = self.memory.descriptor


class Buffer:
    """A buffer of the device.

    It ends where a page ends, so that the first access beyond it faults.
    """

    initialised = False
    """False if its content may be anybody's: the sanitizer reports reads of what nobody has written."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike, memory: SharedMemory | None = None) -> None:
        dtype = np.dtype(dtype)
        self.nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        aligned = -(-max(self.nbytes, 1) // _ALIGNMENT) * _ALIGNMENT
        self.region = SharedRegion(aligned, memory)
        self.region.memory.used = self.nbytes
        self.start = self.region.size - aligned
        """Place of the buffer's first byte in the region."""
        self._array: npt.NDArray[Any] = np.ndarray(shape, dtype, self.region.memory, self.start)

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> Self | None:
        """Return a buffer of which `array` is the memory, without a copy; None if it is not that of a whole buffer.

        The array may be all that is left of the buffer that it came from.
        """
        memory = array.base
        while isinstance(memory, np.ndarray):
            memory = memory.base
        if not isinstance(memory, SharedMemory) or array.nbytes != memory.used or not array.flags.c_contiguous:
            return None
        buffer = cls(array.shape, array.dtype, memory)
        buffer.initialised = True
        return buffer

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


def _aligned(nbytes: int) -> int:
    return -(-max(nbytes, 1) // _ALIGNMENT) * _ALIGNMENT


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


@dataclass(frozen=True)
class BufferSlice:
    """A buffer from a byte offset on."""

    buffer: Buffer
    offset: int
