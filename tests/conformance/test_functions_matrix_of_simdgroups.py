"""simdgroup_matrix against NumPy: loads and stores with strides, origins and transposition, products, constants."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes import DTYPES, Array

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.library import Kernel

SIZE = 64  # elements of a row and rows of the memory that tiles are taken from
SIMDGROUPS = 3
SOURCE = """#include <metal_stdlib>
using namespace metal;
typedef KIND T;
typedef simdgroup_matrix<T, 8, 8> Matrix;
struct Place { uint stride, x, y, transposed; };
void load(thread Matrix &m, device const T *from, constant Place &p) {
    simdgroup_load(m, from, p.stride, ulong2(p.x, p.y), p.transposed != 0);
}
kernel void k(device const T *a, device const T *b, device const T *c, device T *d, device T *rest,
              constant Place *p, uint group [[simdgroup_index_in_threadgroup]]) {
    threadgroup T tile[3 * 24 * 8];
    threadgroup T *own = tile + group * 24 * 8;
    Matrix ma, mb, mc, md;
    load(ma, a + group, p[0]); load(mb, b + group, p[1]); load(mc, c + group, p[2]);
    simdgroup_multiply_accumulate(md, ma, mb, mc);
    simdgroup_store(md, own, 24, ulong2(8, 0));
    simdgroup_barrier(mem_flags::mem_threadgroup);
    simdgroup_load(md, own, 24, ulong2(8, 0), true);
    simdgroup_store(md, d + group * SIZE * SIZE, p[3].stride, ulong2(p[3].x, p[3].y), p[3].transposed != 0);
    device T *mine = rest + group * 5 * 64;
    simdgroup_multiply(md, ma, mb);
    simdgroup_store(md, mine);
    simdgroup_store(ma * mb, mine + 64);
    simdgroup_store(Matrix(T(3)), mine + 128);
    simdgroup_store(make_filled_simdgroup_matrix<T, 8, 8>(T(5)), mine + 192);
    Matrix twice = ma;
    twice.thread_elements() *= T(2);
    simdgroup_store(twice, mine + 256);
}
"""


@dataclass(frozen=True)
class Place:
    """Position of a tile in rows of `stride` elements: that of its first element, column first."""

    stride: int
    x: int
    y: int
    transposed: bool

    def taken(self, memory: Array) -> Array:
        tile = memory[np.add.outer((self.y + np.arange(8)) * self.stride, self.x + np.arange(8))]
        return tile.T if self.transposed else tile

    @property
    def packed(self) -> tuple[int, int, int, int]:
        return self.stride, self.x, self.y, int(self.transposed)


places = st.builds(Place, st.integers(24, 48), st.integers(0, 12), st.integers(0, 12), st.booleans())


@pytest.fixture(scope="module")
def kernels(device: Device) -> dict[str, Kernel]:
    sources = {kind: SOURCE.replace("SIZE", str(SIZE)).replace("KIND", kind) for kind in ("float", "half")}
    return {kind: device.compile(source).kernels["k"] for kind, source in sources.items()}


def products(device: Device, kernel: Kernel, memories: list[Array], at: list[Place]) -> tuple[Array, Array]:
    """Return each simdgroup's results: the memory that received a b + c, and its other tiles, packed."""
    dtype = memories[0].dtype
    d, rest = device.empty((SIMDGROUPS, SIZE * SIZE), dtype), device.empty((SIMDGROUPS, 5, 8, 8), dtype)
    packed = np.array([place.packed for place in at], np.uint32).tobytes()
    bound = dict(enumerate([*map(device.buffer, memories), d, rest, packed]))
    device.run([Dispatch(kernel, bound, (32 * SIMDGROUPS,), (32 * SIMDGROUPS,))])
    return d.array, rest.array


def check(device: Device, kernels: dict[str, Kernel], kind: str, at: list[Place], seed: int) -> None:
    rng = np.random.default_rng(seed)
    memories = [rng.integers(-4, 5, SIZE * SIZE).astype(DTYPES[kind]) for _ in range(3)]  # all sums are exact
    stored, rest = products(device, kernels[kind], memories, at)
    for group in range(SIMDGROUPS):
        a, b, c = (place.taken(memory[group:]).astype(np.float64) for place, memory in zip(at, memories, strict=False))
        np.testing.assert_array_equal(rest[group], [a @ b, a @ b, 3 * np.eye(8), np.full((8, 8), 5.0), 2 * a])
        np.testing.assert_array_equal(at[3].taken(stored[group]), (a @ b + c).T)
        assert np.count_nonzero(stored[group]) <= 64


@pytest.mark.parametrize("kind", ["float", "half"])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(at=st.lists(places, min_size=4, max_size=4), seed=st.integers(0, 1000))
def test_tiles(device: Device, kernels: dict[str, Kernel], kind: str, at: list[Place], seed: int) -> None:
    check(device, kernels, kind, at, seed)


@pytest.mark.conformance
@pytest.mark.parametrize("kind", ["float", "half"])
@settings(max_examples=500, deadline=None)
@given(at=st.lists(places, min_size=4, max_size=4), seed=st.integers(0, 1000))
def test_many_tiles(device: Device, kernels: dict[str, Kernel], kind: str, at: list[Place], seed: int) -> None:
    check(device, kernels, kind, at, seed)


def test_products_are_rounded_once_a_term_at_most(device: Device, kernels: dict[str, Kernel]) -> None:
    rng = np.random.default_rng(12)
    memories = [rng.standard_normal(SIZE * SIZE).astype(np.float32) for _ in range(3)]
    place = Place(24, 0, 0, False)
    _, rest = products(device, kernels["float"], memories, [place] * 4)
    a, b = (place.taken(memory).astype(np.float64) for memory in memories[:2])
    assert (np.abs(rest[0, 0] - a @ b) <= 9 * 2.0**-24 * (np.abs(a) @ np.abs(b))).all()
