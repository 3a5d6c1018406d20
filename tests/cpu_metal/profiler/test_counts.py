"""Counts of small kernels whose figures can be worked out by hand."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from metalsci import cpu_metal
from metalsci.cpu_metal.profiler.counters import Counters, DispatchProfile, Profile, Traffic, WaitPath

_HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
_THREADS, _GROUP = 4096, 64
_SIMDGROUPS = _THREADS / 32


@pytest.fixture(scope="module")
def device() -> Iterator[cpu_metal.Device]:
    with cpu_metal.Device(1) as device:
        yield device


def _dispatches(
    device: cpu_metal.Device, body: str, more: Mapping[int, Any] | None = None, group: int = _GROUP
) -> list[cpu_metal.Dispatch]:
    parameters = "device float *x [[buffer(0)]], device float *y [[buffer(1)]]"
    extra = ", constant uint &n [[buffer(2)]]" if more else ""
    lanes = ", uint i [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]]"
    source = f"{_HEAD}kernel void k({parameters}{extra}{lanes}) {{\n{body}\n}}\n"
    kernel = device.compile(source).kernels["k"]
    x = device.buffer(np.arange(32 * _THREADS, dtype=np.float32))
    y = device.empty((32 * _THREADS,), np.float32)
    return [cpu_metal.Dispatch(kernel, {0: x, 1: y, **(more or {})}, (_THREADS,), (group,))]


def _counters(device: cpu_metal.Device, body: str, more: Mapping[int, Any] | None = None) -> Counters:
    return _one(device.profile(_dispatches(device, body, more))).counters


def _one(profile: Profile) -> DispatchProfile:
    (dispatch,) = profile.dispatches
    return dispatch


def test_a_coalesced_copy_touches_one_line_for_each_simdgroup(device: cpu_metal.Device) -> None:
    counters = _counters(device, "y[i] = x[i];")
    assert counters.loads.issues == _SIMDGROUPS
    assert counters.loads.lanes == _THREADS
    assert (counters.loads.lines, counters.loads.sectors) == (_SIMDGROUPS, 4 * _SIMDGROUPS)
    assert counters.stores.lines == _SIMDGROUPS
    assert counters.unique == 2 * 4 * _THREADS
    assert counters.active == 32


def test_a_stride_of_a_line_touches_a_line_for_each_lane(device: cpu_metal.Device) -> None:
    counters = _counters(device, "y[i] = x[i * 32];")
    assert counters.loads.lines == counters.loads.sectors == _THREADS
    assert counters.loads.misses == (_THREADS, _THREADS, _THREADS)


def test_a_value_that_all_lanes_read_is_one_line_and_stays_in_the_cache(device: cpu_metal.Device) -> None:
    counters = _counters(device, "float s = 0;\nfor (uint j = 0; j < n; ++j) s += x[j];\ny[i] = s;", {2: np.uint32(64)})
    assert counters.loads.lines == 64 * _SIMDGROUPS
    assert counters.loads.misses[2] == 2 * _THREADS / _GROUP  # 64 floats, once for each threadgroup


def test_lanes_that_part_are_counted_apart(device: cpu_metal.Device) -> None:
    body = "float s = x[i];\nif (t % 2 == 0) { for (uint j = 0; j < n; ++j) s = sin(s); }\ny[i] = s;"
    counters = _counters(device, body, {2: np.uint32(100)})
    assert 16 <= counters.active < 17
    assert counters.divergent == _SIMDGROUPS


def test_half_of_the_lanes_early_in_a_loop_do_not_run_the_rest_twice(device: cpu_metal.Device) -> None:
    body = "float s = x[i];\nfor (uint j = 0; j <= t % 32; ++j) s = sin(s);\ny[i] = s;"
    counters = _counters(device, body)
    assert counters.cycles["special function"] == pytest.approx(14.28 * 32 * _SIMDGROUPS)
    assert counters.stores.issues == _SIMDGROUPS


def test_banks_of_threadgroup_memory_take_turns(device: cpu_metal.Device) -> None:
    def turns(stride: int) -> float:
        body = f"threadgroup float s[2048];\ns[t * {stride}] = x[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);"
        return _counters(device, body + "\ny[i] = s[(t ^ 1) * " + str(stride) + "];").turns

    assert turns(1) == 2 * _SIMDGROUPS
    assert turns(2) == 2 * turns(1)
    assert turns(32) == 32 * turns(1)


def test_lanes_that_read_threadgroup_memory_and_others_that_read_a_buffer_are_told_apart(
    device: cpu_metal.Device,
) -> None:
    body = "threadgroup float s[64];\ns[t] = x[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
    counters = _counters(device, body + "float v;\nif (t % 32 < 16) v = s[t + 1]; else v = x[i + 1];\ny[i] = v;")
    assert counters.near_lanes == _THREADS + _THREADS / 2
    assert counters.loads.lanes == _THREADS + _THREADS / 2


def test_barriers_and_lanes_functions_are_counted_for_each_simdgroup(device: cpu_metal.Device) -> None:
    body = "threadgroup float s[64];\ns[t] = simd_sum(x[i]);\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
    counters = _counters(device, body + "y[i] = s[63 - t];")
    assert counters.barriers == _SIMDGROUPS
    assert counters.cycles["simdgroup function"] > 0


def test_the_inside_of_a_simdgroup_function_is_not_counted(device: cpu_metal.Device) -> None:
    plain = _counters(device, "y[i] = x[i];")
    summed = _counters(device, "y[i] = simd_sum(x[i]);")
    assert summed.instructions == plain.instructions + _SIMDGROUPS


def test_atomics_on_one_address_collide(device: cpu_metal.Device) -> None:
    body = "atomic_fetch_add_explicit((device atomic_uint *)y + {}, 1u, memory_order_relaxed);"
    assert _counters(device, body.format("0")).collisions == _THREADS
    assert _counters(device, body.format("i")).collisions == _SIMDGROUPS


def test_a_chain_of_pointers_waits_for_each_of_them(device: cpu_metal.Device) -> None:
    body = "uint at = i;\nfor (uint j = 0; j < n; ++j) at = uint(x[at * 32 % 131072]) + j;\ny[i] = float(at);"
    chained = _counters(device, body, {2: np.uint32(16)}).critical
    assert chained.far == 16
    together = _counters(device, "y[i] = x[i] + x[i + 4096] + x[i + 8192] + x[i + 12288];").critical
    assert together.far == together.misses[2] == 1


def test_an_array_that_no_registers_hold_is_private(device: cpu_metal.Device) -> None:
    body = "float a[32];\nfor (int j = 0; j < 32; ++j) a[j] = x[i + j];\ny[i] = a[uint(x[i]) % 32];"
    dispatch = _one(device.profile(_dispatches(device, body)))
    assert dispatch.private == 128
    assert dispatch.counters.private > 0


def test_of_own_arrays_those_count_whose_code_runs(device: cpu_metal.Device) -> None:
    """Variants of a template have one each, of which a dispatch uses one."""
    fill = "for (int j = 0; j < {0}; ++j) a[j] = x[i + j];\ny[i] = a[uint(x[i]) % {0}];"
    body = "if (n == 1) { float a[64];\n" + fill.format(64) + " } else { float a[8];\n" + fill.format(8) + " }"
    used = [_one(device.profile(_dispatches(device, body, {2: np.uint32(n)}))).private for n in (1, 2)]
    assert used == [256, 32]


def test_an_array_that_an_unrolled_loop_mentions_often_is_in_registers(device: cpu_metal.Device) -> None:
    """It is in memory in the loop behind it. The best recorded kernel of hmc keeps positions so."""
    step = "".join(f"a[{j}] = a[{j}] * x[{j}] + a[{(j + 1) % 32}];\n" for j in range(32))
    body = (
        "float a[32], s = 0;\nfor (uint j = 0; j < 32; ++j) a[j] = x[i + j];\n"
        f"for (uint r = 0; r < n; ++r) {{\n{step * 4}}}\nfor (uint j = 0; j < n % 32; ++j) s += a[j];\ny[i] = s;"
    )
    few, many = (_counters(device, body, {2: np.uint32(n)}).private for n in (32, 64))
    assert few == many


def test_simdgroup_matrices_are_in_registers(device: cpu_metal.Device) -> None:
    body = (
        "threadgroup float s[64];\nsimdgroup_float8x8 a, b, c = simdgroup_float8x8(0);\n"
        "simdgroup_load(a, x);\nsimdgroup_load(b, x + 64);\n"
        "for (uint j = 0; j < n; ++j) simdgroup_multiply_accumulate(c, a, b, c);\n"
        "simdgroup_store(c, s);\ny[i] = s[t];"
    )
    few, many = (_counters(device, body, {2: np.uint32(n)}) for n in (8, 16))
    assert many.private == 0
    assert many.critical.own == 0
    assert many.loads.issues == few.loads.issues
    assert many.critical.chain - few.critical.chain == pytest.approx(8 * 36, rel=0.1)


def test_each_load_from_an_own_array_waits_and_one_of_four_words_waits_once(device: cpu_metal.Device) -> None:
    """On an M1 Pro a kernel that read its arrays by fours took less than half the time of one that read by words."""
    filled = "float a[64];\nfor (int j = 0; j < 64; ++j) a[j] = x[i + j];\nfloat s = 0;\n"
    start = "uint k = uint(x[i]) % n * 4;\n"
    words = filled + start + "s = a[k] + a[k + 1] + a[k + 2] + a[k + 3];\ny[i] = s;"
    fours = filled + start + "float4 v = *(thread float4 *)(a + k); y[i] = v.x + v.y + v.z + v.w;"
    number = {2: np.uint32(16)}
    by_words, by_fours = _counters(device, words, number), _counters(device, fours, number)
    assert by_words.critical.own == 4 * by_fours.critical.own == 4
    assert by_words.private == by_fours.private == (64 + 4) * _SIMDGROUPS


def test_loops_of_unknown_length_are_unrolled_only_where_the_source_asks(device: cpu_metal.Device) -> None:
    loop = "float s = x[i];\n%s\nfor (uint j = 0; j < n; ++j) s = s * s + 1;\ny[i] = s;"
    number = {2: np.uint32(64)}
    assert _counters(device, loop % "", number).branches == pytest.approx(64 * _SIMDGROUPS, rel=0.05)
    assert _counters(device, loop % "#pragma unroll(8)", number).branches < 12 * _SIMDGROUPS


def test_a_lone_simdgroup_waits_for_operations_as_long_as_was_published(device: cpu_metal.Device) -> None:
    """A product and a sum take 3.9 cycles, in halves 3.3, a reduction 27: metal-benchmarks' raw latencies."""
    numbers = {2: np.uint32(100)}

    def cycles(kind: str, step: str) -> float:
        few, many = (
            _counters(device, f"{kind} s = {kind}(x[i]), c = {kind}(n);\n{step * count}\ny[i] = s;", numbers)
            for count in (20, 40)
        )
        return (many.critical.chain - few.critical.chain) / 20

    assert cycles("float", "s = fma(s, s, c); ") == pytest.approx(3.9, abs=0.1)
    assert cycles("half", "s = s * s; s = s + c; ") == pytest.approx(3.3, abs=0.1)
    assert cycles("float", "s = simd_sum(s); ") == pytest.approx(27, abs=0.1)


def test_the_complex_pipeline_works_beside_the_others() -> None:
    """'IMUL32 + 2 FMUL32' takes 4 cycles in metal-benchmarks' tables, 'IMUL32 + LSHIFT32' 8."""
    assert _busy({"integer multiply": 4, "float": 2}) == 4
    assert _busy({"integer multiply": 4, "shift": 4}) == 8
    assert _busy({"integer multiply": 4, "float": 5}) == 6


def _busy(cycles: Mapping[str, float]) -> float:
    traffic, path = Traffic(), WaitPath()
    others: list[Any] = [*[0] * 11, path, path, (), 0, (), ()]  # only the cycles count here
    return Counters(1, cycles, 32, 0, traffic, traffic, *others).busy


def test_lines_of_the_source_add_up_to_the_whole(device: cpu_metal.Device) -> None:
    dispatch = _one(device.profile(_dispatches(device, "float s = x[i * 32];\ns = exp(s);\ny[i] = s;")))
    assert sum(line.cycles for line in dispatch.lines) == pytest.approx(dispatch.counters.issue)
    by_line = {line.line: line for line in dispatch.lines}
    assert by_line[4].loads.lines == _THREADS  # of the file: two lines of headers, the signature, the body
    assert by_line[6].stores.issues == _SIMDGROUPS


def test_counting_changes_no_memory(device: cpu_metal.Device) -> None:
    dispatches = _dispatches(device, "y[i] = x[i] + 1;\nx[i] = -1;")
    device.profile(dispatches)
    x, y = dispatches[0].arguments[0], dispatches[0].arguments[1]
    assert x.array[5] == 5 and not y.array.any()


def test_counts_are_the_same_in_every_run_and_in_another_process(device: cpu_metal.Device) -> None:
    body = "float s = 0;\nfor (uint j = 0; j < t % 7 + 3; ++j) s += x[(i * 37 + j * 1001) % 131072];\ny[i] = s;"
    first = device.profile(_dispatches(device, body))
    with cpu_metal.Device(2) as other:
        assert other.profile(_dispatches(other, body)) == first
    assert device.profile(_dispatches(device, body)) == first
    assert "clang version" in first.compiler


def test_a_kernel_fast_in_every_64th_group_alone_is_counted_as_slow(device: cpu_metal.Device) -> None:
    body = "float s = x[i];\nif (i / 64 % 8 != 0) for (uint j = 0; j < n; ++j) s = sin(s);\ny[i] = s;"
    counters = _counters(device, body, {2: np.uint32(100)})
    every = 14.28 * 100 * _SIMDGROUPS * 7 / 8
    assert counters.cycles["special function"] == pytest.approx(every, rel=0.15)


def test_contents_that_an_earlier_dispatch_wrote_steer(device: cpu_metal.Device) -> None:
    source = _HEAD + (
        "kernel void make(device uint *n [[buffer(0)]], uint i [[thread_position_in_grid]]) { n[i] = i % 32; }\n"
        "kernel void use(device const uint *n [[buffer(0)]], device float *y [[buffer(1)]],\n"
        "    uint i [[thread_position_in_grid]]) { float s = 1;\n"
        "  for (uint j = 0; j < n[i]; ++j) s = sin(s); y[i] = s; }\n"
    )
    kernels = device.compile(source).kernels
    n, y = device.empty((_THREADS,), np.uint32), device.empty((_THREADS,), np.float32)
    make = cpu_metal.Dispatch(kernels["make"], {0: n}, (_THREADS,), (64,))
    use = cpu_metal.Dispatch(kernels["use"], {0: n, 1: y}, (_THREADS,), (64,))
    made, used = device.profile([make, use]).dispatches
    assert (made.steered, used.steered) == (False, True)
    assert used.counters.cycles["special function"] == pytest.approx(14.28 * 31 * _SIMDGROUPS)


def test_dispatches_that_are_alike_are_counted_once(device: cpu_metal.Device) -> None:
    dispatch = _one(device.profile(_dispatches(device, "y[i] = x[i];") * 1))
    assert (dispatch.dispatches, dispatch.counted, dispatch.groups) == (1, 1, 64)
    one = _dispatches(device, "y[i] = x[i];")
    assert _one(device.profile(one * 10)).dispatches == 10


def test_a_kernel_that_leaves_its_buffers_is_a_crash(device: cpu_metal.Device) -> None:
    with pytest.raises(cpu_metal.DeviceCrash, match="beyond the end of buffer"):
        device.profile(_dispatches(device, "y[i + 10000000] = x[i];"))


def test_a_kernel_that_never_ends_is_late(device: cpu_metal.Device) -> None:
    with pytest.raises(cpu_metal.DeviceTimeout):
        device.profile(_dispatches(device, "while (true) { x[i] += 1; if (x[i] < 0) break; }"), timeout=0.3)


def test_threads_at_two_barriers_are_a_finding(device: cpu_metal.Device) -> None:
    barrier = "threadgroup_barrier(mem_flags::mem_none);"
    with pytest.raises(cpu_metal.DeviceCrash, match="different barriers"):
        device.profile(_dispatches(device, f"if (t < 32) {{\n{barrier}\n}} else {{\n{barrier}\n}} y[i] = x[i];"))


def test_what_atomic_operations_leave_is_the_same_whatever_the_number_of_workers() -> None:
    """Earlier dispatches that steer a counted one run in order: which thread comes first decides what is counted."""
    source = """#include <metal_stdlib>
using namespace metal;
kernel void deal(device atomic_uint *n [[buffer(0)]], device uint *place [[buffer(1)]],
                 uint i [[thread_position_in_grid]]) {
    place[atomic_fetch_add_explicit(n, 1u, memory_order_relaxed)] = i * 8;
}
kernel void gather(device const uint *place [[buffer(0)]], device const float *x [[buffer(1)]],
                   device float *y [[buffer(2)]], uint i [[thread_position_in_grid]]) { y[i] = x[place[i]]; }
"""
    found = []
    for workers in (1, 5):
        with cpu_metal.Device(workers) as device:
            kernels = device.compile(source).kernels
            n, place = device.empty((1,), np.uint32), device.empty((1 << 14,), np.uint32)
            x, y = device.empty((1 << 17,), np.float32), device.empty((1 << 14,), np.float32)
            deal = cpu_metal.Dispatch(kernels["deal"], {0: n, 1: place}, (1 << 14,), (64,))
            gather = cpu_metal.Dispatch(kernels["gather"], {0: place, 1: x, 2: y}, (1 << 14,), (64,))
            found.append(device.profile([deal, gather]))
    assert found[0].dispatches[1].steered
    assert found[0] == found[1]


def test_a_vector_takes_the_registers_and_the_time_of_its_elements(device: cpu_metal.Device) -> None:
    """The hardware has no vectors: what is taken out of one, or put together, is the same register."""
    start = "float4 a = *(device float4 *)(x + 4 * i), b = *(device float4 *)(x + 4 * i + 4096);\nfloat4 s = a * b;\n"
    vectors = start + "for (uint j = 0; j < n; ++j) s = float4(s.y, s.z, s.w, s.x) * a + b;\ny[i] = dot(s, s);"
    elements = (
        "device float4 *v = (device float4 *)(x + 4 * i), *w = (device float4 *)(x + 4 * i + 4096);\n"
        "float4 r = *v, u = *w;\nfloat a = r.x, b = r.y, c = r.z, d = r.w, e = u.x, f = u.y, g = u.z, h = u.w;\n"
        "float p = a * e, q = b * f, k = c * g, l = d * h;\nfor (uint j = 0; j < n; ++j) {\n"
        "float z = p; p = q * a + e; q = k * b + f; k = l * c + g; l = z * d + h;\n}\n"
        "y[i] = p * p + q * q + k * k + l * l;"
    )
    number = {2: np.uint32(64)}
    one, other = (_one(device.profile(_dispatches(device, body, number))) for body in (vectors, elements))
    assert one.registers == pytest.approx(other.registers, abs=2)
    assert one.counters.issue == pytest.approx(other.counters.issue, rel=0.02)
    assert one.counters.instructions == pytest.approx(other.counters.instructions, rel=0.02)
    assert one.counters.critical.chain == pytest.approx(other.counters.critical.chain, rel=0.1)


def test_an_element_that_nobody_needs_costs_nothing(device: cpu_metal.Device) -> None:
    """LLVM computes a vector of three as one of four."""
    body = "float4 a = *(device float4 *)(x + 4 * i);\nfloat4 s = a * a + 1;\ny[i] = s.x + s.y + s.z{};"
    three, four = _counters(device, body.format("")), _counters(device, body.format(" + s.w"))
    assert four.cycles["float"] - three.cycles["float"] == 2 * _SIMDGROUPS  # of its square and one, and of all


def test_spills_are_those_of_an_order_that_needs_few_registers(device: cpu_metal.Device) -> None:
    """A compiler that is short of registers does not load everything before it uses anything."""
    loads = "".join(f"float4 v{j} = *(device float4 *)(x + 4 * ({j} * 64 + i));\n" for j in range(24))
    sums = "".join(f"s += v{j} * v{j};\n" for j in range(24))
    apart = f"float4 s = 0;\n{loads}{sums}y[i] = s.x + s.y + s.z + s.w;"
    counters = _counters(device, apart)
    assert counters.crowded[0] > 0
    assert counters.spilled[0] == 0
    others = " + ".join(f"v{j} * v{(j + 5) % 24} * v{(j + 11) % 24}" for j in range(24))
    together = f"float4 s = 0;\n{loads}s += {others};\ny[i] = s.x + s.y + s.z + s.w;"
    counters = _counters(device, together)
    assert counters.reloaded[0] > 0
    assert counters.spilled[0] == 0  # what was loaded is where it was, and needs not be stored


def test_loads_are_moved_up_to_the_barrier_before_them_and_no_further(device: cpu_metal.Device) -> None:
    def body(between: str) -> str:
        loads = [f"float4 v{j} = *(device float4 *)(x + 4 * ({j} * 64 + i));\ns += v{j} * v{j};\n" for j in range(16)]
        return f"float4 s = 0;\n{''.join(loads[:8])}{between}{''.join(loads[8:])}y[i] = s.x + s.y + s.z + s.w;"

    assert _counters(device, body("")).crowded[1] > 0
    assert _counters(device, body("threadgroup_barrier(mem_flags::mem_device);\n")).crowded[1] == 0


def test_what_was_computed_is_stored_for_want_of_registers(device: cpu_metal.Device) -> None:
    values = "".join(f"float v{j} = sin(x[i] + {j});\n" for j in range(64))
    sums = " + ".join(f"v{j} * v{(j + 5) % 64} * v{(j + 31) % 64}" for j in range(64))
    counters = _counters(device, f"{values}y[i] = {sums};")
    assert counters.spilled[0] > counters.spilled[-1] == 0
    assert counters.reloaded[0] == 0


def test_code_that_the_cache_does_not_hold_is_fetched_in_each_turn_of_a_loop(device: cpu_metal.Device) -> None:
    def fetched(steps: int) -> tuple[float, ...]:
        body = "".join("s = fma(s, s, 0.37f); s = s > 2 ? s - x[i] : s;\n" for _ in range(steps))
        loop = f"for (int j = 0; j < 10; ++j) {{\n{body}}}\n"
        return _counters(device, f"float s = x[i];\n{loop}y[i] = s;").critical.fetched

    small, middling, large = fetched(10), fetched(500), fetched(1500)
    assert small == (0, 0, 0)
    assert middling[0] > 9 * (8 << 10)
    assert middling[1] == middling[2] == 0
    assert large[0] == large[1] == large[2] > 9 * (24 << 10)
