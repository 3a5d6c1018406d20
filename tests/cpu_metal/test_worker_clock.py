"""The clock of a run: each worker's time, whatever else the machine does."""

import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch, Kernel
from metalsci.cpu_metal.execute.clock import WorkerClock, worker_clock

WORKERS = 2
UNITS = 64
TURNS = 10_000  # on a busy machine what is short is over before another thread has looked at it
# A thread does `turns[i]` multiply-adds, one after the other.
SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void toil(device const uint *turns, device float *out, uint i [[thread_position_in_grid]]) {
    float value = float(i);
    for (uint turn = 0; turn < turns[i]; ++turn) value = fma(value, 0.999f, 0.5f);
    out[i] = value;
}
"""


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with Device(threads=WORKERS) as device:
        yield device


@pytest.fixture(scope="module")
def toil(device: Device) -> Kernel:
    return device.compile(SOURCE).kernels["toil"]


def dispatch(device: Device, toil: Kernel, turns: np.ndarray) -> Dispatch:
    out = device.empty(turns.shape, np.float32)
    # one row of one thread is one unit of work, and the rows are dealt out to the workers in turn
    return Dispatch(toil, {0: device.buffer(turns), 1: out}, threads=(turns.size,), threadgroup=(1,))


def test_idle_workers_are_paid_for(device: Device, toil: Kernel) -> None:
    """The same number of operations in all, shared by the workers or left to one of them."""
    threads = UNITS * 64  # 64 threads along x are the smallest unit
    shared = np.full(threads, TURNS, np.uint32)
    alone = np.zeros(threads, np.uint32)
    alone[:64] = TURNS * UNITS
    least = [min(device.run([dispatch(device, toil, turns)]).seconds for _ in range(5)) for turns in (shared, alone)]
    assert least[1] > 1.5 * least[0]


def test_time_set_aside_does_not_count(device: Device, toil: Kernel) -> None:
    work = [dispatch(device, toil, np.full(UNITS * 64, 20 * TURNS, np.uint32))]
    undisturbed = device.run(work)
    process = device._session.process  # type: ignore[union-attr]

    def set_aside() -> None:
        time.sleep(undisturbed.wall / 4)
        process._process.send_signal(signal.SIGSTOP)
        time.sleep(4 * undisturbed.wall)
        process._process.send_signal(signal.SIGCONT)

    other = threading.Thread(target=set_aside)
    other.start()
    disturbed = device.run(work)
    other.join()
    assert disturbed.wall > 4 * undisturbed.wall
    assert disturbed.seconds < 3 * undisturbed.seconds


def test_a_process_at_rest_does_not_age(device: Device, toil: Kernel) -> None:
    device.run([dispatch(device, toil, np.ones(64, np.uint32))])
    clock = worker_clock(device._session.process.pid)  # type: ignore[union-attr]
    assert clock is not None
    before = clock.read()
    time.sleep(0.02)
    assert clock.since(before) < 1e-4
    clock.close()


def test_no_account_of_what_is_gone() -> None:
    with pytest.raises(OSError):
        WorkerClock(2**22 - 1)
    assert worker_clock(2**22 - 1) is None
