"""The two ceilings of the roofline model, and how they are measured on a device that has no data sheet.

Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009. A score is a fraction of one of these.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metalsci.devices.program import Kernels, Symbol, trace
from metalsci.files.locations import cache
from metalsci.files.whole_files import read_json, write_json
from metalsci.msl.language.parse import parse

if TYPE_CHECKING:
    from metalsci.devices.protocol import Device

# Bandwidth: a triad over three arrays that exceed the caches, 12 bytes moved per element.
# FP32: eight independent chains of fused multiply-adds, enough to cover the latency of two FMA pipes, and nothing
# between them and the registers. 2 * 8 * 64 FLOP per element against 8 bytes.
_SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void triad(device const float *x, device const float *y, device float *out, uint i [[thread_position_in_grid]]) {
    out[i] = x[i] + 0.5f * y[i];
}
#define STEP a = fma(a, m, n); b = fma(b, m, n); c = fma(c, m, n); d = fma(d, m, n); \\
             e = fma(e, m, n); f = fma(f, m, n); g = fma(g, m, n); h = fma(h, m, n);
#define STEP8 STEP STEP STEP STEP STEP STEP STEP STEP
kernel void chains(device const float *x, device float *out, uint i [[thread_position_in_grid]]) {
    float m = x[i], n = 1.0f - m;
    float a = m, b = m + 1, c = m + 2, d = m + 3, e = m + 4, f = m + 5, g = m + 6, h = m + 7;
    STEP8 STEP8 STEP8 STEP8 STEP8 STEP8 STEP8 STEP8
    out[i] = a + b + c + d + e + f + g + h;
}
"""
_TRIAD_ELEMENTS = 1 << 25
_CHAIN_ELEMENTS = 1 << 18
_SECONDS = 0.6  # of repeating each kernel: long enough to meet a moment in which the machine does nothing else


@dataclass(frozen=True)
class Ceilings:
    """bandwidth in GB/s (10^9 bytes), fp32 in GFLOP/s; `source` says where the numbers come from."""

    bandwidth: float
    fp32: float
    source: str


def measure(device: "Device") -> Ceilings:
    """Both ceilings by kernels that run on the device itself: the best of many repeats. Takes about two seconds."""
    signatures = parse(_SOURCE).kernels
    module = device.compile(_SOURCE, signatures)
    rng = np.random.default_rng(0)

    def best_seconds(elements: int, kernel: str, names: tuple[str, ...]) -> float:
        def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> tuple[Symbol, ...]:
            run = getattr(kernels, kernel)
            shape = ((elements,), np.float32)
            return tuple(run(*inputs.values(), threads=(elements, 1, 1), threadgroup=(256, 1, 1), outputs=[shape]))

        inputs = {name: rng.random(elements, dtype=np.float32) for name in names}
        stage = device.stage(trace(host, inputs, signatures))
        try:
            execution = stage.bind(module)
            end = time.perf_counter() + _SECONDS
            best = execution.run().seconds
            while time.perf_counter() < end:
                best = min(best, execution.run().seconds)
            return best
        finally:
            stage.close()

    try:
        bandwidth = 12e-9 * _TRIAD_ELEMENTS / best_seconds(_TRIAD_ELEMENTS, "triad", ("x", "y"))
        fp32 = 1024e-9 * _CHAIN_ELEMENTS / best_seconds(_CHAIN_ELEMENTS, "chains", ("x",))
    finally:
        module.close()
    return Ceilings(bandwidth, fp32, f"measured on this machine on {date.today().isoformat()}")


def remembered(key: str) -> Path:
    """Where the ceilings of a device with these settings are kept."""
    return cache() / f"ceilings-{key}.json"


def forget() -> None:
    """All ceilings that were measured on this machine; a device measures its own again when they are next asked for."""
    for path in cache().glob(remembered("*").name):
        path.unlink(missing_ok=True)


def cached(device: "Device", path: Path) -> Ceilings:
    """`measure`, remembered in `path`: what a score refers to must not change from run to run."""
    if stored := read_json(path, Ceilings):
        return stored
    ceilings = measure(device)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, ceilings)
    return ceilings


@dataclass(frozen=True)
class GivenCeilings:
    """Ceilings from a config, null for the device's own. Raises ValueError for one that no machine has.

    - bandwidth: GB/s.
    - fp32: GFLOP/s.
    """

    bandwidth: float | None = None
    fp32: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value <= 0:
                raise ValueError(
                    f"device.ceilings.{name}={value}: give a positive number, or null for the device's own"
                )

    def over(self, own: Callable[[], Ceilings]) -> Ceilings:
        """What is given in the place of the device's `own`, which are not asked for where both are given."""
        if self.bandwidth is not None and self.fp32 is not None:
            return Ceilings(self.bandwidth, self.fp32, "overridden in the config")
        ceilings = own()
        if self.bandwidth is None and self.fp32 is None:
            return ceilings
        return Ceilings(self.bandwidth or ceilings.bandwidth, self.fp32 or ceilings.fp32, "overridden in the config")
