"""Kernels that cannot be counted: a typed outcome or one sentence, and never a number that looks like a time."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from metalsci import cpu_metal
from metalsci.devices.errors import CANDIDATE_FAULTS, Crash, TimeLimit, Uncounted
from metalsci.devices.program import Kernels, Program, Symbol, trace
from metalsci.devices.virtual.gpu_facts import facts_of
from metalsci.devices.virtual.virtual_device import VirtualDevice
from metalsci.evaluation.forecasting import Forecaster
from metalsci.evaluation.results import Outcome
from metalsci.msl.language.parse import parse

_HEAD = """#include <metal_stdlib>
using namespace metal;
kernel void k(device const float *x [[buffer(0)]], device float *y [[buffer(1)]], constant uint &n [[buffer(2)]],
              uint i [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]]) {
"""
_SIGNATURES = parse(_HEAD + "}").kernels
_N = 4096


@pytest.fixture(scope="module")
def device() -> Iterator[VirtualDevice]:
    device = VirtualDevice(threads=1, time_limit=2.0)
    yield device
    device.close()


def _program() -> Program:
    def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> tuple[Symbol, ...]:
        return kernels.k(inputs["x"], _N, threads=(_N, 1, 1), threadgroup=(64, 1, 1), outputs=[((_N,), np.float32)])

    return trace(host, {"x": np.arange(_N, dtype=np.float32)}, _SIGNATURES)


@pytest.mark.parametrize(
    ("body", "fault", "sentence"),
    [
        ("y[i + 100000000] = x[i];", Crash, "beyond the end of buffer"),
        ("y[i] = *(device const float *)(ulong(x) + 4096 * ulong(n) * ulong(n));", Crash, ""),
        ("float s = x[i]; while (s > -1) { s = s * 0.5f + 1; } y[i] = s;", TimeLimit, "2"),
        ("threadgroup float a[1]; if (t < 32) { threadgroup_barrier(mem_flags::mem_threadgroup); } "
         "while (t >= 32 && x[0] == 0) { y[i] += 1; }", TimeLimit, ""),
    ],
    ids=["crash", "pointer from an integer", "never ends", "waits for ever"],
)  # fmt: skip
def test_a_candidate_has_an_outcome_and_no_time(device: VirtualDevice, body: str, fault: type, sentence: str) -> None:
    module = device.compile(_HEAD + body + "\n}", _SIGNATURES)
    execution = device.stage(_program()).bind(module)
    with pytest.raises(CANDIDATE_FAULTS) as raised:
        execution.run()
    assert isinstance(raised.value, fault | Uncounted) and sentence in str(raised.value)
    told = Forecaster(facts_of("M1 Pro")).forecast({"n": execution})
    assert told is not None and told.unknown and not told.sizes


def test_what_is_not_counted_is_an_outcome_of_its_own() -> None:
    assert Outcome.of(Uncounted("too large to sample")) is Outcome.UNCOUNTED


def test_a_race_is_counted_the_same_each_time(device: VirtualDevice) -> None:
    """Threadgroups are counted one after the other, by a fixed seed: races are the sanitizer's to find."""
    module = device.compile(_HEAD + "y[i % 64] = x[i]; y[i] = y[i % 64];\n}", _SIGNATURES)
    stage = device.stage(_program())
    assert stage.bind(module).profile() == device.stage(_program()).bind(module).profile()


def test_groups_that_are_not_sampled_are_seen_where_data_steer() -> None:
    """The second kernel does as much as the first one wrote: what was not sampled must have run."""
    source = """#include <metal_stdlib>
using namespace metal;
kernel void fill(device uint *y [[buffer(0)]], uint i [[thread_position_in_grid]]) { y[i] = 1 + i % 7; }
kernel void work(device const uint *y [[buffer(0)]], device float *z [[buffer(1)]],
                 uint i [[thread_position_in_grid]]) {
    float s = 0; for (uint j = 0; j < y[i]; ++j) s = sin(s + 1); z[i] = s;
}
"""
    with cpu_metal.Device(1) as device:
        kernels = device.compile(source).kernels
        y, z = device.empty((1 << 16,), np.uint32), device.empty((1 << 16,), np.float32)
        profile = device.profile(
            [
                cpu_metal.Dispatch(kernels["fill"], {0: y}, (1 << 16,), (64,)),
                cpu_metal.Dispatch(kernels["work"], {0: y, 1: z}, (1 << 16,), (64,)),
            ]
        )
    work = profile.dispatches[1]
    assert work.steered
    per_thread = work.counters.lane_cycles / (1 << 16)
    assert per_thread > 4 * 14  # sin: 14 cycles, 4 times on the average
