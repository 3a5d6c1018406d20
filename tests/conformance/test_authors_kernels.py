"""Kernels as authors of libraries write them: each way of execution and the sanitizer give what a reference does."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

SOURCE = (Path(__file__).parent / "programs" / "authors.metal").read_text()
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Problem:
    """Arguments of a kernel by index, and what it shall make of them. scratch: further buffers that it writes to."""

    given: Mapping[int, Any]
    want: Mapping[int, Array]
    threads: tuple[int, ...]
    group: tuple[int, ...]
    scratch: Mapping[int, Array] = field(default_factory=dict)
    threadgroup_memory: Mapping[int, int] = field(default_factory=dict)
    tolerance: float = 0.0


def scans(values: Array, block: int, exclusive: bool) -> Array:
    parts = [values[start : start + block] for start in range(0, len(values), block)]
    return np.concatenate([np.cumsum(part) - part * exclusive for part in parts]).astype(values.dtype)


def pick_scan_blelloch(rng: np.random.Generator) -> Problem:
    x = rng.integers(0, 100, 1000).astype(np.uint32)
    totals = np.array([x[start : start + 256].sum() for start in range(0, 1000, 256)], np.uint32)
    want = {1: scans(x, 256, exclusive=True), 2: totals}
    return Problem({0: x, 3: 1000}, want, (512,), (128,), threadgroup_memory={0: 264 * 4})


def pick_scan(rng: np.random.Generator) -> Problem:
    x = rng.integers(0, 9, 1024).astype(np.int32)
    return Problem({0: x}, {1: scans(x, 256, exclusive=False)}, (1024,), (256,))


def pick_sw(rng: np.random.Generator) -> Problem:
    a, b = rng.integers(0, 4, 50).astype(np.uint8), rng.integers(0, 4, 60).astype(np.uint8)
    score = np.zeros((51, 61), np.int32)
    for i in range(1, 51):
        for j in range(1, 61):
            match = score[i - 1, j - 1] + (2 if a[i - 1] == b[j - 1] else -1)
            score[i, j] = max(0, match, score[i - 1, j] - 1, score[i, j - 1] - 1)
    return Problem({0: a, 1: b, 3: 50, 4: 60}, {2: score.max(keepdims=True)[0]}, (64,), (64,))


def pick_life(rng: np.random.Generator) -> Problem:
    words = rng.integers(0, 1 << 32, (17, 5), dtype=np.uint64).astype(np.uint32)
    bits = (words[:, :, None] >> np.arange(32, dtype=np.uint32) & 1).reshape(17, -1).astype(int)
    around = sum(np.roll(bits, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1)) - bits
    alive = ((around == 3) | ((around == 2) & (bits == 1))).astype(np.uint64).reshape(17, 5, 32)
    want = (alive << np.arange(32, dtype=np.uint64)).sum(2).astype(np.uint32)
    return Problem({0: words, 2: np.array([5, 17], np.uint16)}, {1: want}, (6, 18), (3, 7))


def pick_rec(rng: np.random.Generator) -> Problem:
    a, b = (rng.random(100) * 0.9).astype(np.float32), rng.standard_normal(100).astype(np.float32)
    h = [0.0]
    for i in range(100):
        h.append(float(a[i]) * h[-1] + float(b[i]))
    return Problem({0: a, 1: b, 3: 100}, {2: np.array(h[1:], np.float32)}, (32,), (32,), tolerance=1e-4)


def word(v: int) -> int:
    kind, value, high = (v & 7) % 5, v >> 3 & 0x1FFF, v >> 16
    made = {0: 1 + value, 1: value, 2: -high, 3: v, 4: 7}[kind]
    return (made + (v | 1).bit_length()) & 0xFFFFFFFF


def pick_words(rng: np.random.Generator) -> Problem:
    x = rng.integers(0, 1 << 32, 77, dtype=np.uint64).astype(np.uint32)
    return Problem({0: x}, {1: np.array([word(int(v)) for v in x], np.uint32)}, (77,), (7,))


def parted(i: int) -> int:
    s = 0
    for a in range(20):
        if a * i % 7 == 3:
            continue
        b = 0
        while True:
            b += 1
            if (a + b + i) % 5 == 0 or b > 6:
                break
            if a * b == 30 and i % 3 == 0:
                return -s
            s += a ^ b
        if s > 300 + i:
            break
    return s


def pick_parting(_: np.random.Generator) -> Problem:
    return Problem({}, {0: np.array([parted(i) for i in range(150)], np.int32)}, (150,), (33,))


def pick_viterbi(rng: np.random.Generator) -> Problem:
    steps, seen = rng.standard_normal((12, 12)).astype(np.float32), rng.standard_normal((20, 12)).astype(np.float32)
    score, back, path = seen[0], [], []
    for each in seen[1:]:
        back.append((score[:, None] + steps).argmax(0))
        score = (score[:, None] + steps).max(0) + each
    path.append(int(score.argmax()))
    for each in reversed(back):
        path.append(int(each[path[-1]]))
    scratch = {5: np.zeros((20, 12), np.int32)}
    given = {0: steps, 1: seen, 3: 12, 4: 20}
    return Problem(given, {2: np.array(path[::-1], np.int32)}, (12,), (12,), scratch)


PROBLEMS: dict[str, Callable[[np.random.Generator], Problem]] = {
    "scan_blelloch": pick_scan_blelloch,
    "scan": pick_scan,
    "sw": pick_sw,
    "life": pick_life,
    "rec": pick_rec,
    "words": pick_words,
    "parting": pick_parting,
    "viterbi": pick_viterbi,
}


@pytest.fixture(scope="module", params=ThreadExecution)
def device(request: pytest.FixtureRequest, cache: Cache) -> Iterator[Device]:
    with Device(cache=cache, toolchain=Toolchain(execution=request.param)) as device:
        yield device


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_results_are_those_of_a_reference(name: str, device: Device) -> None:
    problem = PROBLEMS[name](np.random.default_rng(5))
    kernel = device.compile(SOURCE, math_mode="safe").kernels[name]
    for check in (False, True):
        arguments: dict[int, Any] = {
            i: device.buffer(given) if isinstance(given, np.ndarray) and given.size > 4 else given
            for i, given in problem.given.items()
        }
        made = {i: device.empty(want.shape, want.dtype) for i, want in {**problem.want, **problem.scratch}.items()}
        dispatch = Dispatch(
            kernel, arguments | made, problem.threads, problem.group, threadgroup_memory=problem.threadgroup_memory
        )
        device.run([dispatch], check=check)
        for i, want in problem.want.items():
            np.testing.assert_allclose(made[i].array, want, rtol=problem.tolerance, atol=problem.tolerance)
