"""Ceilings of Apple's chips by name, for devices whose data sheet is better than a measurement.

Bandwidth: unified-memory bandwidth as Apple's technical specifications and newsroom state it, for each GPU
configuration. Peak FP32: GPU cores × 128 lanes × 2 FLOP × clock. The 128 lanes and the M1 and M2 clocks are from
philipturner's metal-benchmarks and agree with Apple's own TFLOPS (M1 2.6, M2 3.6); M3 and M4 clocks from hmc-tech.com's
device pages, M5's from michaelstinkerings.org's roofline analysis of the M5, whose clock M5 Pro, Max and Ultra are
assumed to share. Of M6 (announced August 2026) Apple gives the bandwidth, and nobody yet a clock that we could cite.
"""

from dataclasses import dataclass

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.errors import DeviceError

_LANES_PER_CORE = 128


@dataclass(frozen=True)
class Chip:
    """bandwidth in GB/s; clock in GHz, None where no source gives it."""

    name: str
    gpu_cores: int
    bandwidth: float
    clock: float | None


CHIPS = tuple(
    Chip(name, cores, bandwidth, clock)
    for name, clock, configurations in (
        ("M1", 1.278, {7: 68.25, 8: 68.25}),
        ("M1 Pro", 1.296, {14: 200, 16: 200}),
        ("M1 Max", 1.296, {24: 400, 32: 400}),
        ("M1 Ultra", 1.296, {48: 800, 64: 800}),
        ("M2", 1.398, {8: 100, 10: 100}),
        ("M2 Pro", 1.398, {16: 200, 19: 200}),
        ("M2 Max", 1.398, {30: 400, 38: 400}),
        ("M2 Ultra", 1.398, {60: 800, 76: 800}),
        ("M3", 1.398, {8: 100, 10: 100}),
        ("M3 Pro", 1.398, {14: 150, 18: 150}),
        ("M3 Max", 1.398, {30: 300, 40: 400}),
        ("M3 Ultra", 1.398, {60: 819, 80: 819}),
        ("M4", 1.470, {8: 120, 10: 120}),
        ("M4 Pro", 1.470, {16: 273, 20: 273}),
        ("M4 Max", 1.678, {32: 410, 40: 546}),
        ("M5", 1.578, {8: 153, 10: 153}),
        ("M5 Pro", 1.578, {16: 307, 20: 307}),
        ("M5 Max", 1.578, {32: 460, 40: 614}),
        ("M5 Ultra", 1.578, {80: 1200}),
        ("M6", None, {12: 170}),
    )
    for cores, bandwidth in configurations.items()
)


class UnknownChipError(DeviceError):
    """No such chip in the table, or no clock for it; the message says how to give ceilings by hand."""


def ceilings_of(name: str, gpu_cores: int | None = None) -> Ceilings:
    """Return the ceilings of a chip as MLX and the system name it: `Apple M4 Max`, or `M4 Max`.

    Without `gpu_cores` the largest configuration is taken. Raises UnknownChipError rather than guess.
    """
    wanted = name.removeprefix("Apple ").strip().casefold()
    found = [c for c in CHIPS if c.name.casefold() == wanted]
    exact = [c for c in found if gpu_cores in (None, c.gpu_cores)]
    hint = "set device.ceilings.bandwidth (GB/s) and device.ceilings.fp32 (GFLOP/s)"
    if not found:
        known = ", ".join(dict.fromkeys(c.name for c in CHIPS))
        raise UnknownChipError(f"no ceilings are known for chip {name!r}; {hint}, or device.chip to one of {known}")
    if not exact:
        counts = " or ".join(str(c.gpu_cores) for c in found)
        raise UnknownChipError(f"{name} with {gpu_cores} GPU cores is not in the table, which has {counts}; {hint}")
    chip = exact[-1]
    if chip.clock is None:
        raise UnknownChipError(f"no source gives the GPU clock of {name}, so its peak FP32 is unknown; {hint}")
    fp32 = chip.gpu_cores * _LANES_PER_CORE * 2 * chip.clock
    return Ceilings(chip.bandwidth, fp32, f"data sheet of {chip.name} with {chip.gpu_cores} GPU cores")
