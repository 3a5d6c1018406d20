"""Shared memory in pages of 2 MiB, where Linux gives them.

A kernel that streams through memory spends up to a third of its time on the addresses of pages of 4 KiB. Linux gives
private memory larger ones by itself, but memory that processes share only where an administrator has set
`transparent_hugepage/shmem_enabled`. `MADV_COLLAPSE` (Linux 6.1) joins pages that are there, whatever is set. It is
asked for before anything is written: then nothing is copied, and small pages need not be faulted in one by one.
"""

import ctypes
import mmap
import os
from functools import cache

LARGE = 2 << 20
"""Bytes of a large page. The device's mappings start at multiples of it (LARGE_PAGE of runtime/memory.c)."""
_FIXED = 0x10  # MAP_FIXED
_COLLAPSE = 25  # MADV_COLLAPSE
_FAILED = ctypes.c_void_p(-1).value  # MAP_FAILED
_SHARE = 4
"""A part of the free memory, one in so many, that may be taken at once: large pages are all there, used or not."""


def collapse(descriptor: int, size: int) -> None:
    """Put shared memory that nobody has written to into large pages, all but what is left over at its end.

    Where that cannot be, it stays what it is: as much memory, in small pages.
    """
    parts = size // LARGE
    if not parts or size > os.sysconf("SC_AVPHYS_PAGES") * mmap.PAGESIZE // _SHARE:
        return
    system, anonymous = _system(), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    # Large pages lie at multiples of their size, and Python's mmap takes no address.
    reserved = system.mmap(None, (parts + 1) * LARGE, 0, anonymous, -1, 0)
    if reserved == _FAILED:
        return
    try:
        start = -(-reserved // LARGE) * LARGE
        if system.mmap(start, parts * LARGE, mmap.PROT_READ, mmap.MAP_SHARED | _FIXED, descriptor, 0) != start:
            return
        for part in range(parts):  # there is nothing to join where nothing is
            os.pwrite(descriptor, b"\0", part * LARGE)
        system.madvise(start, parts * LARGE, _COLLAPSE)
    finally:
        system.munmap(reserved, (parts + 1) * LARGE)


@cache
def _system() -> ctypes.CDLL:
    system = ctypes.CDLL(None)
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    system.mmap.argtypes = [pointer, size, number, number, number, ctypes.c_long]
    system.mmap.restype = pointer
    system.madvise.argtypes = [pointer, size, number]
    system.munmap.argtypes = [pointer, size]
    return system
