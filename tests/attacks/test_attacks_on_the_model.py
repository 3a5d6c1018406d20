"""Kernels that try to be predicted faster than they are, and what stops each of them.

All do the same work: a long loop for each element. What costs a GPU time must be counted, however it is written.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from metalsci import cpu_metal
from metalsci.cpu_metal.profiler.sampling import THREADS, choose_groups
from metalsci.devices.virtual.gpu_facts import facts_of
from metalsci.devices.virtual.prediction import PredictedOrder, Prediction, compare, predict

pytestmark = pytest.mark.attacks

_COMPLEX = ("integer multiply", "shift", "special function", "conversion")  # one pipeline works them off
_N, _GROUP = 1 << 15, 64
_HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
_WORK = "float s = x; for (int j = 0; j < 400; ++j) s = fract(s * 1.37f) + 0.25f; return s;"
_FUNCTION = f"float work(float x) {{ {_WORK} }}\n"
_KERNEL = """kernel void k(device const float *x [[buffer(0)]], device float *y [[buffer(1)]],
                   constant uint &step [[buffer(2)]],
                   uint i [[thread_position_in_grid]], uint g [[threadgroup_position_in_grid]],
                   uint t [[thread_position_in_threadgroup]]) { %s }
"""


@pytest.fixture(scope="module")
def device() -> Iterator[cpu_metal.Device]:
    with cpu_metal.Device(1) as device:
        yield device


def _predicted(device: cpu_metal.Device, functions: str, body: str, steps: int = 1) -> Prediction:
    kernel = device.compile(_HEAD + functions + _KERNEL % body).kernels["k"]
    x, y = device.buffer(np.ones(_N, np.float32)), device.empty((_N,), np.float32)
    dispatches = [cpu_metal.Dispatch(kernel, {0: x, 1: y, 2: np.uint32(s)}, (_N,), (_GROUP,)) for s in range(steps)]
    return predict(device.profile(dispatches), facts_of("M1 Pro"))


@pytest.fixture(scope="module")
def honest(device: cpu_metal.Device) -> Prediction:
    return _predicted(device, _FUNCTION, "y[i] = work(x[i]);")


def _sampled(step: int) -> str:
    """List the groups that the fixed seed draws, as an attacker can who has read this project."""
    groups = choose_groups(_N // _GROUP, _GROUP, THREADS, step)
    return " || ".join(f"g == {group}u" for group in groups)


ATTACKS = {
    # instructions are told by the function that they are inlined into, not by the file that the source names
    "another file's name": ('#line 1 "metal_stdlib"\n' + _FUNCTION, "y[i] = work(x[i]);"),
    "the wrapper's file": ('#line 1 "0.cl"\n' + _FUNCTION, "y[i] = work(x[i]);"),
    # what asks to be no part of its caller is one all the same
    "noinline": ("__attribute__((noinline)) " + _FUNCTION, "y[i] = work(x[i]);"),
    "optnone": ("__attribute__((noinline, optnone)) " + _FUNCTION, "y[i] = work(x[i]);"),
    # only Metal's own functions have a price of their own
    "a name like Metal's": (
        "namespace metal { " + _FUNCTION.replace("work", "simd_sum_all") + "}\n", "y[i] = simd_sum_all(x[i]);"
    ),
    # a second sample is drawn by a digest of the code
    "idle where the fixed seed looks": (
        _FUNCTION,
        f"if ({_sampled(0)}) {{ y[i] = 0; return; }} y[i] = work(x[i]);",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_not_predicted_faster(device: cpu_metal.Device, honest: Prediction, name: str) -> None:
    attack = _predicted(device, *ATTACKS[name])
    assert compare(attack, honest).order is not PredictedOrder.FASTER


def test_what_is_put_off_to_steps_that_are_not_counted_costs_its_time(device: cpu_metal.Device) -> None:
    honest = _predicted(device, _FUNCTION, "y[i] = work(x[i]);", steps=32)
    lazy = _predicted(device, _FUNCTION, "if (step == 0u || step == 1u || step == 5u) return; y[i] = work(x[i]);", 32)
    assert compare(lazy, honest).order is not PredictedOrder.FASTER


def test_no_prediction_is_below_what_the_counts_force(honest: Prediction) -> None:
    # each of the two pipelines of 16 cores needs its cycles, and no more than 4 simdgroups issue in one
    (dispatch,) = honest.dispatches
    cycles = dispatch.profile.counters.cycles
    complicated = sum(cycles.get(kind, 0.0) for kind in _COMPLEX)
    plain = sum(cycles.values()) - complicated
    assert complicated > 0.0
    assert plain > 0.0
    assert dispatch.time.seconds >= dispatch.time.floor >= max(complicated, plain) / (16 * 4 * 1.296e9)
