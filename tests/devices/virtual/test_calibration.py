"""Calibration finds the constants of a device by timing alone: on the virtual GPU, whose constants are known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from metalsci.devices.errors import DeviceError
from metalsci.devices.virtual.calibration import Calibration, calibrate, calibrated
from metalsci.devices.virtual.gpu_facts import facts_of
from metalsci.devices.virtual.virtual_device import VirtualDevice
from metalsci.files.whole_files import write_json


@pytest.fixture(scope="module")
def found() -> Iterator[Calibration]:
    device = VirtualDevice(threads=1)
    yield calibrate(device, device.predicted_gpu)
    device.close()


@pytest.mark.parametrize(
    "constant",
    [
        "cached_wait", "shared_wait", "system_wait", "memory_wait", "threadgroup_wait", "barrier_wait", "collision",
    ],
)  # fmt: skip
def test_a_constant_is_found_by_timing(found: Calibration, constant: str) -> None:
    """Allow a few dependent operations in each turn of a loop."""
    assert found.assumed[constant] <= found.constants[constant] <= found.assumed[constant] + 40


def test_a_launch_is_found(found: Calibration) -> None:
    assert found.constants["launch"] == pytest.approx(found.assumed["launch"], rel=0.2)


def test_the_model_takes_the_file_of_its_own_chip(found: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    write_json(path, found)
    facts = calibrated(facts_of("M1 Pro"), path)
    assert facts.memory_wait.value == found.constants["memory_wait"]
    assert facts.memory_wait.source.startswith("measured")
    assert facts.spill == facts_of("M1 Pro").spill
    with pytest.raises(DeviceError, match="was measured on M1 Pro with 16 cores, not on M2"):
        calibrated(facts_of("M2"), path)
    with pytest.raises(DeviceError, match="is no calibration"):
        calibrated(facts_of("M1 Pro"), tmp_path / "none.json")


def test_a_device_may_be_calibrated(found: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    write_json(path, found)
    device = VirtualDevice(threads=1, calibration=str(path))
    assert "calibrated" in device.name
    assert device.predicted_gpu.memory_wait.value == found.constants["memory_wait"]
    device.close()
