"""Nothing of one run is left on stacks and in threadgroup memory for the next, if the device is told to forget."""

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch

READ_AND_FILL = """
    float room[{size}]; volatile thread float *p = room;
    for (uint j = 0; j < 64; ++j) o[i * 64u + j] = p[j * {size}u / 64u];
    for (uint j = 0; j < {size}; ++j) p[j] = 7.25f;
"""
THREADGROUP = """
    threadgroup float room[4096]; volatile threadgroup float *p = room;
    for (uint j = 0; j < 64; ++j) o[i * 64u + j] = p[j * 64u];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint j = l; j < 4096; j += 64) p[j] = 7.25f;
"""
BARRIER = "    threadgroup_barrier(mem_flags::mem_threadgroup);"


@pytest.mark.parametrize(
    "body",
    [
        READ_AND_FILL.format(size=64),
        READ_AND_FILL.format(size=4096),
        READ_AND_FILL.format(size=16384),
        BARRIER + READ_AND_FILL.format(size=64),
        BARRIER + READ_AND_FILL.format(size=1024),
        THREADGROUP,
    ],
    ids=["little", "much", "very much", "little, a stack each", "much, a stack each", "threadgroup"],
)
def test_a_run_after_forgetting_finds_what_the_first_one_found(body: str) -> None:
    source = f"""#include <metal_stdlib>
using namespace metal;
kernel void k(device float *o, uint i [[thread_position_in_grid]], uint l [[thread_index_in_threadgroup]]) {{{body}}}"""
    with Device(threads=2) as device:
        kernel = device.compile(source).kernels["k"]
        out = device.buffer(np.zeros(256 * 64, np.float32))

        def found() -> int:
            """Count the elements of earlier runs, and of earlier groups of this one."""
            device.run([Dispatch(kernel, {0: out}, threads=(256, 1, 1), threadgroup=(64, 1, 1))])
            return int((out.array == 7.25).sum())

        first, second = found(), found()
        assert second > first
        for _ in range(3):
            device.forget()
            assert found() <= first + 16  # what calls lie on cannot be overwritten


def test_a_device_that_has_not_run_has_nothing_to_forget() -> None:
    with Device(threads=1) as device:
        device.forget()
