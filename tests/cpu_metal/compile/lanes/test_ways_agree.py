"""A kernel gives the same whichever way its threads are run: in lanes, in loops that LLVM vectorises, one stack each.

`METALSCI_EXAMPLES=1000 pytest tests/cpu_metal/compile/lanes/test_ways_agree.py` tries as many of each kind.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_kernels import BARRIER, FRAME, with_barriers, with_exchanges, without_barriers

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

HEIGHT = 19
OTHERS = (ThreadExecution.LANES, ThreadExecution.LOOPS)
# The rows of a grid, and a group. Kernels for groups whose rows are whole vectors are others than those for any group.
widths_and_groups = [(37, each) for each in [(16, 16), (8, 4), (5, 3), (37, 1), (24, 2), (32, 8), (1, 7), (37, 19)]]
widths_and_groups += [(64, (32, 8)), (64, (16, 16)), (32, (32, 19)), (32, (64, 1)), (96, (64, 3)), (48, (16, 5))]
grids = st.sampled_from(widths_and_groups)


@pytest.fixture(scope="module")
def devices(cache: Cache) -> Iterator[dict[ThreadExecution, Device]]:
    with ExitStack() as stack:
        found = {}
        for way in (ThreadExecution.STACKS, *OTHERS):
            found[way] = stack.enter_context(Device(cache=cache, toolchain=Toolchain(execution=way)))
        yield found


def run(device: Device, source: str, width: int, group: tuple[int, int]) -> list[np.ndarray]:
    kernel = device.compile(source, math_mode="safe").kernels["k"]
    rng = np.random.default_rng(3)
    s = rng.integers(-50, 50, (HEIGHT, width)).astype(np.int32)
    fs = (rng.integers(-900, 900, (HEIGHT, width)) / 64).astype(np.float32)
    out, count = device.buffer(np.zeros((HEIGHT, width), np.int32)), device.buffer(np.zeros(8, np.int32))
    far = device.buffer(np.zeros(3 * width * HEIGHT, np.int32))
    bound = {0: device.buffer(s), 1: out, 2: width, 3: HEIGHT, 4: 3, 5: count, 6: device.buffer(fs), 7: far}
    device.run([Dispatch(kernel, bound, threads=(width, HEIGHT), threadgroup=group)], timeout=60)
    return [np.array(each.array) for each in (out, count, far)]


def agree(devices: dict[ThreadExecution, Device], body: str, first: str, grid: tuple[int, tuple[int, int]]) -> None:
    source = FRAME.format(body="    " + body, first=first)
    want = run(devices[ThreadExecution.STACKS], source, *grid)
    for way in OTHERS if not first else OTHERS[:1]:
        for a, b in zip(run(devices[way], source, *grid), want, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=way.value)


def examples(few: int) -> settings:
    many = os.environ.get("METALSCI_EXAMPLES")
    return settings(
        max_examples=int(many or few),
        deadline=None,
        derandomize=not many,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@examples(6)
@given(body=with_barriers, grid=grids)
def test_ways_agree_about_barriers(
    devices: dict[ThreadExecution, Device], body: str, grid: tuple[int, tuple[int, int]]
) -> None:
    agree(devices, body, BARRIER, grid)


@examples(4)
@given(body=with_exchanges, grid=grids)
def test_ways_agree_about_simdgroups(
    devices: dict[ThreadExecution, Device], body: str, grid: tuple[int, tuple[int, int]]
) -> None:
    agree(devices, body, BARRIER, grid)


@examples(4)
@given(body=without_barriers, grid=grids)
def test_ways_agree_about_threads_that_never_wait(
    devices: dict[ThreadExecution, Device], body: str, grid: tuple[int, tuple[int, int]]
) -> None:
    agree(devices, body, "", grid)
