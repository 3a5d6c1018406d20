"""Arrays that are the memory of a buffer, which another buffer takes over; and whom that memory obeys."""

import gc
import mmap

import numpy as np
import pytest

from metalsci import cpu_metal
from metalsci.cpu_metal.execute.host import shared_with

DOUBLE = """#include <metal_stdlib>
using namespace metal;
kernel void twice(device const float *x, device float *out, uint i [[thread_position_in_grid]]) { out[i] = 2 * x[i]; }
"""


def filled() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    array = cpu_metal.Buffer((1000,), np.float32).array
    array[:] = np.arange(1000)
    return array


def test_a_buffer_outlives_its_object_in_its_array() -> None:
    array = filled()
    gc.collect()
    buffer = cpu_metal.Buffer.of(array)
    assert buffer is not None
    assert buffer.initialised
    assert np.shares_memory(buffer.array, array)
    with cpu_metal.Device(threads=1) as device:
        out = device.empty((1000,), np.float32)
        kernel = device.compile(DOUBLE).kernels["twice"]
        device.run([cpu_metal.Dispatch(kernel, {0: buffer, 1: out}, threads=(1000,), threadgroup=(100,))])
        np.testing.assert_array_equal(out.array, 2 * np.arange(1000, dtype=np.float32))


def test_a_view_of_all_of_it_is_the_buffer_too() -> None:
    array = filled().reshape(10, 100)
    buffer = cpu_metal.Buffer.of(array)
    assert buffer is not None
    assert buffer.array.shape == (10, 100)


@pytest.mark.parametrize("part", [slice(1, None), slice(None, -1), slice(None, None, -1), slice(None, None, 2)])
def test_a_part_is_none_since_what_lies_next_to_it_belongs_to_the_host(part: slice) -> None:
    assert cpu_metal.Buffer.of(filled()[part]) is None


def test_other_arrays_are_none() -> None:
    assert cpu_metal.Buffer.of(np.zeros(10)) is None
    assert cpu_metal.Buffer.of(np.zeros(20)[:10]) is None


def test_what_a_process_may_only_read_it_cannot_make_writable() -> None:
    """A mapping for reading would not be enough: a process may change the protection of its mappings."""
    buffer = cpu_metal.Buffer((1000,), np.float32)
    with shared_with(buffer.region.descriptor, writable=False) as descriptor:
        with pytest.raises(PermissionError):
            mmap.mmap(descriptor, buffer.region.size)
        mmap.mmap(descriptor, buffer.region.size, access=mmap.ACCESS_READ).close()
    with shared_with(buffer.region.descriptor, writable=True) as descriptor:
        mmap.mmap(descriptor, buffer.region.size).close()
