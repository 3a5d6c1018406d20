"""Processors of workers: never two of one device on the same processor, as long as there are enough."""

import os
from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.execute import placement
from metalsci.cpu_metal.execute.placement import PATIENCE, SHORT_PATIENCE, Placement, by_core, divide

TOIL = """#include <metal_stdlib>
using namespace metal;
kernel void toil(device float *out, uint i [[thread_position_in_grid]]) {
    float value = float(i);
    for (uint turn = 0; turn < 20000; ++turn) value = fma(value, 0.999f, 0.5f);
    out[i] = value;
}
"""


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 64])
def test_all_processors_are_given_and_shared_only_if_they_are_too_few(count: int, workers: int) -> None:
    found = divide(range(10, 10 + count), workers)
    assert len(found) == workers and all(found)
    if workers <= count:
        assert sorted(each for some in found for each in some) == list(range(10, 10 + count))
        sizes = [len(some) for some in found]
        assert max(sizes) - min(sizes) <= 1
    else:
        shared = [sum(processor in some for some in found) for processor in range(10, 10 + count)]
        assert min(shared) >= 1 and max(shared) - min(shared) <= 1


def test_siblings_are_next_to_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Linux numbers the second threads of two packages with two cores each."""
    for processor, (package, core) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1), (0, 0), (0, 1), (1, 0), (1, 1)]):
        topology = tmp_path / f"cpu{processor}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{package}\n")
        (topology / "core_id").write_text(f"{core}\n")
    monkeypatch.setattr("metalsci.cpu_metal.execute.placement._SYSTEM", tmp_path)
    assert by_core(range(8)) == [0, 4, 1, 5, 2, 6, 3, 7]
    assert divide(by_core(range(8)), 2) == [{0, 4, 1, 5}, {2, 6, 3, 7}]
    assert by_core([9, 8]) == [8, 9], "of which the system says nothing"


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_threads_that_run_kernels_have_processors_of_their_own(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as there is an idle one: then Linux distributes them better."""
    everywhere = os.sched_getaffinity(0)
    running = 0
    monkeypatch.setattr(placement, "count_running", lambda: running)
    with Device(workers) as device:
        out = device.empty((1 << 14,), np.float32)
        work = [Dispatch(device.compile(TOIL).kernels["toil"], {0: out}, (1 << 14,), (64,))]
        device.run(work)
        threads = list(Path(f"/proc/{device._session.process.pid}/task").iterdir())  # type: ignore[union-attr]
        device.run(work)
        time = {thread: int((thread / "schedstat").read_text().split()[0]) for thread in threads}
        allowed = _allowed(threads)
        running = 100 * (os.cpu_count() or 1)
        device.run(work)
        assert all(workers == 1 or some == everywhere for some in _allowed(threads).values())
        running = 0
        device.run(work)
        assert _allowed(threads) == allowed
    # the first one has started Python and loaded the kernel
    busiest = sorted(threads[1:], key=lambda thread: -time[thread])[:workers]
    wanted = divide(by_core(everywhere), workers)
    assert sorted(map(sorted, (allowed[thread] for thread in busiest))) == sorted(map(sorted, wanted))
    assert all(allowed[thread] == everywhere for thread in threads if thread not in busiest)


def _allowed(threads: list[Path]) -> dict[Path, set[int]]:
    return {thread: os.sched_getaffinity(int(thread.name)) for thread in threads}


def test_workers_wait_awake_if_that_keeps_nobody_off(monkeypatch: pytest.MonkeyPatch) -> None:
    count = os.cpu_count() or 1
    running = 0
    monkeypatch.setattr(placement, "count_running", lambda: running)
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, processors: None)
    most = len(os.sched_getaffinity(0))
    assert Placement(os.getpid(), 1).choose() == 0
    assert Placement(os.getpid(), most + 1).choose() == 0
    if most == 1:
        return
    found = Placement(os.getpid(), 2)
    assert found.choose() == PATIENCE
    running = count
    assert found.choose() == SHORT_PATIENCE
    running = count - 1
    assert found.choose() == (SHORT_PATIENCE if 2 * running > count else PATIENCE), "not to and fro"
    running = count // 2
    assert found.choose() == PATIENCE


def test_threads_that_run_are_counted() -> None:
    assert placement.count_running() >= 0
