"""The shares of workers in a dispatch, and sequences of dispatches, some of them for one worker and others for all."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch, Library
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.execute import placement

# `whose` tells workers apart by where their threadgroup memory lies. `toil` takes a group's own number of turns.
SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void whose(device ulong *out, uint g [[threadgroup_position_in_grid]], uint t [[thread_index_in_threadgroup]]) {
    threadgroup uint part[32];
    part[t] = g;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[g] = reinterpret_cast<ulong>(part) >> 27;
}
kernel void whose_after(device ulong *out, device const uint *turns, device float *rest,
                        uint g [[threadgroup_position_in_grid]], uint t [[thread_index_in_threadgroup]]) {
    threadgroup float part[32];
    float value = float(t);
    for (uint turn = 0; turn < turns[0]; ++turn) value = fma(value, 0.999f, 0.5f);
    part[t] = value;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    rest[32 * g + t] = part[31 - t];
    out[g] = reinterpret_cast<ulong>(part) >> 27;
}
kernel void toil(device const uint *turns, device float *out, uint g [[threadgroup_position_in_grid]],
                 uint i [[thread_position_in_grid]]) {
    float value = float(i);
    for (uint turn = 0; turn < turns[g]; ++turn) value = fma(value, 0.999f, 0.5f);
    out[i] = value;
}
// Each step needs all of the one before.
kernel void total(device const uint *x, device uint *sum, constant uint &n, uint i [[thread_position_in_grid]],
                  uint t [[thread_index_in_threadgroup]]) {
    uint found = 0;
    for (uint k = 0; k < n; ++k) found += x[k];
    if (i == 0) sum[0] = found;
}
kernel void add(device uint *x, device const uint *sum, uint i [[thread_position_in_grid]]) {
    x[i] = 3 * x[i] + (sum[0] ^ i);
}
"""
WORKERS = (1, 2, 3, 8)


@pytest.fixture(scope="module", params=WORKERS)
def device(request: pytest.FixtureRequest, cache: Cache) -> Iterator[Device]:
    with Device(request.param, cache=cache) as device:
        yield device


@pytest.fixture(scope="module")
def library(device: Device) -> Library:
    return device.compile(SOURCE)


def _owners(device: Device, library: Library, groups: int) -> list[int]:
    out = device.empty((groups,), np.uint64)
    device.run([Dispatch(library.kernels["whose"], {0: out}, (32 * groups,), (32,))])
    return [int(owner) for owner in out.array]


def test_shares_differ_by_one_group_at_most(device: Device, library: Library) -> None:
    """One of two workers once had 16 of 24 groups."""
    for groups in (1, 2, 3, 7, 8, 9, 17, 24, 25, 40, 56, 100, 257, 1000):
        counts = Counter(_owners(device, library, groups))
        assert len(counts) == min(groups, device.threads), groups
        assert max(counts.values()) - min(counts.values()) <= 1, groups


def test_shares_are_the_same_each_time(device: Device, library: Library) -> None:
    assert _owners(device, library, 4001) == _owners(device, library, 4001)


def test_costs_that_grow_along_the_grid_are_shared_evenly(device: Device, library: Library) -> None:
    """The worker that came last in each round once had a fifteenth more than the first, of two."""
    groups = 48 * device.threads
    costs: Counter[int] = Counter()
    for group, owner in enumerate(_owners(device, library, groups)):
        costs[owner] += group
    assert max(costs.values()) < 1.03 * min(costs.values())


def test_groups_next_to_each_other_have_several_workers(device: Device, library: Library) -> None:
    """So that a part of the grid that takes long is everybody's."""
    owners = _owners(device, library, 64 * device.threads)
    half = len(owners) // 2
    assert all(len(set(some)) == device.threads for some in (owners[:half], owners[half:]))


@pytest.mark.parametrize("groups", [1, 4, 7, 33])
def test_one_group_that_takes_fifty_times_as_long(device: Device, library: Library, groups: int) -> None:
    for slow in {0, groups // 2, groups - 1}:
        turns = np.full(groups, 100, np.uint32)
        turns[slow] *= 50
        out = device.empty((64 * groups,), np.float32)
        work = Dispatch(library.kernels["toil"], {0: device.buffer(turns), 1: out}, (64 * groups,), (64,))
        device.run([work] * 20)
        value, stop = np.arange(64 * groups, dtype=np.float64), np.repeat(turns, 64)
        # turns of value = 0.999 value + 0.5 in closed form
        want = 500 + (value - 500) * 0.999**stop
        np.testing.assert_allclose(out.array, want, rtol=1e-4)


@pytest.mark.parametrize(("threads", "group"), [(1, 1), (9, 3), (64, 64), (700, 32), (1024, 1024), (5000, 256)])
def test_dispatches_for_one_worker_and_for_all_take_turns(
    device: Device, library: Library, threads: int, group: int
) -> None:
    """Many tiny dispatches, and single groups of any size, each of which needs all that was before it."""
    x, total = device.buffer(np.arange(threads, dtype=np.uint32)), device.empty((1,), np.uint32)
    want = np.arange(threads, dtype=np.uint32)
    one = Dispatch(library.kernels["total"], {0: x, 1: total, 2: np.uint32(threads)}, (1,), (1,))
    many = Dispatch(library.kernels["add"], {0: x, 1: total}, (threads,), (group,))
    commands = device.encode([one, many] * 100)
    for _ in range(3):
        device.run(commands)
    for _ in range(300):
        want = 3 * want + (want.sum(dtype=np.uint32) ^ np.arange(threads, dtype=np.uint32))
    np.testing.assert_array_equal(x.array, want)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers need two processors")
def test_workers_stay_awake_between_short_dispatches(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """They fell asleep while the other one had a group of its own, and to be woken took longer than that."""
    monkeypatch.setattr(placement, "count_running", lambda: 0)
    with Device(2, cache=cache) as device:
        library = device.compile(SOURCE)
        x, total = device.buffer(np.ones(4096, np.uint32)), device.empty((1,), np.uint32)
        one = Dispatch(library.kernels["total"], {0: x, 1: total, 2: np.uint32(4096)}, (1,), (1,))
        many = Dispatch(library.kernels["add"], {0: x, 1: total}, (4096,), (64,))
        commands = device.encode([one, many] * 100)
        device.run(commands)
        # on a busy machine the other one may be set aside, and then they sleep
        least = min(_sleeps(device, lambda: device.run(commands)) for _ in range(20))
    assert least < 50


def _sleeps(device: Device, run: Callable[[], object]) -> int:
    process = device._session.process.pid  # type: ignore[union-attr]

    def count() -> int:
        status = [(thread / "status").read_text() for thread in Path(f"/proc/{process}/task").iterdir()]
        lines = [line for text in status for line in text.splitlines() if line.startswith("voluntary_ctxt_switches")]
        return sum(int(line.split()[1]) for line in lines)

    before = count()
    run()
    return count() - before


def test_dispatches_of_less_than_a_microsecond_are_left_to_one_worker(device: Device, library: Library) -> None:
    """To share them took as long again. What takes longer is shared, even if it was short before."""
    groups = device.threads
    out, rest = device.empty((groups,), np.uint64), device.empty((32 * groups,), np.float32)
    given = device.buffer(np.zeros(1, np.uint32))
    work = Dispatch(library.kernels["whose_after"], {0: out, 1: given, 2: rest}, (32 * groups,), (32,))
    commands = device.encode([work] * 40)

    def owners(turns: int) -> int:
        given.array[0] = turns
        device.run(commands)
        return len(set(out.array.tolist()))

    assert owners(100_000) == device.threads
    # on a busy machine the first worker may be set aside while it is measured
    assert min(owners(0) for _ in range(20)) == 1
    assert owners(100_000) == device.threads
    assert min(owners(0) for _ in range(20)) == 1
