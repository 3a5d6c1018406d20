from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from metalsci.devices.errors import Crash, DeviceError
from metalsci.devices.program import Kernels, Program, Symbol, trace
from metalsci.devices.virtual.virtual_device import VirtualDevice
from metalsci.msl.language.parse import parse

_SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void twice(device const float *x [[buffer(0)]], device float *y [[buffer(1)]], constant uint &n [[buffer(2)]],
                  uint i [[thread_position_in_grid]]) {
    y[i] = 2 * x[i];
}
"""
_SIGNATURES = parse(_SOURCE).kernels


@pytest.fixture
def device() -> Iterator[VirtualDevice]:
    device = VirtualDevice(threads=1)
    yield device
    device.close()


def _program(n: int = 4096) -> Program:
    def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> tuple[Symbol, ...]:
        y = inputs["x"]
        for _ in range(3):
            (y,) = kernels.twice(y, n, threads=(n, 1, 1), threadgroup=(64, 1, 1), outputs=[((n,), np.float32)])
        return (y,)

    return trace(host, {"x": np.arange(n, dtype=np.float32)}, _SIGNATURES)


def test_results_are_computed_and_times_predicted(device: VirtualDevice) -> None:
    module, stage = device.compile(_SOURCE, _SIGNATURES), device.stage(_program())
    execution = stage.bind(module)
    stage.poison()
    first = execution.run()
    assert (stage.outputs()[0] == 8 * np.arange(4096)).all()
    assert first.seconds == execution.run().seconds == execution.prediction.seconds
    assert 3 * 2.2e-6 < first.seconds < 1e-3
    assert execution.launch_cost().seconds == pytest.approx(3 * 2.2e-6)
    assert module.remarks and module.remarks[0].startswith("predicted on M1 Pro")


def test_outputs_that_were_poisoned_are_computed_again(device: VirtualDevice) -> None:
    module, stage = device.compile(_SOURCE, _SIGNATURES), device.stage(_program())
    execution = stage.bind(module)
    for _ in range(2):
        stage.poison()
        execution.run()
        assert (stage.outputs()[0] == 8 * np.arange(4096)).all()


def test_another_candidate_s_results_are_not_mine(device: VirtualDevice) -> None:
    stage = device.stage(_program())
    right = stage.bind(device.compile(_SOURCE, _SIGNATURES))
    wrong = stage.bind(device.compile(_SOURCE.replace("2 * x", "3 * x"), _SIGNATURES))
    right.run()
    wrong.run()
    assert (stage.outputs()[0] == 27 * np.arange(4096)).all()
    right.run()
    assert (stage.outputs()[0] == 8 * np.arange(4096)).all()


def test_a_second_device_predicts_the_same(device: VirtualDevice) -> None:
    def seconds(device: VirtualDevice) -> float:
        return device.stage(_program()).bind(device.compile(_SOURCE, _SIGNATURES)).run().seconds

    other = VirtualDevice(threads=2)
    try:
        assert seconds(device) == seconds(other)
    finally:
        other.close()


def test_a_candidate_that_crashes_has_no_time(device: VirtualDevice) -> None:
    wild = device.compile(_SOURCE.replace("y[i]", "y[i + 100000000]"), _SIGNATURES)
    with pytest.raises(Crash, match="beyond the end of buffer"):
        device.stage(_program()).bind(wild).run()


def test_the_name_says_that_it_predicts_and_ceilings_are_the_data_sheet_s(device: VirtualDevice) -> None:
    assert "predicted" in device.name and "M1 Pro" in device.name
    assert device.ceilings.bandwidth == 200


def test_a_chip_without_facts_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"set device\.chip to one of M1, M1 Pro"):
        VirtualDevice(chip="M5")
