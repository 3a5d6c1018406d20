"""Kernels of many fields, as libraries and models write them, against NumPy: in each way and under the sanitizer.

`programs/fields.metal` has what broke, or was slow, when kernels were written that this project was not made with: rows
of arrays as arguments, blocks behind `void *`, loops in loops that threads leave differently, searches, votes of some.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from metalsci.cpu_metal import Device, Dispatch, Kernel
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

Given = Mapping[int, npt.NDArray[Any] | int]
SOURCE = (Path(__file__).parent / "programs" / "fields.metal").read_text()
RNG = np.random.default_rng(11)
WORDS = RNG.integers(0, 1 << 32, 256, np.uint64).astype(np.uint32)


@dataclass(frozen=True)
class Example:
    """One dispatch. given: arguments by index. makes: by index, what one is to hold afterwards."""

    given: Given
    makes: Mapping[int, npt.ArrayLike]
    threads: tuple[int, ...]
    group: tuple[int, ...]


def sorted_words() -> Example:
    return Example({0: WORDS}, {0: np.sort(WORDS)}, (256,), (256,))


def levels_of_a_graph() -> Example:
    count = 120
    edges = [sorted(set(RNG.integers(0, count, 3).tolist())) for _ in range(count)]
    levels, front = {0: 0}, [0]
    while front:
        new = dict.fromkeys(v for u in front for v in edges[u] if v not in levels)
        levels |= dict.fromkeys(new, levels[front[0]] + 1)
        front = list(new)
    rows = np.cumsum([0, *map(len, edges)]).astype(np.uint32)
    given: Given = {
        0: rows,
        1: np.array([v for each in edges for v in each], np.uint32),
        2: np.zeros(count, np.int32),
        3: count,
    }
    return Example(given, {2: [levels.get(each, -1) for each in range(count)]}, (33,), (33,))


def best_alignment() -> Example:
    first, second = RNG.integers(0, 4, 50, np.uint8), RNG.integers(0, 4, 61, np.uint8)
    best = np.zeros((51, 62), int)
    for i, a in enumerate(first.tolist(), 1):
        for j, b in enumerate(second.tolist(), 1):
            steps = (best[i - 1, j - 1] + (3 if a == b else -3), best[i - 1, j] - 2, best[i, j - 1] - 2)
            best[i, j] = max(0, *steps)
    given = {0: first, 1: second, 2: np.zeros(1, np.int32), 3: np.array([50, 61], np.int16)}
    return Example(given, {2: [best.max()]}, (64,), (64,))


def product_of_quantised_rows() -> Example:
    rows, blocks = 9, 6
    scales = np.ldexp(1, RNG.integers(-3, 3, (rows, blocks))).astype(np.float16)  # all sums are exact
    packed = RNG.integers(0, 256, (rows, blocks, 16), np.uint8)
    bytes_ = np.concatenate([scales[..., None].view(np.uint8), packed], axis=-1)
    numbers = np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.float32) - 8
    x = RNG.integers(-3, 4, blocks * 32).astype(np.float32)
    product = (numbers * scales[..., None].astype(np.float32)).reshape(rows, -1) @ x
    length = {3: np.array([blocks * 32], np.int64), 4: np.array([rows], np.int64)}
    return Example({0: bytes_, 1: x, 2: np.zeros(rows, np.float32), **length}, {2: product}, (96,), (32,))


def likeliest_path() -> Example:
    moves, seen = RNG.integers(-99, 99, (8, 8)).astype(np.float32), RNG.random((20, 8), np.float32)
    score, before = seen[0], []
    for row in seen[1:]:
        ways = score[:, None] + moves
        before.append(ways.argmax(0))
        score = ways.max(0) + row
    path = [int(score.argmax())]
    for each in reversed(before):
        path.append(int(each[path[-1]]))
    given: Given = {0: moves, 1: seen, 2: np.zeros(20, np.uint8), 3: 20}
    return Example(given, {2: path[::-1]}, (8,), (8,))


def turns_of_nested_loops() -> Example:
    return Example({0: np.zeros(131, np.int32)}, {0: [_nested(i) for i in range(131)]}, (131,), (33,))


def _nested(i: int) -> int:
    total = 0
    if i % 17 == 16:
        return 12345
    for j in range(1, i % 9 + 1):
        if j % 4 == 3:
            continue
        for k in range(i - 3, -1, -3):
            if (k ^ j) % 7 == 0:
                total += 100
                break
            total += k & 3
        total = [total + 11, total + 10, total ^ 0x55, total - 2, total - 2][j % 5]
    return total


def votes_of_simdgroups() -> Example:
    made = np.zeros((96, 4), np.uint32)
    for i in range(96):
        lanes, quad = range(i & ~31, (i & ~31) + 32), i & ~3
        made[i, 0] = sum(1 << (j & 31) for j in lanes if j % 3 == 0)
        made[i, 1] = sum(1 if i % 3 == 0 else j for j in lanes if (j % 3 == 0) == (i % 3 == 0))
        made[i, 2:] = sum(range(quad, quad + 4)), quad + (i + 1) % 4
    return Example({0: np.zeros((96, 4), np.uint32)}, {0: made}, (96,), (96,))


def next_generation() -> Example:
    alive = RNG.integers(0, 2, (9, 128))
    around = [np.roll(alive, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    neighbours = np.sum(around, axis=0)
    following = (neighbours == 3) | ((neighbours == 2) & (alive == 1))
    cells, made = (np.packbits(each, -1, "little").view(np.uint32) for each in (alive, following))
    return Example({0: cells, 1: np.zeros_like(cells)}, {1: made}, (4, 9), (4, 4))


def extremes_of_groups() -> Example:
    x = RNG.permutation(48).astype(np.int32).reshape(4, 12)
    made = np.stack([x.max(1), x.argmax(1), x.sum(1) + 232], 1)
    return Example({0: x, 1: np.zeros((4, 3), np.int32)}, {1: made}, (2, 6, 4), (2, 3, 2))


def places_in_sorted_numbers() -> Example:
    numbers, x = np.sort(RNG.random(1000, np.float32)), RNG.random(3001, np.float32)
    x[::3] = numbers[RNG.integers(0, 999, x[::3].size)]
    out = np.zeros(x.size, np.uint32)
    return Example({0: numbers, 1: x, 2: out, 3: 1000}, {2: np.searchsorted(numbers, x)}, (x.size,), (100,))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "radix": sorted_words,
    "bfs": levels_of_a_graph,
    "align_sequences": best_alignment,
    "quantised_product": product_of_quantised_rows,
    "viterbi": likeliest_path,
    "nested_loops": turns_of_nested_loops,
    "votes": votes_of_simdgroups,
    "life": next_generation,
    "structs_of_groups": extremes_of_groups,
    "search": places_in_sorted_numbers,
}


@pytest.mark.parametrize("way", ThreadExecution)
def test_kernels_give_what_numpy_does(way: ThreadExecution) -> None:
    with Device(2, toolchain=Toolchain(execution=way)) as device:
        kernels = device.compile(SOURCE).kernels
        assert set(kernels) == set(EXAMPLES)
        for name, example in EXAMPLES.items():
            _run(device, kernels[name], name, example(), check=False)


def test_the_sanitizer_finds_nothing(device: Device) -> None:
    for name, kernel in device.compile(SOURCE).kernels.items():
        _run(device, kernel, name, EXAMPLES[name](), check=True)


def _run(device: Device, kernel: Kernel, name: str, example: Example, *, check: bool) -> None:
    buffers = {i: device.buffer(each) for i, each in example.given.items() if not isinstance(each, int)}
    values = {i: each for i, each in example.given.items() if isinstance(each, int)}
    dispatch = Dispatch(kernel, {**buffers, **values}, threads=example.threads, threadgroup=example.group)
    device.run([dispatch], check=check)
    for i, made in example.makes.items():
        np.testing.assert_array_equal(buffers[i].array, made, err_msg=name)
