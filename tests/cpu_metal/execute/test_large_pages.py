"""Large buffers lie in pages of 2 MiB, in the device process too."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal.device import Device
from metalsci.cpu_metal.execute.buffer import Buffer, SharedRegion
from metalsci.cpu_metal.execute.commands import Dispatch
from metalsci.cpu_metal.execute.large_pages import LARGE, collapse

SOURCE = """
#include <metal_stdlib>
using namespace metal;
kernel void next(device const uint *in [[buffer(0)]], device uint *out [[buffer(1)]],
                 uint i [[thread_position_in_grid]]) {
    out[i] = in[i] + 1;
}
"""


def large_pages(process: int | str) -> int:
    """Return the bytes of shared buffers that a process has mapped by large pages."""
    smaps = Path(f"/proc/{process}/smaps").read_text(encoding="utf-8")
    return 1024 * sum(map(int, re.findall(r"^ShmemPmdMapped: +(\d+) kB", smaps, re.MULTILINE)))


def given_by_this_system() -> bool:
    """Tell whether shared memory can be had in large pages: not before Linux 6.1, and not where they are forbidden."""
    before = _shared_in_large_pages()
    region = SharedRegion(8 * LARGE)
    return _shared_in_large_pages() >= before + region.size // 2


def _shared_in_large_pages() -> int:
    found = re.search(r"^ShmemHugePages: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def test_the_device_maps_large_buffers_by_large_pages() -> None:
    if not given_by_this_system():
        pytest.skip("this system has no large pages for shared memory")
    count = 4 * LARGE // 4
    with Device() as device:
        source, result = Buffer((count,), np.uint32), Buffer((count,), np.uint32)
        source.array[:] = np.arange(count)
        kernel = device.compile(SOURCE).kernels["next"]
        device.run([Dispatch(kernel, {0: source, 1: result}, (count,), (256,))])
        assert large_pages(device._started().process.pid) >= 4 * LARGE
        assert np.array_equal(result.array, np.arange(1, count + 1))


@pytest.mark.parametrize("size", [1, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 16384])
def test_memory_is_zero_and_as_large_as_asked_for(size: int) -> None:
    region = SharedRegion(size)
    assert region.size >= size
    assert not np.frombuffer(region.memory, np.uint8).any()


def test_what_cannot_be_had_changes_nothing() -> None:
    reader, writer = os.pipe()
    for descriptor in (reader, writer):
        collapse(descriptor, 4 * LARGE)  # no memory
        os.close(descriptor)
    region = SharedRegion(LARGE)
    collapse(region.descriptor, 1 << 60)
    assert not np.frombuffer(region.memory, np.uint8).any()
