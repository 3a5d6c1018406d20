"""Descriptors of a kernel, read from its text."""

import pytest

from metalsci.search.strategies.descriptors import describe_kernel

TILED = """#include <metal_stdlib>
#define TILE 16
constexpr constant uint HALO = 2;
kernel void k(device float *u, threadgroup float *given, uint i [[thread_position_in_threadgroup]]) {
    threadgroup float4 tile[TILE][TILE + 2];
    threadgroup half row[128]; // threadgroup float not_this[4096];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    u[i] = simd_sum(u[i]) + simd_shuffle_xor(u[i], 1);
    threadgroup_barrier(mem_flags::mem_threadgroup);
}
"""


def test_a_kernel_that_tiles() -> None:
    found = describe_kernel(TILED)
    assert found.threadgroup_memory == 16 * 16 * 16 + 2 * 128
    assert (found.barriers, found.simd_functions) == (2, 2)


@pytest.mark.parametrize("source", ["", "kernel void k() {}", "threadgroup", "threadgroup float t[", "\ud800 [[["])
def test_nothing_is_found_in_what_has_nothing(source: str) -> None:
    found = describe_kernel(source)
    assert (found.barriers, found.simd_functions) == (0, 0)
    assert found.threadgroup_memory < 16
