"""Kernels take arguments in every form of declaration, with the sanitizer and without."""

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch, DispatchError

ELEMENTS = [
    ("device uint *x", "x[i]"),
    ("device uint x[]", "x[i]"),
    ("device uint x[12]", "x[i]"),
    ("device uint x[3][4]", "x[i / 4][i % 4]"),
    ("device uint (*x)[4]", "x[i / 4][i % 4]"),
    ("device uint (&x)[12]", "x[i]"),
    ("device uint (&x)[3][4]", "x[i / 4][i % 4]"),
    ("device array<uint, 12> &x", "x[i]"),
    ("device void *x", "((device uint *)x)[i]"),
]
KERNEL = """
#include <metal_stdlib>
using namespace metal;
kernel void k({to}, {source}, uint i [[thread_position_in_grid]]) {{ {set} = {get} + i; }}
"""


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("declared", "element"), ELEMENTS, ids=[declared for declared, _ in ELEMENTS])
def test_elements_are_read_and_written(device: Device, declared: str, element: str, check: bool) -> None:
    values, index = np.arange(12, dtype=np.uint32) * 7, np.arange(12, dtype=np.uint32)
    for space in ("device const", "constant"):
        source = declared.replace("device", space).replace("x", "y", 1)
        get = element.replace("device", space).replace("x", "y")
        text = KERNEL.format(to=declared, source=source, set=element, get=get)
        out = device.empty((12,), np.uint32)
        kernel = device.compile(text).kernels["k"]
        bound = {0: out, 1: device.buffer(values)}
        device.run([Dispatch(kernel, bound, threads=(12,), threadgroup=(4,))], check=check)
        np.testing.assert_array_equal(out.array, values + index)


@pytest.mark.parametrize("declared", ["threadgroup uint *t", "threadgroup uint (&t)[12]", "threadgroup void *t"])
@pytest.mark.parametrize("check", [False, True])
def test_threadgroup_memory_is_an_argument(device: Device, declared: str, check: bool) -> None:
    source = f"""
    #include <metal_stdlib>
    using namespace metal;
    kernel void k({declared} [[threadgroup(0)]], device uint *out, uint i [[thread_position_in_threadgroup]]) {{
        ((threadgroup uint *)t)[i] = i * i;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        out[i] = ((threadgroup uint *)t)[11 - i];
    }}"""
    kernel, out = device.compile(source).kernels["k"], device.empty((12,), np.uint32)
    dispatch = Dispatch(kernel, {0: out}, threads=(12,), threadgroup=(12,), threadgroup_memory={0: 48})
    device.run([dispatch], check=check)
    assert out.array.tolist() == [i * i for i in reversed(range(12))]


@pytest.mark.parametrize(("declared", "element"), ELEMENTS[4:5] + ELEMENTS[8:], ids=["rows", "bytes"])
def test_accesses_beyond_them_are_found(device: Device, declared: str, element: str) -> None:
    source = KERNEL.format(to=declared, source="constant uint &y", set=element, get="y")
    out = device.empty((11,), np.uint32)
    with pytest.raises(DispatchError, match="beyond the end of buffer 0 'x'"):
        device.run(
            [Dispatch(device.compile(source).kernels["k"], {0: out, 1: 5}, threads=(12,), threadgroup=(4,))], check=True
        )
