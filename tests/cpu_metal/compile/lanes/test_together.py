"""Loops whose first turns all lanes take together, up to the least of their limits; indices that wrap around."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile import kernel_build
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes import together
from metalsci.cpu_metal.compile.lanes.kernel import InLanes, in_lanes
from metalsci.cpu_metal.compile.lanes.masked import MaskedWriter
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution
from metalsci.cpu_metal.errors import DeviceTimeout
from metalsci.cpu_metal.execute import commands
from metalsci.files.locations import data

THREADS = 100
HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
# `n` is where all threads begin, `x` a number of the thread's own, never far from it.
LOOPS = {
    **{f"{kind} <": (kind, "for ({kind} t = n; t < x; ++t) {body}") for kind in ("int", "uint", "ulong", "long")},
    "uint <=": ("uint", "if (x < ~0u) for (uint t = n; t <= x; ++t) {body}"),
    "int <=": ("int", "if (x < 0x7fffffff) for (int t = n; t <= x; ++t) {body}"),
    "uint !=": ("uint", "for (uint t = n; t != x; ++t) {body}"),
    "int != down": ("int", "for (int t = n; t != x; --t) {body}"),
    "int >": ("int", "for (int t = n; t > x; --t) {body}"),
    "uint >=": ("uint", "if (x > 0) for (uint t = n; t >= x; --t) {body}"),
    "by three": ("ulong", "for (ulong t = n; t < x && t < t + 3; t += 3) {body}"),
    "from none": ("int", "for (int t = n; t++ < x;) {body}"),
    "at least once": ("int", "int t = n; do {body} while (++t < x);"),
}  # fmt: skip
BODIES = {
    "count": "{{ a += s[uint(t) & 63] > 0.0f ? 1 : 0; }}",
    "sum": "{{ f += s[uint(t) & 63]; }}",
    "own": "{{ a = a * 3 + uint(t) + i; f = f * 0.5f + s[(i + uint(t)) & 63]; }}",
    "stores": "{{ o[THREADS * (1 + (uint(t) & 3)) + i] += uint(t); a ^= o[THREADS * (1 + (uint(t) & 1)) + i]; }}",
    "breaks": "{{ if (t == n + 40) break; a += uint(t); last = uint(t) * 3; }}",
    "loop within": "{{ for (uint r = 0; r < 3; ++r) {{ a += r * uint(t); f += s[r + (uint(t) & 31)]; }} last = a; }}",
    "branch within": "{{ if (s[(i + uint(t)) & 63] > 0.0f) a += uint(t); else f += 1.0f; }}",
}  # fmt: skip
KINDS = {"int": "i4", "uint": "u4", "long": "i8", "ulong": "u8"}


def kernel(number: int, loop: str, body: str) -> str:
    kind, text = LOOPS[loop]
    unsigned = "u" + kind.removeprefix("u")
    return f"""
kernel void k{number}(device const float *s, device uint *o, constant {kind} &n, constant {kind} &first,
                      uint i [[thread_position_in_grid]]) {{
    constexpr uint THREADS = {THREADS};
    const {kind} x = ({kind})(({unsigned})first + ({unsigned})i);
    uint a = 1, last = 7;
    float f = 0.0f;
    {GUARDS[number % 2]}
    {text.format(kind=kind, body=body.format())}
    o[i] = a + 31 * last + as_type<uint>(f);
}}
"""


GUARDS = ("", "if (s[i & 63] < -0.2f) return;")
NUMBERS = {each: number for number, each in enumerate((loop, body) for loop in LOOPS for body in BODIES)}


def source(loop: str) -> str:
    return HEADER + "".join(kernel(NUMBERS[loop, name], loop, body) for name, body in BODIES.items())


@pytest.fixture(scope="module")
def lanes() -> Iterator[Device]:
    with Device(toolchain=Toolchain(execution=ThreadExecution.LANES)) as device:
        yield device


@pytest.fixture(scope="module")
def narrow() -> Iterator[Device]:
    with Device(toolchain=Toolchain(execution=ThreadExecution.LANES, architecture="x86-64-v3")) as device:
        yield device


@pytest.fixture(scope="module")
def stacks() -> Iterator[Device]:
    with Device(toolchain=Toolchain(execution=ThreadExecution.STACKS)) as device:
        yield device


def pairs(dtype: np.dtype) -> list[tuple[int, int]]:
    """Return beginnings and first limits so near each other that no loop is long unless it goes round all numbers."""
    known = np.iinfo(dtype)
    low, high = int(known.min), int(known.max)
    found = []
    for n in (0, 30, low + 2, low + 150, high - 150, high - 2 * THREADS):
        found += [(n, n + d) for d in (-140, -THREADS, -50, -16, -3, 0, 1, 5, 16, 40)]
    return [(n, first) for n, first in found if low <= first and first + THREADS <= high + 60 and n <= high]


def run(device: Device, loop: str, group: int = THREADS, timeout: float = 60) -> np.ndarray:
    """Return all results. Loops that meet a limit begin on its right side, or they would go round all numbers."""
    threads = THREADS if group == THREADS else THREADS - 9
    kind = np.dtype(KINDS[LOOPS[loop][0]])
    built = device.compile(source(loop), math_mode="safe").kernels
    given = device.buffer((np.random.default_rng(1).standard_normal(64) * 1000).astype(np.float32))
    chosen = pairs(kind)
    if "!=" in loop:
        chosen = [(n, first) for n, first in chosen if (n <= first if "down" not in loop else first + THREADS <= n + 1)]
    if loop == "uint >=":
        chosen = [(n, first) for n, first in chosen if first > 0]
    chosen = [(n, first) for n, first in chosen if first + THREADS - 1 <= np.iinfo(kind).max or "<" in loop]
    outs = [(name, n, first, device.buffer(np.zeros(5 * THREADS, np.uint32))) for name in BODIES for n, first in chosen]
    device.run([
        Dispatch(
            built[f"k{NUMBERS[loop, name]}"],
            {0: given, 1: out, 2: kind.type(n), 3: kind.type(first)},
            threads=(threads,),
            threadgroup=(group,),
        )
        for name, n, first, out in outs
    ], timeout=timeout)  # fmt: skip
    return np.stack([out.array for *_, out in outs])


@pytest.mark.parametrize("loop", LOOPS)
def test_turns_that_are_taken_together_give_what_each_thread_alone_does(
    lanes: Device, narrow: Device, stacks: Device, loop: str
) -> None:
    want = run(stacks, loop)
    np.testing.assert_array_equal(run(lanes, loop), want)
    np.testing.assert_array_equal(run(narrow, loop), want)
    np.testing.assert_array_equal(run(lanes, loop, 7), run(stacks, loop, 7))


def _take_the_last_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    right = together._least
    monkeypatch.setattr(together, "_least", lambda code, _, *given: right(code, "ugt", *given))


def _forget_what_lanes_leave_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MaskedWriter, "_leave", lambda self, loop: None)


@pytest.mark.parametrize("fault", [_take_the_last_limit, _forget_what_lanes_leave_with])
def test_a_fault_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stacks: Device, fault: Callable[..., None]
) -> None:
    want = run(stacks, "uint <")
    fault(monkeypatch)
    toolchain = Toolchain(execution=ThreadExecution.LANES)
    with Device(cache=Cache(tmp_path), toolchain=toolchain) as faulty, pytest.raises((AssertionError, DeviceTimeout)):
        np.testing.assert_array_equal(run(faulty, "uint <", timeout=2), want)


COUNT = """
kernel void k(device const float *s, device {kind} *o, uint i [[thread_position_in_grid]]) {{
    if (!(s[i] > 0.0f)) return;
    {kind} sum = 0;
    for (uint t = i / 256 * 256; t < i; ++t) sum += {term};
    o[i] = sum;
}}
"""


def _module(monkeypatch: pytest.MonkeyPatch, device: Device, text: str) -> str:
    made: list[InLanes] = []

    def spy(*given: Any, **named: Any) -> InLanes:
        made.append(in_lanes(*given, **named))
        return made[-1]

    monkeypatch.setattr(kernel_build, "in_lanes", spy)
    device.compile(HEADER + text, math_mode="safe")
    (code,) = made
    return code.module


def test_what_comes_before_a_thread_is_counted_for_a_whole_vector(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each thread's own loop, vectorised, took 2.6 times as long."""
    with Device(cache=Cache(tmp_path)) as device:
        module = _module(monkeypatch, device, COUNT.format(kind="uint", term="s[t] > 0.0f ? 1 : 0"))
    assert module.count("llvm.vector.reduce.umin") == 2, "a call and its declaration"
    assert module.count("!llvm.loop !900002") == 1, "a loop of scalars, of which LLVM makes vectors"


def test_parts_of_a_row_begin_where_a_vector_begins() -> None:
    """So `t = i / 256 * 256` is the same for all lanes of a vector."""
    extents = (1, 15, 63, 64, 65, 1000, 4096, 100_001, 1 << 24)
    cuts = [(x, commands._tile((x, y, 1), workers)) for x in extents for y in (1, 3, 5000) for workers in (1, 2, 7, 64)]
    assert any(tile < x for x, tile in cuts)
    assert all(tile % 64 == 0 or tile >= x for x, tile in cuts)


def test_the_seed_kernel_that_counts_what_comes_before_runs_in_lanes() -> None:
    with Device() as device:
        built = device.compile((data("tasks") / "compact" / "seed.metal").read_text()).kernels["compact_scatter"]
    assert "in the lanes of vectors" in built.how


def test_a_sum_that_llvm_makes_vectors_of_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stacks: Device
) -> None:
    text = COUNT.format(kind="float", term="s[t]")
    given = (10.0 ** np.random.default_rng(3).uniform(-3, 5, 1000)).astype(np.float32)

    def found(device: Device) -> np.ndarray:
        out = device.buffer(np.zeros(1000, np.float32))
        built = device.compile(HEADER + text, math_mode="safe").kernels["k"]
        device.run([Dispatch(built, {0: device.buffer(given), 1: out}, (1000,), (256,))])
        return np.array(out.array)

    want = found(stacks)
    with Device(cache=Cache(tmp_path / "right")) as device:
        assert "!llvm.loop !900002" in _module(monkeypatch, device, text)
        np.testing.assert_array_equal(found(device), want)
    assert kernel_build._IN_LANES[-2:] == kernel_build._IN_ORDER
    monkeypatch.setattr(kernel_build, "_IN_LANES", kernel_build._IN_LANES[:-2])
    with Device(cache=Cache(tmp_path / "wrong")) as device:
        assert (found(device) != want).any()
