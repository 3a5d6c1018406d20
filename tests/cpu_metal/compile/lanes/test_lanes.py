"""Kernels with barriers, loops and simdgroup functions in lanes; and faults put into the passes, which show."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile import front, kernel_build
from metalsci.cpu_metal.compile.architecture import Architecture, ArchitectureError
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.lanes import analysis, choices, divergence, flow, idle, joined_stores, kernel, section
from metalsci.cpu_metal.compile.lanes.analysis import Analysis
from metalsci.cpu_metal.compile.lanes.code import Code
from metalsci.cpu_metal.compile.lanes.idle import Guards
from metalsci.cpu_metal.compile.lanes.nodes import NodeWriter
from metalsci.cpu_metal.compile.lanes.storage import Storage
from metalsci.cpu_metal.compile.lanes.values import Values
from metalsci.cpu_metal.compile.llvm.function import Function
from metalsci.cpu_metal.compile.llvm.instruction import Instruction
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import Mode, ThreadExecution
from metalsci.cpu_metal.errors import DeviceCrash
from metalsci.files.locations import data

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
KERNELS = {
    "a tree sum in threadgroup memory": (
        """
kernel void k(device const int *s, device int *o,
              uint i [[thread_position_in_grid]],
              uint l [[thread_position_in_threadgroup]],
              uint w [[threads_per_threadgroup]],
              uint g [[threadgroup_position_in_grid]]) {
 threadgroup int t[1024]; t[l] = s[i]; threadgroup_barrier(mem_flags::mem_threadgroup);
 for (uint d = w/2;
 d > 0;
 d /= 2) { if (l < d) t[l] += t[l+d];
 threadgroup_barrier(mem_flags::mem_threadgroup);
 }
 o[i] = t[0] + t[l]; }
""",
        (256,),
    ),
    "barriers in a loop": (
        """
kernel void k(device const int *s, device int *o,
              uint i [[thread_position_in_grid]],
              uint l [[thread_position_in_threadgroup]],
              uint w [[threads_per_threadgroup]]) {
 threadgroup int t[1024]; int a = s[i];
 for (int q = 0;
 q < 5;
 ++q) { t[l] = a + q;
 threadgroup_barrier(mem_flags::mem_threadgroup);
 a += t[(l+1)%w];
 threadgroup_barrier(mem_flags::mem_threadgroup);
 }
 o[i] = a; }
""",
        (256,),
    ),
    "a sum over simdgroups, then by one of them": (
        """
kernel void k(device const int *s, device int *o,
              uint i [[thread_position_in_grid]],
              uint l [[thread_index_in_threadgroup]],
              uint w [[threads_per_threadgroup]],
              uint g [[simdgroup_index_in_threadgroup]],
              uint q [[thread_index_in_simdgroup]],
              uint n [[simdgroups_per_threadgroup]]) {
 threadgroup int t[32]; int a = simd_sum(s[i]); if (q == 0) t[g] = a; threadgroup_barrier(mem_flags::mem_threadgroup);
 if (g == 0) { int b = simd_sum(q < n ? t[q] : 0); if (q == 0) t[0] = b; }
 threadgroup_barrier(mem_flags::mem_threadgroup);
 o[i] = t[0]; if (l / 32 == 1) o[i] += simd_max(s[i]); }
""",
        (200,),
    ),
    "a turn of a loop that others still need": (
        """
kernel void k(device const int *s, device int *o, uint i [[thread_position_in_grid]],
              uint l [[thread_position_in_threadgroup]], uint w [[threads_per_threadgroup]]) {
 threadgroup int t[1024]; int a = s[i]; t[l] = a;
 for (uint d = 1; d < w; d *= 3) { threadgroup_barrier(mem_flags::mem_threadgroup); a += t[(l + d) % w] + int(d); }
 o[i] = a; }
""",
        (100,),
    ),
    "threads that return before a barrier": (
        """
kernel void k(device const int *s, device int *o,
              uint i [[thread_position_in_grid]],
              uint l [[thread_position_in_threadgroup]],
              uint w [[threads_per_threadgroup]]) {
 threadgroup int t[1024]; t[l]=1; if (s[i] % 3 == 0) { o[i] = 7; return; } int a = s[i];
 threadgroup_barrier(mem_flags::mem_threadgroup);
 while (a > 2) { a = a/2; t[l]+=1; if (t[l] == 4) break; }
 threadgroup_barrier(mem_flags::mem_threadgroup);
 o[i] = a*100+t[l]; }
""",
        (100,),
    ),
    "a tile with neighbours": (
        """
kernel void k(device const int *s, device int *o,
              uint2 p [[thread_position_in_grid]],
              uint2 l [[thread_position_in_threadgroup]],
              uint2 n [[threads_per_grid]]) {
 threadgroup int t[16][16]; t[l.y][l.x]=s[p.y*n.x+p.x]; threadgroup_barrier(mem_flags::mem_threadgroup);
 o[p.y*n.x+p.x] = t[(l.y+1)%4][l.x] * 3 + (l.x > 0 ? t[l.y][l.x-1] : -5); }
""",
        (16, 16),
    ),
    "functions of a simdgroup": (
        """
kernel void k(device const int *s, device int *o,
              uint i [[thread_position_in_grid]],
              uint l [[thread_index_in_threadgroup]],
              uint n [[simdgroup_index_in_threadgroup]],
              uint q [[thread_index_in_simdgroup]]) {
 threadgroup int t[32]; int a = simd_sum(s[i]); t[n] = a; threadgroup_barrier(mem_flags::mem_threadgroup);
 int b = simd_shuffle_xor(s[i], 3) + simd_prefix_exclusive_sum(int(l)) + simd_max(s[i]);
 float4 f = simd_shuffle_down(float4(s[i],l,2,3), 2);
 for (int k = 0; k < 3; ++k) b += int(simd_sum(float(b % 100)));
 o[i] = a + 1000*b + int(f.x + f.y) + t[0] + (simd_is_first() ? 1 : 0); }
""",
        (100,),
    ),
    "functions of a simdgroup where threads part": (
        """
kernel void k(device const int *s, device int *o,
              uint2 p [[thread_position_in_grid]],
              uint2 l [[thread_position_in_threadgroup]],
              uint2 n [[threads_per_grid]]) {
 int a = s[p.y*n.x+p.x];
 if (l.x % 3 == 0) a += simd_sum(a);
 o[p.y*n.x+p.x] = a + simd_broadcast(int(p.x), 1) + quad_shuffle_xor(a, 1);
 }
""",
        (16, 16),
    ),
    "own arrays by an index that differs": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
 int a[16];
 for (int q = 0;
 q < n;
 ++q) a[q] = s[i] * q;
 int r = 0;
 for (int q = 0;
 q < n;
 ++q) r += a[(q + s[i]) & 7];
 float4 v = float4(s[i], 1, 2, 3); for (int q = 0; q < n; ++q) v = v.yzwx * 2.0f; o[i] = r + int(v.x); }
""",
        (64,),
    ),
    "values that arms of a branch give": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
    int r = 0, k;
    if (s[i] & 1) {
        for (int q = 0; q < n; ++q) r += s[q] ^ q;
        k = n;
    } else {
        for (int q = 0; q < n; ++q) r -= s[q] * q;
        k = 7;
    }
    o[i] = r * 10 + k;
}
""",
        (64,),
    ),
    "one of two places": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
 int a[16]; for (int q = 0; q < n; ++q) a[q] = s[i] * q;
 for (int r = 0; r < n; ++r) for (int q = 0; q < n; ++q) a[q] += s[q] + r;
 int b = 0; for (int q = 0; q < n; ++q) b += s[i] & 1 ? a[q] : s[q + i];
 o[i] = b; }
""",
        (64,),
    ),
    "threads that part where others have come together": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
 if (s[i] % 5 == 0) { o[i] = -1; return; }
 if (s[i] & 1) {
  for (int q = 0; q < n; ++q) { if (s[(i + q) % 64] & 1) continue; o[i] += q + s[q]; }
  return;
 }
 o[i] = s[i] * 3; }
""",
        (64,),
    ),
    "a value of a loop that threads leave in different turns, by either of two ways": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
 int a = s[i], b = n;
 for (int q = 0; q < (a & 7); ++q) { if (a == 3) break; b += q; }
 o[i] = b; }
""",
        (64,),
    ),
    "a loop that some threads end before and others leave at different times": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
 int e = int(i * (i % 3)), at = 0;
 for (int d = n - 1; e > 0 && d >= 0; --d) { at += e % (s[d] + 2) * (s[d + 8] & 7); e /= s[d] + 2; }
 o[i] = s[at]; }
""",
        (64,),
    ),
    "an edge, and threads that are too many": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
 if (int(i) >= 96 * n) return;
 if (i == 0 || i % 50 == 7) { o[i] = s[i]; return; }
 int a = 0; for (int q = 0; q < n; ++q) { a += s[i + q]; if (i > 300 && s[i] == q) return; }
 o[i] = a + s[i - 1]; }
""",
        (64,),
    ),
    "an edge within a group": (
        """
kernel void k(device const int *s, device int *o,
              uint2 p [[thread_position_in_grid]],
              uint2 l [[thread_position_in_threadgroup]],
              uint2 n [[threads_per_grid]]) {
 threadgroup int t[1024]; uint c = p.y * n.x + p.x;
 if (p.y >= 11 && p.x > 20) return;
 if (l.x == 0) { o[c] = s[c]; t[l.y * 16 + l.x] = 5; } else { t[l.y * 16 + l.x] = s[c] + s[c - 1]; }
 threadgroup_barrier(mem_flags::mem_threadgroup);
 if (p.x % 16 < 5 && p.y == 2) return;
 o[c] = t[l.y * 16 + l.x] * 3; }
""",
        (16, 4),
    ),
    "elements of vectors that threads share": (
        """
kernel void k(device const int *s, device int4 *o, uint i [[thread_position_in_grid]],
              uint l [[thread_position_in_threadgroup]]) {
 threadgroup int4 t[32]; t[l / 4][l % 4] = s[i]; threadgroup_barrier(mem_flags::mem_threadgroup);
 o[i / 4][i % 4] = t[l / 4][3 - l % 4]; o[i / 4][i % 4] *= 3;
 if (i % 2) o[256 + i / 2].y = s[i]; else o[256 + i / 2].xw = int2(s[i], 7); }
""",
        (64,),
    ),
    "elements one by one": (
        """
kernel void k(device const int4 *s, device int4 *o, uint i [[thread_position_in_grid]]) {
 int4 v = s[i % 512]; o[i].x = v.y; o[i].y = v.x * 2; o[i].z = v.w; o[i].w = v.z - v.y; }
""",
        (64,),
    ),
    "floats beyond an integer's range": (
        """
kernel void k(device const int *s, device int *o, uint i [[thread_position_in_grid]]) {
 float f = float(s[i] - 25) * 2e8f; o[i] = int(f) ^ int(uint(f));
 o[i + 777] = int(short(f / 9e4f)) + int(0.0f / (f - f)); }
""",
        (64,),
    ),
    "vectors in a loop": (
        """
kernel void k(device const int4 *s, device int4 *o, constant int &n, uint i [[thread_position_in_grid]]) {
 int4 a = s[i/4]; for (int q = 0; q < n; ++q) a = a.wxyz + s[q % 4]; if (i % 4 == 0) o[i/4] = a; }
""",
        (64,),
    ),
    "an end that threads share before a barrier and behind it": (
        """
kernel void k(device const int *s, device int *o,
              uint l [[thread_position_in_threadgroup]],
              uint w [[threads_per_threadgroup]],
              uint g [[threadgroup_position_in_grid]]) {
 threadgroup int t[1024]; int a = s[g * 64 + l];
 if (w <= 32) { if (l == 0) o[g] = a * 3; return; }
 t[l] = a; threadgroup_barrier(mem_flags::mem_threadgroup);
 if (l % 2 == 0) { a += t[l + 1]; if (l == 0) o[g] = a * 3; } }
""",
        (64,),
    ),
    "own arrays by an index that is the same for all": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
 int a[256]; if (s[i] % 7 == 0) { o[i] = 1; return; }
 a[0] = s[i]; a[n - 1] = s[i] * 3;
 for (int q = 1; q + 1 < n; ++q) a[q] = a[q - 1] * 5 + s[q];
 int r = a[n - 2]; for (int q = n - 1; q >= 0; --q) r = r * 3 + a[q];
 o[i] = r; }
""",
        (64,),
    ),
    "bits in reverse": (
        """
kernel void k(device const int *s, device int *o, constant int &n, uint i [[thread_position_in_grid]]) {
 uint x = s[i] & 31;
 uint r = (x & 1) << 4 | (x & 2) << 2 | (x & 4) | (x & 8) >> 2 | (x & 16) >> 4;
 uint y = s[i] & 127, z = 0; for (uint b = 0; b < 7; ++b) z |= (y >> b & 1) << (6 - b);
 o[i] = s[(r << 1 | i % 2) + n] + int(z); }
""",
        (64,),
    ),
}


@pytest.fixture(scope="module")
def stacks(cache: Cache) -> Iterator[Device]:
    with Device(cache=cache, toolchain=Toolchain(execution=ThreadExecution.STACKS)) as device:
        yield device


@pytest.fixture(scope="module")
def lanes(cache: Cache) -> Iterator[Device]:
    with Device(cache=cache, toolchain=Toolchain(execution=ThreadExecution.LANES)) as device:
        yield device


@pytest.fixture
def faulty(cache: Cache, tmp_path: Path) -> Iterator[Device]:
    """Yield a device that compiles kernels by the passes as they are now, and shares none of them."""
    for entry in cache.folder.glob("[lpr]*-*"):  # Metal's headers, the launcher, the runtime: no pass makes those
        (tmp_path / entry.name).symlink_to(entry)
    with Device(cache=Cache(tmp_path), toolchain=Toolchain(execution=ThreadExecution.LANES)) as device:
        yield device


def run(device: Device, name: str, mode: Mode | None = None) -> np.ndarray:
    source, group = KERNELS[name]
    built = device.compile(HEADER + source, math_mode="safe").kernels["k"]
    assert mode is None or built.mode is mode
    threads = (777,) if len(group) == 1 else (37, 19)
    given = np.random.default_rng(3).integers(0, 50, 4096).astype(np.int32)
    out = device.buffer(np.zeros(4096, np.int32))
    bound = {0: device.buffer(given), 1: out} | ({2: np.int32(8)} if "int &n" in source else {})
    device.run([Dispatch(built, bound, threads=threads, threadgroup=group)], timeout=60)
    return np.array(out.array)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_gives_in_lanes_what_it_gives_on_stacks(stacks: Device, lanes: Device, name: str) -> None:
    waits = "_barrier" in KERNELS[name][0] or "simd_" in KERNELS[name][0]
    mode = Mode.GROUP if waits else Mode.GRID
    if name == "functions of a simdgroup where threads part":
        mode = Mode.THREAD  # who takes part is who comes together, which stacks tell
    got = run(lanes, name, mode)
    np.testing.assert_array_equal(got, run(stacks, name))


def _take_masks_for_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NodeWriter, "_both", lambda self, mask, condition: mask)


def _let_early_returns_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NodeWriter, "_end", lambda self, mask: None)


def _take_some_lanes_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Code, "all", Code.any)


def _store_whole_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "of_elements", lambda module: module)


def _convert_as_the_processor_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "saturating", lambda module: module)


def _join_stores_the_wrong_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    right = joined_stores._vector_store
    monkeypatch.setattr(joined_stores, "_vector_store", lambda parts, name: right([parts[0], *parts[:0:-1]], name))


def _forget_barriers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "regions", lambda graph: dict.fromkeys(graph.nodes, graph.entry))


def _forget_that_threads_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divergence, "joins", lambda *given: set())


def _keep_one_vector_across_barriers(monkeypatch: pytest.MonkeyPatch) -> None:
    right: Callable[..., str] = Values.slot

    def slot(values: Values, name: str, kind: str, index: int = 0, purpose: str = "") -> str:
        values.tile = "0"
        return right(values, name, kind, index, purpose)

    monkeypatch.setattr(Values, "slot", slot)


def _mix_up_two_places(monkeypatch: pytest.MonkeyPatch) -> None:
    right = choices._part

    def part(graph: flow.Graph, node: flow.FlowNode, index: int, select: Instruction, name: str) -> None:
        condition, first, second = select.operands
        right(graph, node, index, replace(select, operands=(condition, second, first)), name)

    monkeypatch.setattr(choices, "_part", part)


def _let_the_first_vector_do_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "touches_memory", lambda each: False)


def _stop_behind_the_first_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guards, "_over", lambda self, values, limit: "true")


def _show_the_next_turn_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NodeWriter, "_purpose", lambda self, edge, name, otherwise="": otherwise)
    monkeypatch.setattr(Storage, "take_incoming", lambda self, code, head: None)


def _take_one_simdgroup_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Analysis._given
    monkeypatch.setattr(Analysis, "_given_to_the_group", lambda self: right(self, joined=True))


@pytest.mark.parametrize(
    "fault, name",
    [
        (_let_the_first_vector_do_all, "a tree sum in threadgroup memory"),
        (_stop_behind_the_first_vector, "a tree sum in threadgroup memory"),
        (_show_the_next_turn_early, "a turn of a loop that others still need"),
        (_take_one_simdgroup_for_all, "a sum over simdgroups, then by one of them"),
        (_mix_up_two_places, "one of two places"),
        (_take_masks_for_full, "an edge within a group"),
        (_let_early_returns_go_on, "threads that return before a barrier"),
        (_take_some_lanes_for_all, "an edge, and threads that are too many"),
        (_take_some_lanes_for_all, "an edge within a group"),
        (_store_whole_vectors, "elements of vectors that threads share"),
        (_convert_as_the_processor_does, "floats beyond an integer's range"),
        (_join_stores_the_wrong_way_round, "elements one by one"),
        (_forget_barriers, "barriers in a loop"),
        (_forget_that_threads_part, "values that arms of a branch give"),
        (_keep_one_vector_across_barriers, "barriers in a loop"),
    ],
)
def test_a_fault_shows(
    stacks: Device, faulty: Device, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., None], name: str
) -> None:
    want = run(stacks, name)
    fault(monkeypatch)
    assert (run(faulty, name) != want).any()


def _seen(monkeypatch: pytest.MonkeyPatch) -> list[kernel.InLanes]:
    """Return a list that fills with what kernels become in lanes."""
    made: list[kernel.InLanes] = []

    def spy(*given: Any, **named: Any) -> kernel.InLanes:
        made.append(kernel.in_lanes(*given, **named))
        return made[-1]

    monkeypatch.setattr(kernel_build, "in_lanes", spy)
    return made


def test_a_vector_that_has_all_its_lanes_behind_a_question_needs_no_mask(
    faulty: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that adds two arrays behind `if (i >= n) return;` took twice the time of one without it."""
    made = _seen(monkeypatch)
    source = """
kernel void k(device const float *s, device float *o, constant uint &n, uint i [[thread_position_in_grid]]) {
 if (i >= n) return;
 if (i == 0) { o[i] = s[i]; } else { o[i] = s[i] + s[i - 1]; } }
"""
    faulty.compile(HEADER + source)
    (code,) = made
    assert "@llvm.masked.load" in code.module, "for vectors that have not"
    plain = re.findall(rf"load <{code.width} x float>, ptr %metal.r\d+, align 4", code.module)
    assert len(plain) >= 2, "s[i] and s[i - 1]"


@pytest.mark.parametrize(
    "body, copies",
    [
        ("if (i == 3) o[i] = 1; else o[i] = s[i] * 77.0f;", "rr"),
        # Lanes that part in a loop of all would make it one with two ways in.
        ("for (uint k = 0; k < n; ++k) if (s[i] > k) o[i + 64 * k] = s[k] * 77.0f;", "rrj"),
    ],
    ids=["edge", "loop"],
)
def test_code_under_masks_is_written_once_for_lanes_that_part_and_that_are_not_there(
    faulty: Device, stacks: Device, monkeypatch: pytest.MonkeyPatch, body: str, copies: str
) -> None:
    """A restriction of multigrid, whose stencil was written three times, took 140 ms to compile and not 95."""
    made = _seen(monkeypatch)
    source = f"""{HEADER}kernel void k(device const float *s, device float *o, constant uint &n,
        uint i [[thread_position_in_grid]]) {{ {body} }}"""
    results = []
    for each in (faulty, stacks):
        out = each.buffer(np.zeros(256, np.float32))
        given = np.arange(64, dtype=np.float32)
        built = each.compile(source).kernels["k"]
        each.run([Dispatch(built, {0: given, 1: out, 2: np.uint32(4)}, threads=(45,), threadgroup=(45,))])
        results.append(out.array.copy())
    (code,) = made
    times = re.findall(r"%metal\.(\w)\d+ = fmul .* 7\.700000e\+01", code.module, re.MULTILINE)
    assert "".join(times) == copies, "r: of vectors in rows; j: of those that lack threads, by itself"
    np.testing.assert_array_equal(results[0], results[1])


def test_code_for_rows_that_are_not_whole_vectors_is_compiled_when_a_dispatch_first_has_some(
    faulty: Device, stacks: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as long as the other, and nearly all dispatches do without."""
    made = _seen(monkeypatch)
    source = f"""{HEADER}kernel void k(device const float *s, device float *o,
        uint2 l [[thread_position_in_threadgroup]], uint2 w [[threads_per_threadgroup]],
        uint2 i [[thread_position_in_grid]], uint2 n [[threads_per_grid]]) {{
        threadgroup float t[1024]; t[l.y * w.x + l.x] = s[i.y * n.x + i.x];
        threadgroup_barrier(mem_flags::mem_threadgroup);
        o[i.y * n.x + i.x] = t[l.x * w.y + l.y] * 77.0f; }}"""
    kernels = [each.compile(source).kernels["k"] for each in (faulty, stacks)]
    versions = []
    for threads, group in [
        ((64, 6), (32, 3)),
        ((64, 6), (64, 2)),
        ((64, 6), (60, 1)),
        ((70, 6), (32, 3)),
        ((32, 2), (64, 8)),
    ]:
        results = []
        for each, built in zip((faulty, stacks), kernels, strict=True):
            out = each.buffer(np.zeros(1024, np.float32))
            given = np.arange(1024, dtype=np.float32)
            each.run([Dispatch(built, {0: given, 1: out}, threads=threads, threadgroup=group)])
            results.append(out.array.copy())
        np.testing.assert_array_equal(results[0], results[1])
        versions.append("".join(re.findall(r"%metal\.(\w)\d+ = fmul .* 7\.700000e\+01", made[-1].module)))
    assert versions == ["r", "r", "rj", "rj", "rj"], "r: of vectors in rows; j: of those that reach over their ends"
    assert len(made) == 2


def test_a_loop_that_strides_over_the_whole_grid_runs_in_lanes(device: Device) -> None:
    """Its loads lie next to each other, though threads leave it at different times."""
    source = """
kernel void k(device const float *x, device float *y, constant uint &n, uint i [[thread_position_in_grid]],
              uint all [[threads_per_grid]]) { for (uint j = i; j < n; j += all) y[j] = 2 * x[j]; }
"""
    assert "in the lanes of vectors" in device.compile(HEADER + source).kernels["k"].how


DIVIDES = """
kernel void k(device const int *s, device int *o, uint i [[thread_position_in_grid]]) { o[i] = s[i] / s[i + 1]; }
"""


@pytest.mark.parametrize("way", [ThreadExecution.LANES, ThreadExecution.STACKS])
def test_a_division_as_the_processor_does_it_would_end_the_kernel(
    faulty: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: ThreadExecution
) -> None:
    monkeypatch.setattr(front, "without_traps", lambda module: module)
    with Device(cache=Cache(tmp_path), toolchain=Toolchain(execution=way)) as device:
        built = device.compile(HEADER + DIVIDES).kernels["k"]
        zeros = device.buffer(np.zeros(65, np.int32))
        with pytest.raises(DeviceCrash):
            device.run(
                [
                    Dispatch(
                        built, {0: zeros, 1: device.buffer(np.zeros(64, np.int32))}, threads=(64,), threadgroup=(64,)
                    )
                ]
            )


LEFT_OVER = """define void @metal_run(i32 %n) {
  br label %loop
loop:
  %unit = phi i32 [ 0, %0 ], [ %next, %loop ]
  %carried = phi <2 x half> [ undef, %0 ], [ %set, %loop ]
  call void @metal_lanes_begin(i32 16, i32 1, i32 1)
  %x = call i32 @metal_lane(i32 0)
  %set = insertelement <2 x half> %carried, half 0xH3C00, i32 %x
  call void @metal_lanes_end()
  %next = add i32 %unit, 1
  %more = icmp ult i32 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}"""


def test_what_threads_leave_in_a_variable_is_not_kept_for_the_next_group() -> None:
    """LLVM keeps the vector of which a thread sets one element: kernels of halfs were refused for it."""
    found = section.section(Function.parse(LEFT_OVER.split("\n")))
    outside = [each.text for block in found.before for each in block.instructions]
    assert not any("%set" in text for text in outside)
    assert "%carried = phi <2 x half> [ undef, %.n0 ], [ undef, %metal.after ]" in outside


def test_a_way_to_run_threads_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALSCI_EXECUTION", "lanes")
    assert Architecture.chosen(None).toolchain().execution is ThreadExecution.LANES
    monkeypatch.setenv("METALSCI_EXECUTION", "sideways")
    with pytest.raises(ArchitectureError, match="METALSCI_EXECUTION=sideways: choose fastest, lanes, loops, stacks"):
        Architecture.chosen(None).toolchain()


def test_flow_with_two_ways_in_is_refused() -> None:
    graph = flow.Graph("a")
    edges = {"a": ["b", "c"], "b": ["c"], "c": ["b", flow.END]}
    for label, targets in edges.items():
        graph.nodes[label] = flow.FlowNode(label, [], [], [flow.Edge(target) for target in targets])
    with pytest.raises(flow.RefusedError, match="more than one entry"):
        flow.loops(graph)


def test_what_lanes_exchange_is_not_read_when_the_next_vector_has_written_there(stacks: Device, lanes: Device) -> None:
    """LLVM makes one load of both arms, behind them: fft3d at 64 and more elements a line was wrong by it."""
    source = """
kernel void k(device const float *s, device float *o, uint l [[thread_position_in_threadgroup]],
              uint w [[threads_per_threadgroup]]) {
 threadgroup float t[1024]; float a = s[l];
 for (uint h = 1; h < w; h *= 2) { float b;
 if (h < 32) { b = simd_shuffle_xor(a, ushort(h)); }
 else { threadgroup_barrier(mem_flags::mem_threadgroup); t[l] = a;
        threadgroup_barrier(mem_flags::mem_threadgroup); b = t[l ^ h]; }
 a = a * 0.5f + b; }
 o[l] = a; }
"""
    given = np.random.default_rng(5).standard_normal(128).astype(np.float32)
    results = []
    for device in (stacks, lanes):
        built = device.compile(HEADER + source).kernels["k"]
        out = device.empty((128,), np.float32)
        device.run([Dispatch(built, {0: device.buffer(given), 1: out}, threads=(128,), threadgroup=(128,))])
        results.append(np.array(out.array))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_a_line_is_named_where_threads_may_come_to_a_barrier_on_different_ways(lanes: Device) -> None:
    source = """
kernel void k(device int *o, uint i [[thread_position_in_grid]]) {
 if (o[i] > 3) {
  threadgroup_barrier(mem_flags::mem_none);
 }
 o[i] += 1;
 threadgroup_barrier(mem_flags::mem_none);
 o[i] += 2; }
"""
    built = lanes.compile(HEADER + source).kernels["k"].built
    assert built.mode is Mode.THREAD and "the barrier in line 6 on different ways" in built.why


@pytest.mark.parametrize(
    "body, says",
    [
        ("o[i] += 1;", "in the lanes of vectors"),
        ("o[i] = o[i ^ 5];", "in vector lanes along x"),
        ("if (o[i] > 1) o[i] = simd_sum(o[i]);", "on a stack of its own"),
        (
            "o[atomic_fetch_add_explicit(count, 1, memory_order_relaxed)] = 1;",
            "one after the other: an operation has no",
        ),
    ],
)
def test_a_kernel_says_what_llvm_made_of_its_loop_over_threads(device: Device, body: str, says: str) -> None:
    head = "kernel void k(device int *o, device atomic_int *count, uint i [[thread_position_in_grid]])"
    assert says in device.compile(f"{HEADER}{head} {{ {body} }}").kernels["k"].how


@pytest.mark.parametrize(
    "body, reason",
    [
        ("v[i * 9]\n = v[i * 7].wzyx;", "line 5: a vector (or two neighbours in one) is loaded"),
        (
            "float sum = 0;\n for (int e = o[i]; e < o[i + 1]; ++e)\n  sum = fma(x[o[e]], 2.0f, sum);\n x[i] = sum;",
            "line 5: a loop leaves a value that is not seen as a sum",
        ),
        (
            "int s = i & 63;\n for (;;) {\n  int k = o[s];\n  if (k == 7) { x[i] = 5; break; }\n  if (k == 0) break;\n"
            "  s = (s + 1) & 63; }",
            "line 7: one value is compared with several constants",
        ),
    ],
    ids=["vector", "sum", "constants"],
)
def test_llvms_reason_has_the_users_line(device: Device, body: str, reason: str) -> None:
    head = "kernel void k(device int *o, device float4 *v, device float *x, uint i [[thread_position_in_grid]])"
    built = device.compile(f"{HEADER}{head} {{\n {body} }}").kernels["k"]
    assert built.how.startswith(f"threads run one after the other: {reason}")


SCATTERED = """
kernel void k(device float2 *s, constant uint &bit, uint i [[thread_position_in_grid]]) {
 uint a = ((i >> bit) << (bit + 1)) | (i & ((1u << bit) - 1)), b = a | (1u << bit);
 float2 p = s[a], q = s[b]; s[a] = p + q; s[b] = p - q; }
"""


def test_threads_that_scatter_more_than_they_compute_are_left_to_llvm(device: Device, lanes: Device) -> None:
    """A gate on qubits took three times as long in lanes."""
    n = 1 << 10
    given = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    results = []
    for each in (device, lanes):
        kernel = each.compile(HEADER + SCATTERED).kernels["k"]
        assert ("lanes of vectors" in kernel.how) is (each is lanes)
        s = each.buffer(given.copy())
        each.run([Dispatch(kernel, {0: s, 1: 3}, threads=(n // 2,), threadgroup=(256,))])
        results.append(np.array(s.array))
    np.testing.assert_array_equal(results[0], results[1])


def test_a_loop_in_which_each_thread_reads_its_own_list_runs_thread_by_thread(device: Device) -> None:
    source = """
kernel void k(device const int *start, device const int *s, device int *o, uint i [[thread_position_in_grid]]) {
 int sum = 0; for (int e = start[i]; e < start[i + 1]; ++e) sum += s[e];
 o[i] = sum; }
"""
    assert "places of its own" in device.compile(HEADER + source).kernels["k"].built.why


def test_insertions_into_a_hash_table_run_thread_by_thread(device: Device) -> None:
    """They took 1.3 to 1.6 times as long in lanes, where a compare-exchange is done for one lane after the other."""
    source = """
kernel void k(device const uint *keys, device atomic_uint *table, constant uint &mask,
              uint i [[thread_position_in_grid]]) {
 uint key = keys[i], slot = (key * 2654435761u) & mask;
 while (true) {
  uint free = 0;
  if (atomic_compare_exchange_weak_explicit(&table[slot], &free, key, memory_order_relaxed, memory_order_relaxed)
      || free == key) return;
  if (free != 0) slot = (slot + 1) & mask; } }
"""
    kernel = device.compile(HEADER + source).kernels["k"]
    assert "places of its own" in kernel.built.why
    keys = np.random.default_rng(1).permutation(500)[:100].astype(np.uint32) + 1
    table = device.buffer(np.zeros(128, np.uint32))
    device.run([Dispatch(kernel, {0: device.buffer(keys), 1: table, 2: 127}, threads=(100,), threadgroup=(33,))])
    assert sorted(filter(None, table.array)) == sorted(keys)


SEARCH = """
kernel void k(device const float *sorted, device const float *x, device int *o, constant int &n,
              uint i [[thread_position_in_grid]]) {{
 float v = x[i]; {body} }}
"""


@pytest.mark.parametrize(
    "body",
    [
        "uint a = 0, b = n; while (a < b) { uint m = (a + b) / 2; if (sorted[m] < v) a = m + 1; else b = m; }"
        " o[i] = a;",
        "int a = -1, b = n; while (b - a > 1) { int m = (a + b) / 2; if (sorted[m] < v) a = m; else b = m; } o[i] = b;",
        "uint a = 0, k = n;"
        " while (k) { uint h = k >> 1; if (sorted[a + h] < v) { a += h + 1; k -= h + 1; } else k = h; }"
        " o[i] = a;",
    ],
    ids=["ends", "beyond both", "length"],
)
def test_a_search_in_sorted_numbers_runs_in_lanes(device: Device, body: str) -> None:
    """One thread after the other took seven times as long."""
    rng = np.random.default_rng(0)
    numbers, x = np.sort(rng.random(1000, np.float32)), rng.random(333, np.float32)
    kernel = device.compile(HEADER + SEARCH.format(body=body)).kernels["k"]
    assert "in the lanes of vectors" in kernel.how
    out = device.empty((333,), np.int32)
    bound = {0: device.buffer(numbers), 1: device.buffer(x), 2: out, 3: 1000}
    device.run([Dispatch(kernel, bound, threads=(333,), threadgroup=(33,))])
    np.testing.assert_array_equal(out.array, np.searchsorted(numbers, x))


@pytest.mark.parametrize(
    "body",
    [
        "int a = 0, b = n; while (a < b) { int m = (a + b) / 2; if (sorted[m] < sorted[i + m]) a = m + 1; else b = m; }"
        " o[i] = a;",
        "int p = n - i; while (p > 0 && sorted[(p - 1) / 2] > v) p = (p - 1) / 2; o[i] = p;",
    ],
    ids=["two loads", "one end"],
)
def test_searches_that_are_none_in_sorted_numbers_run_thread_by_thread(device: Device, body: str) -> None:
    kernel = device.compile(HEADER + SEARCH.format(body=body)).kernels["k"]
    assert "places of its own" in kernel.built.why


OWN = """
kernel void k(device const float4 *x, device float4 *o, device const uint *p, uint i [[thread_position_in_grid]]) {{
 {kind} t[4]; for (int r = 0; r < 4; ++r) t[r] = {kind}(x[i][r]);
 for (int r = 0; r < 3; ++r) {{ uint j = (p[i] >> 2 * r) & 3; {kind} a = t[r]; t[r] = t[j]; t[j] = a; }}
 o[i] = float4(t[0], t[1], t[2], t[3]); }}
"""


@pytest.mark.parametrize("kind", ["float", "int"])
def test_words_of_own_arrays_are_no_scattered_places(device: Device, kind: str) -> None:
    """A solver of four equations took eight times as long one thread after the other."""
    rng, n = np.random.default_rng(0), 100
    x, p = rng.integers(0, 99, (n, 4)).astype(np.float32), rng.integers(0, 64, n, np.uint32)
    kernel = device.compile(HEADER + OWN.format(kind=kind)).kernels["k"]
    assert "in the lanes of vectors" in kernel.how
    out = device.empty((n, 4), np.float32)
    bound = {0: device.buffer(x), 1: out, 2: device.buffer(p)}
    device.run([Dispatch(kernel, bound, threads=(n,), threadgroup=(32,))])
    for row, picks in zip(x, p.tolist(), strict=True):
        for r in range(3):
            j = picks >> 2 * r & 3
            row[[r, j]] = row[[j, r]]
    np.testing.assert_array_equal(out.array, x)


def test_bytes_of_own_arrays_are_scattered_places(device: Device) -> None:
    source = """
kernel void k(device const uint *x, device uint *o, uint i [[thread_position_in_grid]]) {
 uchar bins[16]; for (int j = 0; j < 16; ++j) bins[j] = 0;
 for (int j = 0; j < 8; ++j) ++bins[x[i] >> 4 * j & 15];
 uint best = 0; for (uint j = 1; j < 16; ++j) best = bins[j] > bins[best] ? j : best;
 o[i] = best; }
"""
    assert "one after the other" in device.compile(HEADER + source).kernels["k"].how


@pytest.mark.parametrize("body", ["y[i] = pow(x[i], y[i]);", "for (uint k = 0; k < 3; ++k) y[i] = pow(x[i], y[i]);"])
def test_a_question_whether_a_value_is_constant_is_answered_before_threads_become_lanes(
    lanes: Device, body: str
) -> None:
    """The headers ask so whether a power is one of few multiplications; else it is a function that no library has."""
    source = f"""{HEADER}kernel void k(device const float *x, device float *y, uint i [[thread_position_in_grid]]) {{
        {body} }}"""
    x, y = np.linspace(0.5, 2, 256, dtype=np.float32), np.linspace(-1, 1, 256, dtype=np.float32)
    out = lanes.buffer(y)
    built = lanes.compile(source).kernels["k"]
    assert "in the lanes of vectors" in built.how
    lanes.run([Dispatch(built, {0: lanes.buffer(x), 1: out}, threads=(256,), threadgroup=(64,))])
    want = y.astype(np.float64)
    for _ in range(body.count("for") * 2 + 1):
        want = x.astype(np.float64) ** want
    np.testing.assert_allclose(out.array, want, rtol=1e-5)


def test_the_code_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Equal code is how duplicates are found; the order of a set is another one in each process."""
    program = (
        "import hashlib, sys; from pathlib import Path; from metalsci.cpu_metal import Device\n"
        "from metalsci.cpu_metal.compile.kernel_cache import Cache\n"
        "with Device(cache=Cache(Path(sys.argv[1]))) as device:\n"
        "    for task in ('heat2d', 'fft3d', 'compact'):\n"
        "        kernels = device.compile((Path(sys.argv[2]) / task / 'seed.metal').read_text()).kernels\n"
        "        print([hashlib.sha256(kernels[name].code).hexdigest() for name in kernels])\n"
    )
    said = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", program, str(tmp_path / seed), str(data("tasks"))]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        said.append(subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300).stdout)
    assert said[0] == said[1]
    assert said[0].count("[") == 3


@pytest.mark.parametrize(
    ("guard", "lanes"),
    [
        ("if (i >= N || i % W != 0) return;", False),
        ("if (i >= N) return; if ((i & 15) == 3) {", False),
        ("if (i % W != 0 || N % 3 != 2) return;", False),  # one question, of bits that are 0 in both
        ("if (i >= N || i % 2 != 0) return;", True),
        ("if (i % 2 != 0 || N % 3 != 2) return;", True),
        ("if (i >= N || x[i] != 0) return;", True),
    ],
)
def test_a_thread_that_does_the_work_of_many_is_not_run_in_lanes(device: Device, guard: str, lanes: bool) -> None:
    source = f"""constant uint W = 32;
kernel void k(device const float *x, device float *y, constant uint &N, uint i [[thread_position_in_grid]]) {{
    {guard}
    float own[32];
    for (uint k = 0; k < 32; ++k) own[k] = x[i + k] * 3;
    for (uint j = 1; j < N; ++j) {{
        for (uint k = 0; k < 32; ++k) own[k] = own[k] * own[k] + x[j];
    }}
    for (uint k = 0; k < 32; ++k) y[i + k] = own[k];
{"    }" if guard.endswith("{") else ""}}}
"""
    built = device.compile(HEADER + source).kernels["k"].built
    assert ("in the lanes of vectors" in built.how) is lanes
    assert lanes or "one thread of many" in built.why
