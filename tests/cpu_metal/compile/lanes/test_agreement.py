"""Questions that all lanes answer alike, and indices that wrap around in the middle of a vector."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile import kernel_build
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes import agreement
from metalsci.cpu_metal.compile.lanes.kernel import InLanes, in_lanes
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

THREADS = 100
HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
SIGNS = ("<", "<=", ">", ">=", "==", "!=")
QUESTIONS = {
    **{f"{kind} {sign}": (kind, f"x {sign} n") for kind in ("int", "uint") for sign in SIGNS},
    "ushort <": ("ushort", "x < n"),
    "long >": ("long", "x > n"),
    "both": ("int", "x > n && x < n + 40"),
    "either": ("uint", "x < n || x > n + 40"),
    "neither": ("int", "!(x < n || x == n + 17)"),
    "of two threads": ("int", "x / 2 < n"),
    "of every third": ("int", "3 * x <= n"),
    "backwards": ("int", "-x < n"),
}  # fmt: skip


def kernel(number: int, kind: str, question: str) -> str:
    """Return a kernel whose arms access memory, so that each is written once more for vectors that agree."""
    return f"""
kernel void k{number}(device const float *s, device float *o, constant {kind} &first, constant {kind} &n,
                      uint i [[thread_position_in_grid]]) {{
    const {kind} x = ({kind})((u{kind.removeprefix("u")})first + (u{kind.removeprefix("u")})i);
    if ({question}) {{ o[i] = s[i]; }} else {{ o[i + {THREADS}] = s[i] + s[i + 1]; }}
}}
"""


SOURCE = HEADER + "".join(kernel(number, *each) for number, each in enumerate(QUESTIONS.values()))


@pytest.fixture(scope="module")
def lanes() -> Iterator[Device]:
    with Device(toolchain=Toolchain(execution=ThreadExecution.LANES)) as device:
        yield device


@pytest.fixture(scope="module")
def stacks() -> Iterator[Device]:
    with Device(toolchain=Toolchain(execution=ThreadExecution.STACKS)) as device:
        yield device


def limits(dtype: np.dtype) -> list[tuple[int, int]]:
    """Return first indices and limits at which something may wrap around, in the middle of a vector or at its ends."""
    known = np.iinfo(dtype)
    low, high = int(known.min), int(known.max)
    firsts = [0, 3, low, high - 2 * THREADS, high - THREADS // 2, high - 7, -50 if low else high - 50]
    found = [(first, n) for first in firsts for n in (0, 1, 7, 8, 15, 16, 50, low, low + 5, high, high - 7, high - 40)]
    return [(first, n) for first, n in found if low <= n <= high]


@pytest.mark.parametrize("name", QUESTIONS)
def test_indices_that_wrap_around_in_a_vector_are_not_taken_for_a_range(
    lanes: Device, stacks: Device, name: str
) -> None:
    kind = np.dtype({"int": "i4", "uint": "u4", "ushort": "u2", "long": "i8"}[QUESTIONS[name][0]])
    number = list(QUESTIONS).index(name)
    given = np.random.default_rng(1).random(THREADS + 1, dtype=np.float32)
    results = []
    for device in (lanes, stacks):
        built, source = device.compile(SOURCE).kernels[f"k{number}"], device.buffer(given)
        found = [device.buffer(np.zeros(2 * THREADS, np.float32)) for _ in limits(kind)]
        device.run([
            Dispatch(built, {0: source, 1: out, 2: kind.type(first), 3: kind.type(n)}, (THREADS,), (THREADS,))
            for out, (first, n) in zip(found, limits(kind), strict=True)
        ])  # fmt: skip
        results.append(np.stack([out.array for out in found]))
    np.testing.assert_array_equal(results[0], results[1])


def test_where_scalars_answer_for_all_lanes_no_mask_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Count the questions that are put to a mask: an edge's, before and after."""
    source = HEADER + kernel(0, "uint", "x == 0 || x == n - 1 || x >= n")

    def masks() -> int:
        made: list[InLanes] = []

        def spy(*given: Any, **named: Any) -> InLanes:
            made.append(in_lanes(*given, **named))
            return made[-1]

        monkeypatch.setattr(kernel_build, "in_lanes", spy)
        with Device(cache=Cache(tmp_path / str(len(list(tmp_path.iterdir()))))) as device:
            device.compile(source)
        (code,) = made
        return code.module.count(f"icmp eq i{code.width} ")

    with_scalars = masks()
    monkeypatch.setattr("metalsci.cpu_metal.compile.lanes.control.agreement", lambda *given: "")
    assert with_scalars < masks()


@pytest.mark.parametrize("predicate", ["ult", "uge", "sle", "sgt", "ne"])
def test_a_range_that_is_taken_too_wide_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stacks: Device, predicate: str
) -> None:
    monkeypatch.setitem(agreement._RANGES, predicate, lambda lanes: lanes.test(predicate, lanes.first, lanes.limit))
    toolchain = Toolchain(execution=ThreadExecution.LANES)
    with Device(cache=Cache(tmp_path), toolchain=toolchain) as faulty, pytest.raises(AssertionError):
        for name in QUESTIONS:
            test_indices_that_wrap_around_in_a_vector_are_not_taken_for_a_range(faulty, stacks, name)
