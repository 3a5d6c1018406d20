"""The model on small kernels: the order that it must give, whatever its constants."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from metalsci import cpu_metal
from metalsci.devices.virtual.gpu_facts import GPUS, UnknownGpuError, facts_of
from metalsci.devices.virtual.model import beyond_wait, dispatch_time, occupancy, register_limit
from metalsci.devices.virtual.prediction import PredictedComparison, PredictedOrder, Prediction, compare, predict

_M1_PRO = facts_of("M1 Pro")
_THREADS = 1 << 16


@pytest.fixture(scope="module")
def device() -> Iterator[cpu_metal.Device]:
    with cpu_metal.Device(1) as device:
        yield device


def _predicted(device: cpu_metal.Device, body: str, before: str = "", group: int = 64, n: int = 64) -> Prediction:
    source = (
        f"#include <metal_stdlib>\nusing namespace metal;\n{before}\nkernel void k(device float *x [[buffer(0)]], "
        "device float *y [[buffer(1)]], constant uint &n [[buffer(2)]], uint i [[thread_position_in_grid]], "
        f"uint t [[thread_position_in_threadgroup]]) {{\n{body}\n}}\n"
    )
    kernel = device.compile(source).kernels["k"]
    x = device.buffer(np.ones(32 * _THREADS, np.float32))
    y = device.empty((32 * _THREADS,), np.float32)
    dispatch = cpu_metal.Dispatch(kernel, {0: x, 1: y, 2: np.uint32(n)}, (_THREADS,), (group,))
    return predict(device.profile([dispatch]), _M1_PRO)


def test_uncoalesced_accesses_are_slower(device: cpu_metal.Device) -> None:
    coalesced = _predicted(device, "y[i] = x[i] + 1;")
    strided = _predicted(device, "y[i * 32] = x[i * 32] + 1;")
    assert compare(coalesced, strided).order is PredictedOrder.FASTER
    assert compare(strided, coalesced).order is PredictedOrder.SLOWER


def test_one_thread_at_work_in_a_threadgroup_is_slower_than_all(device: cpu_metal.Device) -> None:
    """A search on the CPU's clock breeds this: the vectoriser likes one thread with a long loop."""
    all_at_work = _predicted(device, "float s = x[i]; for (uint j = 0; j < n; ++j) s = s * s + 1; y[i] = s;")
    one = "if (t == 0) for (uint k = 0; k < 64; ++k) { float s = x[i + k]; for (uint j = 0; j < n; ++j) s = s * s + 1;"
    alone = _predicted(device, one + " y[i + k] = s; }")
    assert compare(all_at_work, alone).speedup > 5
    assert alone.dispatches[0].profile.counters.active < 2


def test_a_promise_of_many_threads_leaves_few_registers(device: cpu_metal.Device) -> None:
    body = (
        "float a[24];\nfor (int j = 0; j < 24; ++j) a[j] = x[i + j * 64];\n"
        "for (uint k = 0; k < n; ++k) for (int j = 0; j < 24; ++j) a[j] = a[j] * a[(j + 7) % 24] + a[(j + 13) % 24];\n"
        "float s = 0; for (int j = 0; j < 24; ++j) s += a[j];\ny[i] = s;"
    )
    free = _predicted(device, body)
    promised = _predicted(device, body, "[[max_total_threads_per_threadgroup(1024)]]")
    assert promised.dispatches[0].profile.limit == 1024
    assert promised.dispatches[0].time.occupancy.registers <= 52
    assert free.dispatches[0].profile.limit is None
    assert free.dispatches[0].time.occupancy.registers <= 128


def test_values_that_a_promise_leaves_no_registers_for_are_spilled(device: cpu_metal.Device) -> None:
    """Recorded kernels that promised 1,024 threads and held 70 values took two to six times as long as others."""
    loads = "".join(f"float4 v{j} = *(device float4 *)(x + 4 * ({j} * 64 + i));\n" for j in range(16))
    sums = " + ".join(f"v{j} * v{(j + 5) % 16} * v{(j + 11) % 16}" for j in range(16))
    body = f"float4 s = 0;\n{{\n{loads}s += {sums};\n}}\ny[i] = s.x + s.y + s.z + s.w;"
    free = _predicted(device, body)
    promised = _predicted(device, body, "[[max_total_threads_per_threadgroup(1024)]]")
    assert free.terms["spills"] == 0
    assert promised.terms["spills"] > 0
    assert promised.seconds > free.seconds


@pytest.mark.parametrize(("declared", "registers"), [(None, 128), (384, 128), (385, 116), (512, 104), (1024, 52)])
def test_registers_by_what_is_declared_are_those_of_mesa_s_table(declared: int | None, registers: int) -> None:
    assert register_limit(declared) == registers


def test_threadgroup_memory_limits_what_is_resident(device: cpu_metal.Device) -> None:
    body = "threadgroup float s[%d];\ns[t] = x[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = s[63 - t];"
    little, much = _predicted(device, body % 64), _predicted(device, body % 8000)
    assert much.dispatches[0].time.occupancy.resident == 1
    assert much.seconds > 1.5 * little.seconds


def test_waits_grow_with_what_is_touched() -> None:
    """A cache of all cores is faster than that of the chip, and this one than memory."""
    gpu = _M1_PRO.values()
    waits = [beyond_wait(touched, gpu) for touched in (1 << 16, 1 << 20, 1 << 24, 1 << 26)]
    assert waits == [gpu.shared_wait, gpu.system_wait, gpu.system_wait, gpu.memory_wait]
    assert gpu.system_wait < beyond_wait(36 << 20, gpu) < gpu.memory_wait


def test_the_last_turn_of_a_core_takes_as_long_as_a_full_one(device: cpu_metal.Device) -> None:
    """Recorded kernels with 11 resident threadgroups of 18 took as long as with 9, and those with 18 half of it."""
    profile = _predicted(device, "y[i] = x[i] + 1;").dispatches[0].profile
    gpu = _M1_PRO.values()
    resident = occupancy(profile, gpu).resident
    rounds = [
        occupancy(replace(profile, groups=groups), gpu).rounds
        for groups in (16 * resident, 16 * resident + 1, 32 * resident)
    ]
    assert rounds == [1, 2, 2]


def test_code_that_the_instruction_cache_does_not_hold_is_waited_for(device: cpu_metal.Device) -> None:
    body = "float s = x[i];\nfor (uint j = 0; j < n; ++j) {\n%s}\ny[i] = s;"
    long, short = (
        _predicted(device, body % "".join(f"s = s * s + {j}.5f;\n" for j in range(steps))) for steps in (3000, 300)
    )
    slow = _M1_PRO.values().changed(code_wait=1000)  # longer than other simdgroups' work takes
    assert dispatch_time(long.dispatches[0].profile, slow).terms["code"] > long.terms["code"]
    assert dispatch_time(short.dispatches[0].profile, slow).terms["code"] == short.terms["code"] == 0


def test_units_that_work_at_the_same_time_take_less_than_their_sum(device: cpu_metal.Device) -> None:
    body = "float s = x[i * 8 % 65536];\nfor (uint j = 0; j < n; ++j) s = s * s + 1;\ny[i] = s;"
    profile = _predicted(device, body).dispatches[0].profile
    gpu = _M1_PRO.values()
    apart, together = (dispatch_time(profile, gpu.changed(overlap=order)).terms for order in (1, 3))
    units = ("issue", "traffic", "bank turns")
    assert max(apart[unit] for unit in units) < sum(together[unit] for unit in units) < sum(apart[u] for u in units)


def test_terms_add_up_and_no_prediction_is_below_its_floor(device: cpu_metal.Device) -> None:
    predicted = _predicted(device, "float s = x[i]; for (uint j = 0; j < n; ++j) s = sin(s); y[i] = s;", n=1000)
    (dispatch,) = predicted.dispatches
    assert predicted.seconds == pytest.approx(sum(predicted.terms.values()))
    assert predicted.seconds >= dispatch.time.floor >= 1000 * 14 * _THREADS / 32 / (16 * 4 * 1.296e9)
    assert predicted.bottleneck[0] == "issue"


def test_predictions_repeat_to_the_letter(device: cpu_metal.Device) -> None:
    first = _predicted(device, "y[i] = x[i * 7 % 1000];")
    assert _predicted(device, "y[i] = x[i * 7 % 1000];") == first


@pytest.mark.parametrize(
    ("latency", "throughput", "doubted", "order"),
    [
        (1.15, 1.15, (), PredictedOrder.UNDECIDED),
        (1.3, 1.25, (), PredictedOrder.FASTER),
        (0.5, 0.6, (), PredictedOrder.SLOWER),
        (2.0, 0.8, (), PredictedOrder.UNDECIDED),
        (0.8, 1.25, (), PredictedOrder.UNDECIDED),
        (2.0, 0.9, (), PredictedOrder.FASTER),  # within 1.2 a model has no opinion
        (3.0, 1.1, (1.2, 4.0), PredictedOrder.FASTER),
        (3.0, 1.1, (1.05, 4.0), PredictedOrder.UNDECIDED),
        (0.5, 0.6, (0.7, 0.95), PredictedOrder.UNDECIDED),
        (0.5, 0.6, (0.7, 0.85), PredictedOrder.SLOWER),
    ],
)
def test_what_is_close_or_hangs_on_an_assumption_or_is_opposed_is_undecided(
    latency: float, throughput: float, doubted: tuple[float, ...], order: PredictedOrder
) -> None:
    assert PredictedComparison(latency, throughput, doubted).order is order


def test_an_order_that_an_assumed_constant_decides_is_undecided(device: cpu_metal.Device) -> None:
    """One kernel waits for device memory, the other for its operations, and how long a wait is was assumed."""
    waiting = _predicted(
        device, "uint at = i;\nfor (uint j = 0; j < n; ++j) at = uint(x[at * 32 % 131072]) + i;\ny[i] = at;", n=16
    )
    for steps in range(328, 800, 8):
        operations = _predicted(device, "float s = x[i];\n" + "s = sin(s);\n" * steps + "y[i] = s;")
        found = compare(waiting, operations)
        if found.speedup > 1.25:
            break
    assert 1.25 < found.speedup < 1.6
    assert len(found.doubted) == 2 * sum(not fact.published for fact in _M1_PRO.facts().values())
    assert PredictedComparison(found.speedup, found.speedup).order is PredictedOrder.FASTER
    assert PredictedComparison(found.speedup, found.speedup, found.doubted).order is PredictedOrder.UNDECIDED


def test_more_cores_are_faster(device: cpu_metal.Device) -> None:
    source = "float s = x[i]; for (uint j = 0; j < n; ++j) s = sin(s); y[i] = s;"
    profile = tuple(d.profile for d in _predicted(device, source).dispatches)
    seconds = []
    for name in ("M1", "M1 Pro", "M1 Max", "M1 Ultra"):
        values = facts_of(name).values()
        seconds.append(dispatch_time(profile[0], values).seconds)
    assert seconds == sorted(seconds, reverse=True)


def test_every_constant_has_a_source_and_says_whether_it_is_published() -> None:
    for gpu in GPUS:
        for name, fact in gpu.facts().items():
            assert fact.source, f"{gpu.name}: {name} has no source"
            assert fact.published != fact.source.startswith("assumed"), f"{gpu.name}: {name}"


def test_a_chip_without_facts_is_refused() -> None:
    with pytest.raises(UnknownGpuError, match="no facts are known of the GPU of 'M4 Max'"):
        facts_of("M4 Max")
    with pytest.raises(UnknownGpuError, match="M1 Pro has 14 or 16 GPU cores, not 15"):
        facts_of("Apple M1 Pro", 15)
    assert facts_of("Apple M1 Pro").cores.value == 16
