"""The ceilings of the roofline model: peak FP32, and bandwidth by footprint.

They are measured if a device has no data sheet. Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009. A score is a
fraction of one of these.
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metalsci.devices.program import Kernels, Symbol, trace
from metalsci.files.locations import cache
from metalsci.files.whole_files import read_json, write_json
from metalsci.msl.language.parse import parse

if TYPE_CHECKING:
    from metalsci.devices.protocol import Device, Module

# Bandwidth: a triad over three arrays, 12 bytes moved per element.
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
_FOOTPRINTS = tuple(int(mib * 2**20) for mib in (0.25, 0.75, 2, 6, 16, 48, 128, 384))
_MOVED = 16 << 20  # bytes that one run moves at least: with fewer, launching would count
_CHAIN_ELEMENTS = 1 << 18
_WARM_UP = 2  # runs that touch every page and are not counted
_RUNS = 10  # of a burst, of which the best counts
_BURSTS = 4  # at most; two that agree are enough
_AGREE = 0.05  # relative difference of the best two bursts
_COPY = 64 << 20  # bytes
_REFUTED = 1.1  # times the ceiling: the rate of a kernel that proves it wrong
_GIVEN = "overridden in the config"
_SECONDS = 8.0  # wall clock of all bursts of one kernel, past which it is unsettled


@dataclass(frozen=True)
class Level:
    """Bandwidth in GB/s of programs that touch so many bytes. proved: by which kernel, if no measurement reached it."""

    footprint: int
    bandwidth: float
    proved: str = ""


@dataclass(frozen=True)
class Evidence:
    """A verified kernel's rate, which a ceiling must allow: GB/s that its slower runs reach too, and bytes touched."""

    kernel: str
    footprint: int
    bandwidth: float


@dataclass(frozen=True)
class Ceilings:
    """bandwidth in GB/s (10^9 bytes) out of memory, fp32 in GFLOP/s; `source` says where the numbers come from.

    - levels: bandwidth by footprint, the smallest first; empty for a data sheet, which knows memory only.
    - spread: by how much the best runs of two bursts differ, at the worst. `unsettled` says why a measurement is not to
      be relied on, and is empty if it is.
    - runs, load, version: how many runs, at which load of the machine, by which version of metalsci.
    - given: whether they are a config's, which say nothing of the machine.
    """

    bandwidth: float
    fp32: float
    source: str
    levels: tuple[Level, ...] = ()
    spread: float = 0.0
    unsettled: str = ""
    runs: int = 0
    load: float = 0.0
    version: str = ""
    given: bool = False

    def bandwidth_at(self, footprint: int) -> float:
        """Return GB/s for a program that touches so many bytes, interpolated between the measured levels."""
        if not self.levels:
            return self.bandwidth
        sizes = [math.log(level.footprint) for level in self.levels]
        rates = [math.log(level.bandwidth) for level in self.levels]
        return float(math.exp(np.interp(math.log(max(footprint, 1)), sizes, rates)))

    def refuted_by(self, evidence: Sequence[Evidence]) -> list[Evidence]:
        """Return the kernels that are faster than a measured ceiling allows, by more than a measurement may be off."""
        if not self.levels:
            return []
        return [each for each in evidence if each.bandwidth > _REFUTED * self.bandwidth_at(each.footprint)]

    def with_higher(self, other: "Ceilings") -> "Ceilings":
        """Return the higher bandwidth of two measurements at each footprint."""
        return replace(self._raised(other.levels), runs=self.runs + other.runs)

    def raised(self, evidence: Sequence[Evidence]) -> "Ceilings":
        """Raise the level of each footprint at which a kernel is faster, and mark it with the kernel."""
        return self._raised([Level(e.footprint, e.bandwidth, e.kernel) for e in self.refuted_by(evidence)])

    def _raised(self, found: Sequence[Level]) -> "Ceilings":
        """Take the highest bandwidth at each footprint, of these levels and of those found."""
        if not found:
            return self
        by_rate = sorted((*self.levels, *found), key=lambda level: level.bandwidth)
        levels = {level.footprint: level for level in by_rate}
        ordered = tuple(levels[footprint] for footprint in sorted(levels))
        return replace(self, levels=ordered, bandwidth=ordered[-1].bandwidth)


@dataclass(frozen=True)
class _Best:
    """Seconds of the best run of all bursts, and by how much the best two bursts differ."""

    seconds: float
    spread: float
    runs: int


def measure(device: "Device") -> Ceilings:
    """Measure all ceilings with kernels on the device itself, in the clock of its scores. Takes a few seconds.

    Pages are touched before anything counts: the first run over fresh memory takes ten times as long as the next.
    """
    signatures = parse(_SOURCE).kernels
    module = device.compile(_SOURCE, signatures)
    try:
        triads = [_triad(device, module, footprint) for footprint in _FOOTPRINTS]
        chains = _best(device, module, "chains", ("x",), _CHAIN_ELEMENTS, 1)
    finally:
        module.close()
    levels = tuple(Level(f, rate) for f, (rate, _) in zip(_FOOTPRINTS, triads, strict=True))
    found = [best for _, best in triads] + [chains]
    spread = max(best.spread for best in found)
    memory = levels[-1].bandwidth
    return Ceilings(
        bandwidth=memory,
        fp32=1024e-9 * _CHAIN_ELEMENTS / chains.seconds,
        source=f"measured on this machine on {date.today().isoformat()}",
        levels=levels,
        spread=spread,
        unsettled=_doubt(spread, memory, _copy_rate()),
        runs=sum(best.runs for best in found),
        load=os.getloadavg()[0],
        version=version("metalsci"),
    )


def _triad(device: "Device", module: "Module", footprint: int) -> tuple[float, _Best]:
    elements = footprint // 12
    calls = max(1, math.ceil(_MOVED / footprint))
    best = _best(device, module, "triad", ("x", "y"), elements, calls)
    return 12e-9 * elements * calls / best.seconds, best


def _best(device: "Device", module: "Module", kernel: str, names: tuple[str, ...], elements: int, calls: int) -> _Best:
    """Time bursts of runs until two agree or the time is over."""

    def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> tuple[Symbol, ...]:
        run = getattr(kernels, kernel)
        shape = ((elements,), np.float32)
        grid = {"threads": (elements, 1, 1), "threadgroup": (256, 1, 1)}
        read = list(inputs.values())
        for _ in range(calls):
            (out,) = run(*read, outputs=[shape], **grid)
            read[-1] = out  # each call waits for the one before
        return (out,)

    inputs = dict.fromkeys(names, np.full(elements, 0.5, np.float32))  # one array here, and a buffer for each name
    stage = device.stage(trace(host, inputs, parse(_SOURCE).kernels))
    try:
        execution = stage.bind(module)
        for _ in range(_WARM_UP):
            execution.run()
        end = time.perf_counter() + _SECONDS
        bursts: list[float] = []
        while len(bursts) < _BURSTS and (len(bursts) < 2 or time.perf_counter() < end):
            bursts.append(min(execution.run().seconds for _ in range(_RUNS)))
            if len(bursts) > 1 and _spread(bursts) <= _AGREE:
                break
        return _Best(min(bursts), _spread(bursts), _RUNS * len(bursts))
    finally:
        stage.close()


def _spread(bursts: list[float]) -> float:
    first, second = sorted(bursts)[:2]
    return second / first - 1


def _copy_rate() -> float:
    """Measure GB/s at which this process copies memory that it has touched, bytes read and written."""
    source, target = np.ones(_COPY, np.uint8), np.ones(_COPY, np.uint8)
    best = math.inf
    for _ in range(_RUNS):
        begin = time.thread_time()
        np.copyto(target, source)
        best = min(best, time.thread_time() - begin)
    return 2e-9 * _COPY / best


def _doubt(spread: float, memory: float, copy: float) -> str:
    if memory < copy / 2:
        return f"{memory:.1f} GB/s is less than half of a plain copy of memory ({copy:.1f} GB/s)"
    if spread > _AGREE:
        return f"the best runs of two bursts differ by {100 * spread:.0f} %"
    return ""


def remembered(key: str) -> Path:
    """Return the file that keeps the ceilings of a device with these settings."""
    return cache() / f"ceilings-{key}.json"


def forget() -> None:
    """Remove all ceilings that were measured on this machine.

    Each device measures its own again at the next request.
    """
    for path in cache().glob(remembered("*").name):
        path.unlink(missing_ok=True)


def cached(device: "Device", path: Path) -> Ceilings:
    """Measure, or read an earlier measurement from `path`: the reference of scores must not change between runs.

    An unsettled measurement is not kept, so that the next run measures again.
    """
    stored = read_json(path, Ceilings)
    if stored and stored.levels:
        return stored
    ceilings = measure(device)
    if not ceilings.unsettled:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, ceilings)
    return ceilings


def correct(device: "Device", path: Path, evidence: Sequence[Evidence]) -> str:
    """Correct the ceilings in `path` by verified kernels. Return a sentence; empty if nothing refutes them.

    They are measured again first, since a busy moment is the usual cause, and of two measurements the higher one
    counts. A rate that it does not allow either raises it. Scores of a run do not change under it: this is for the end.
    """
    kept = read_json(path, Ceilings)
    refuting = kept.refuted_by(evidence) if kept else []
    if kept is None or not refuting:
        return ""
    worst = max(refuting, key=lambda each: each.bandwidth / kept.bandwidth_at(each.footprint))
    found = kept.with_higher(measure(device)).raised(evidence)
    write_json(path, found)
    mib = worst.footprint / 2**20
    return (
        f"the ceiling at {mib:.3g} MiB was too low: {worst.kernel} reaches {worst.bandwidth:.0f} GB/s where "
        f"{kept.bandwidth_at(worst.footprint):.0f} were measured; from the next run on it is "
        f"{found.bandwidth_at(worst.footprint):.0f} GB/s"
    )


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
        """Return these ceilings, filled up from the device's `own`, which are not requested if both are given."""
        if self.bandwidth is not None and self.fp32 is not None:
            return Ceilings(self.bandwidth, self.fp32, _GIVEN, given=True)
        ceilings = own()
        if self.bandwidth is None and self.fp32 is None:
            return ceilings
        given = replace(ceilings, fp32=self.fp32 or ceilings.fp32, source=_GIVEN, given=True)
        if self.bandwidth:
            return replace(given, bandwidth=self.bandwidth, levels=())
        return given
