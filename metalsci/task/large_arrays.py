"""Inputs and references of hundreds of megabytes, which a task may make in parts. Small ones need none of this.

An array of `empty` is the buffer that a device will run on, so that inputs exist once. `elementwise` works on parts
that stay in a processor's cache, so that nothing between input and result is as large as they are.
"""

import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from metalsci import cpu_metal
from metalsci.devices.program import Array
from metalsci.files.disk_arrays import LARGE, empty_on_disk, let_go, parts

__all__ = ["elementwise", "empty", "empty_on_disk", "expected", "let_go", "parts"]

_PART = 1 << 16  # elements
_SHARES_MEMORY = hasattr(os, "memfd_create")


def empty(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """Return an array for an input, with anything in it: as `numpy.empty` does, in a device's buffer if it is large."""
    shape = tuple(shape)
    if not _SHARES_MEMORY or int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize < LARGE:
        return np.empty(shape, dtype)
    return cpu_metal.Buffer(shape, dtype).array


def elementwise(function: Callable[..., Array], *arrays: Array, out: Array) -> Array:
    """Fill `out` with a function of arrays of its shape, element by element, and return it."""
    for into, *of in zip(parts(out, _PART), *(parts(array, _PART) for array in arrays), strict=True):
        into[:] = function(*of)
    return out


def expected(function: Callable[..., Array], *arrays: Array, dtype: DTypeLike) -> Array:
    """Return a function of arrays, element by element, as a reference: on disk where it is large."""
    return elementwise(function, *arrays, out=empty_on_disk(arrays[0].shape, dtype))
