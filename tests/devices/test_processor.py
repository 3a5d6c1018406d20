"""The description of the machine for a model."""

from metalsci.devices.ceilings import GivenCeilings
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.protocol import Described


def test_the_software_device_says_what_it_runs_on_and_what_costs_there() -> None:
    device = CpuDevice(threads=2, ceilings=GivenCeilings(bandwidth=40.0, fp32=200.0))
    assert isinstance(device, Described)
    told = "\n".join(device.machine.facts)
    assert "on 2 threads of this processor" in told
    assert "40 GB/s, 200 GFLOP/s" in told
    assert "Barriers, shuffles" in told
    assert "fewer threads" in device.machine.ideas
