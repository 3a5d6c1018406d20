"""Atomics of every kind on every type, on device and threadgroup memory, from all worker threads at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from probes import DTYPES, Array

from metalsci.cpu_metal import CompileError, Device, Dispatch

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
N, GROUP = 20_000, 100
RELAXED = "memory_order_relaxed"


@dataclass(frozen=True)
class Fetch:
    """An operation whose end does not depend on the order: of the first value and all operands."""

    name: str
    start: int
    end: Callable[[int, Array], int]
    kinds: tuple[str, ...] = ("int", "uint")


FETCHES = [
    Fetch("add", 7, lambda start, x: start + int(x.sum()), ("int", "uint", "float")),
    Fetch("sub", 7, lambda start, x: start - int(x.sum()), ("int", "uint", "float")),
    Fetch("and", -1, lambda start, x: start & int(np.bitwise_and.reduce(x))),
    Fetch("or", 0, lambda start, x: start | int(np.bitwise_or.reduce(x))),
    Fetch("xor", 5, lambda start, x: start ^ int(np.bitwise_xor.reduce(x))),
    Fetch("min", 3, lambda start, x: min(start, int(x.min()))),
    Fetch("max", 3, lambda start, x: max(start, int(x.max()))),
]
PLACES = {
    "device": "device atomic<T> &place = *shared;",
    "threadgroup": "threadgroup atomic<T> place; if (t == 0) atomic_store_explicit(&place, T(START), ORDER);"
    " threadgroup_barrier(mem_flags::mem_threadgroup);",
}
SIGNATURE = (
    "kernel void NAME(device const T *x, device atomic<T> *shared, device T *seen, device T *left,"
    " uint i [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]],"
    " uint g [[threadgroup_position_in_grid]])"
)
LEAVE = (
    "threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);"
    " if (t == 0) left[g] = atomic_load_explicit(&place, ORDER);"
)


def run(device: Device, kind: str, space: str, body: str, x: Array, start: int) -> tuple[Array, Array, Array]:
    """Return the value that each thread saw, the result in each group's memory, and device memory."""
    source = f"{HEADER}{SIGNATURE.replace('NAME', 'k')} {{ {PLACES[space]} {body} {LEAVE} }}"
    source = source.replace("START", str(start)).replace("T ", f"{kind} ").replace("<T>", f"<{kind}>")
    source = source.replace("T(", f"{kind}(").replace("ORDER", RELAXED)
    dtype = DTYPES[kind]
    first = np.array([start]).astype(dtype)
    shared, seen = device.buffer(first), device.empty((N,), dtype)
    left = device.empty((N // GROUP,), dtype)
    bound = {0: device.buffer(x.astype(dtype)), 1: shared, 2: seen, 3: left}
    device.run([Dispatch(device.compile(source).kernels["k"], bound, (N,), (GROUP,))])
    return np.array(seen.array), np.array(left.array), np.array(shared.array)


@pytest.mark.parametrize("space", PLACES)
@pytest.mark.parametrize(
    ("fetch", "kind"), [(f, kind) for f in FETCHES for kind in f.kinds], ids=lambda v: getattr(v, "name", v)
)
def test_fetches(device: Device, fetch: Fetch, kind: str, space: str) -> None:
    if (kind, space) == ("float", "threadgroup"):
        pytest.skip("Metal has no such")
    rng = np.random.default_rng(5)
    x = rng.integers(0, 50 if kind == "float" else 2**31, N)
    body = f"seen[i] = atomic_fetch_{fetch.name}_explicit(&place, x[i], ORDER);"
    seen, left, shared = run(device, kind, space, body, x, fetch.start)
    dtype = DTYPES[kind]
    if space == "device":
        assert shared[0] == np.array(fetch.end(fetch.start, x)).astype(dtype)
        if fetch.name in ("add", "sub"):  # each thread saw a value on the way
            after = seen + x.astype(dtype) if fetch.name == "add" else seen - x.astype(dtype)
            assert set(after.tolist()) - {shared[0]} <= set(seen.tolist())
    else:
        want = [np.array(fetch.end(fetch.start, group)).astype(dtype) for group in x.reshape(-1, GROUP)]
        assert left.tolist() == [int(value) for value in want]


@pytest.mark.parametrize("kind", ["int", "uint", "float"])
@pytest.mark.parametrize("space", PLACES)
def test_exchanges_lose_nothing(device: Device, kind: str, space: str) -> None:
    if (kind, space) == ("float", "threadgroup"):
        pytest.skip("Metal has no such")
    x = np.arange(1, N + 1)
    seen, left, shared = run(device, kind, space, "seen[i] = atomic_exchange_explicit(&place, x[i], ORDER);", x, 0)
    for values, last, given in (
        [(seen, shared, x)]
        if space == "device"
        else zip(seen.reshape(-1, GROUP), left[:, None], x.reshape(-1, GROUP), strict=True)
    ):
        assert sorted([*values.tolist(), *last.tolist()]) == [0, *given.tolist()]


@pytest.mark.parametrize("kind", ["int", "uint", "float"])
def test_compare_and_exchange_counts(device: Device, kind: str) -> None:
    body = (
        "T expected = atomic_load_explicit(&place, ORDER);"
        " while (!atomic_compare_exchange_weak_explicit(&place, &expected, expected + T(1), ORDER, ORDER)) {}"
        " seen[i] = expected;"
    )
    seen, _, shared = run(device, kind, "device", body, np.zeros(N), 0)
    assert shared[0] == N
    assert sorted(seen.tolist()) == list(range(N))


def test_truth_values_and_64_bits(device: Device) -> None:
    source = f"""{HEADER}
    kernel void k(device atomic_bool *flag, device atomic_uint *firsts, device atomic_ulong *least,
                  device atomic_ulong *most, device const ulong *x, uint i [[thread_position_in_grid]]) {{
        bool expected = false;
        if (i % 2 == 0 && !atomic_exchange_explicit(flag, true, {RELAXED}))
            atomic_fetch_add_explicit(firsts, 1u, {RELAXED});
        if (atomic_compare_exchange_weak_explicit(flag + 1, &expected, true, {RELAXED}, {RELAXED}))
            atomic_fetch_add_explicit(firsts + 1, 1u, {RELAXED});
        atomic_store_explicit(flag + 2, true, {RELAXED});
        if (!atomic_load_explicit(flag + 2, {RELAXED})) atomic_fetch_add_explicit(firsts + 2, 1u, {RELAXED});
        atomic_min_explicit(least, x[i], {RELAXED});
        atomic_max_explicit(most, x[i], {RELAXED});
    }}"""
    x = np.random.default_rng(3).integers(0, 2**64, N, np.uint64)
    flag, firsts = device.empty((3,), np.bool_), device.empty((3,), np.uint32)
    least, most = device.buffer(np.array([2**64 - 1], np.uint64)), device.empty((1,), np.uint64)
    bound = dict(enumerate([flag, firsts, least, most, device.buffer(x)]))
    device.run([Dispatch(device.compile(source).kernels["k"], bound, (N,), (GROUP,))])
    assert flag.array.all()
    assert firsts.array.tolist() == [1, 1, 0]
    assert (least.array[0], most.array[0]) == (x.min(), x.max())


@pytest.mark.parametrize(
    "statement",
    [
        "atomic_fetch_and_explicit(f, 1.0f, memory_order_relaxed);",
        "atomic_fetch_max_explicit(f, 1.0f, memory_order_relaxed);",
        "atomic_fetch_add_explicit(l, 1ul, memory_order_relaxed);",
        "atomic_load_explicit(l, memory_order_relaxed);",
        "atomic_min_explicit(u, 1u, memory_order_relaxed);",
        "atomic_fetch_add_explicit(b, true, memory_order_relaxed);",
        "atomic_fetch_add_explicit(u, 1u, memory_order_seq_cst);",
        "threadgroup atomic_float t; atomic_fetch_add_explicit(&t, 1.0f, memory_order_relaxed);",
    ],
)
def test_what_metal_has_no_atomic_for_is_refused(device: Device, statement: str) -> None:
    name = statement[statement.index("atomic_", statement.index(";") if "threadgroup" in statement else 0) :].split(
        "("
    )[0]
    parameters = "device atomic_float *f, device atomic_ulong *l, device atomic_uint *u, device atomic_bool *b"
    with pytest.raises(CompileError, match=f"no matching function for call to '{name}'"):
        device.compile(f"{HEADER}kernel void k({parameters}) {{ {statement} }}")
