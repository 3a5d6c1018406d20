"""Constants of Apple's GPUs for the model, each with its source and marked as published or assumed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

from metalsci.devices.errors import DeviceError

_BENCHMARKS = "philipturner/metal-benchmarks, README"
_ALU = f"{_BENCHMARKS}, 'ALU Bottlenecks'"
_MEMORY = f"{_BENCHMARKS}, 'On-Chip Memory'"
_CHIPS = f"{_BENCHMARKS}, 'Overview'"
_APPLE = "Apple's technical specifications"
_LATENCIES = "ferasboulala/G13, README: {} ns on an M1 Max, by one thread that follows pointers"
_NEAR = (
    "assumed: two thirds of the 70 ns of ferasboulala/G13, by which tiles would be slower than the recorded ones, and "
    "loads that a core's cache holds faster"
)
_M2_PRO = "assumed to be as on an M2 Pro: Chips and Cheese, 'A brief look at Apple's M2 Pro iGPU', {} ns"
_CODE = (
    "assumed: half of the wait for the cache of all cores, as a line of code is under way while another runs; from "
    f"{_BENCHMARKS}, figure of the instruction cache, in which 88 simdgroups lose 10 %, follow 35 to 325"
)
_MESA = "Mesa, src/asahi/compiler: 8 of 16 bits where it spills, for the hardware's and the spills' own needs"
_GUESS = "assumed: no source measures it"


@dataclass(frozen=True)
class Fact:
    """A number with its source, marked as published or assumed."""

    value: float
    source: str
    published: bool = True


def _assumed(value: float, why: str = _GUESS) -> Fact:
    return Fact(value, why, published=False)


@dataclass(frozen=True)
class GpuFacts:
    """One chip's GPU. Waits and costs in cycles, sizes in bytes, bandwidths in bytes a second or a cycle and core.

    cores. clock: in Hz. issues: of simdgroups, a cycle and core. registers, threadgroup_memory: of a core. resident:
    threads that a core has at most. line_cache, instruction_cache: of a core. shared_cache: of all cores. cached_wait,
    shared_wait, system_wait, memory_wait: of a load that a core's cache holds, the cores' cache, that of the chip, or
    none. threadgroup_wait, barrier_wait. core_bandwidth, gpu_bandwidth: bytes a cycle of a core, from its cache and
    from beyond. overlap: of a core's units, see model.py. fetch: bytes of a line that are brought at least. sharing:
    exponent by which groups that are resident together make one another's cache smaller. bank_turn: cycles of one turn
    of threadgroup memory. system_cache, system_bandwidth, memory_bandwidth: of the chip. launch: seconds of a dispatch
    in a command buffer. collision: cycles of each lane at one address. spill, private: cycles of a word of 32 lanes
    stored or loaded. own_loads: of own arrays, that wait at a time. crowding: share of a block's loads that are moved
    before all else. reserved: registers of 32 bits that a thread needs besides its values.
    """

    name: str
    cores: Fact
    clock: Fact
    memory_bandwidth: Fact
    system_cache: Fact
    shared_cache: Fact
    issues: Fact = Fact(4, _ALU)
    registers: Fact = Fact(208 << 10, _MEMORY)
    threadgroup_memory: Fact = Fact(60 << 10, _MEMORY)
    resident: Fact = Fact(3072, _MEMORY)
    line_cache: Fact = Fact(8 << 10, _MEMORY)
    instruction_cache: Fact = Fact(12 << 10, _MEMORY)
    core_bandwidth: Fact = Fact(64, _MEMORY)
    gpu_bandwidth: Fact = Fact(32, _MEMORY)
    fetch: Fact = Fact(64, "assumed: half a line", published=False)
    sharing: Fact = Fact(0.75, _GUESS, published=False)
    system_bandwidth: Fact = Fact(320e9, "assumed from the 15 to 20 bytes a cycle of metal-benchmarks", published=False)
    cached_wait: Fact = Fact(61, _LATENCIES.format(47))
    shared_wait: Fact = Fact(130, _LATENCIES.format(100))
    system_wait: Fact = Fact(303, _M2_PRO.format(234), published=False)
    memory_wait: Fact = Fact(443, _M2_PRO.format(342), published=False)
    threadgroup_wait: Fact = Fact(60, _NEAR, published=False)
    code_wait: Fact = Fact(65, _CODE, published=False)
    barrier_wait: Fact = Fact(30, _GUESS, published=False)
    bank_turn: Fact = Fact(1, _GUESS, published=False)
    launch: Fact = Fact(2.2e-6, _GUESS, published=False)
    collision: Fact = Fact(24, _GUESS, published=False)
    spill: Fact = Fact(4, "assumed: 128 bytes at 32 bytes a cycle", published=False)
    private: Fact = Fact(4, "assumed: 128 bytes at 32 bytes a cycle", published=False)
    own_loads: Fact = Fact(2, _GUESS, published=False)
    overlap: Fact = Fact(3, "assumed: 1 would be none, many the busiest unit alone", published=False)
    crowding: Fact = Fact(0.5, "assumed: half way between no load moved and all", published=False)
    reserved: Fact = Fact(4, _MESA)

    def facts(self) -> Mapping[str, Fact]:
        """Return all constants by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}

    def values(self) -> "GpuValues":
        facts = self.facts()
        assumed = tuple(name for name, fact in facts.items() if not fact.published)
        return GpuValues(self.name, {name: fact.value for name, fact in facts.items()}, assumed)


class GpuValues:
    """The numbers alone, as attributes, for formulas to read well. assumed: names of those that no source measured."""

    def __init__(self, name: str, values: Mapping[str, float], assumed: tuple[str, ...] = ()) -> None:
        self.name = name
        self.assumed = assumed
        self._values = dict(values)

    def __getattr__(self, name: str) -> float:
        try:
            return self.__dict__["_values"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"the model has no constant {name!r}") from None

    def changed(self, **values: float) -> "GpuValues":
        """Return a copy with other values for some constants, to see how much they matter; it has no doubts."""
        return GpuValues(self.name, {**self._values, **values})

    def doubts(self) -> Iterator["GpuValues"]:
        """Yield what else the chip may be: with each assumed constant halved, and doubled."""
        for name in self.assumed:
            for factor in (0.5, 2.0):
                yield self.changed(**{name: factor * self._values[name]})


class UnknownGpuError(DeviceError):
    """A chip without the facts that a prediction would need."""


def _gpu(
    name: str, cores: int, gigahertz: float, bandwidth: float, system_cache_megabytes: int, shared_cache_kilobytes: int
) -> GpuFacts:
    """Describe a GPU. bandwidth: GB/s of the data sheet, of which 95 % can be reached."""
    return GpuFacts(
        name=name,
        cores=Fact(cores, _APPLE),
        clock=Fact(gigahertz * 1e9, _CHIPS),
        memory_bandwidth=Fact(0.95 * bandwidth * 1e9, f"{_APPLE}; 95 % of it can be reached (190 of 200 GB/s, M1 Pro)"),
        system_cache=Fact(system_cache_megabytes << 20, _CHIPS),
        shared_cache=Fact(shared_cache_kilobytes << 10, _CHIPS),
    )


def _scaled(gpu: GpuFacts, factor: float) -> GpuFacts:
    """Scale a chip up: more slices of its system cache, and of the bandwidth with them."""
    return replace(gpu, system_bandwidth=_assumed(320e9 * factor, "assumed to grow with the memory's bandwidth"))


# Apple 7 and 8 (M1 and M2) share what metal-benchmarks measured of a core. Of M3 and later, whose registers are shared
# out anew while a kernel runs, nobody has published it.
GPUS = tuple(
    _scaled(_gpu(name, cores, clock, bandwidth, cache, shared), bandwidth / 200)
    for name, clock, cache, shared, configurations in (
        ("M1", 1.278, 8, 768, {7: 68.25, 8: 68.25}),
        ("M1 Pro", 1.296, 24, 256, {14: 200, 16: 200}),
        ("M1 Max", 1.296, 48, 512, {24: 400, 32: 400}),
        ("M1 Ultra", 1.296, 96, 1024, {48: 800, 64: 800}),
        ("M2", 1.398, 8, 1536, {8: 100, 10: 100}),
        ("M2 Pro", 1.398, 24, 512, {16: 200, 19: 200}),
        ("M2 Max", 1.398, 48, 1024, {30: 400, 38: 400}),
    )
    for cores, bandwidth in configurations.items()
)


def facts_of(name: str, gpu_cores: int | None = None) -> GpuFacts:
    """Return the facts of a chip by its name, `M1 Pro` or `Apple M1 Pro`.

    Without `gpu_cores` they are those of its largest configuration. Raises UnknownGpuError rather than guess.
    """
    wanted = name.removeprefix("Apple ").strip().casefold()
    found = [gpu for gpu in GPUS if gpu.name.casefold() == wanted]
    known = ", ".join(dict.fromkeys(gpu.name for gpu in GPUS))
    if not found:
        raise UnknownGpuError(
            f"no facts are known of the GPU of {name!r} that a prediction needs (waits, caches, registers); set "
            f"device.chip to one of {known}"
        )
    exact = [gpu for gpu in found if gpu_cores in (None, gpu.cores.value)]
    if not exact:
        counts = " or ".join(f"{gpu.cores.value:.0f}" for gpu in found)
        raise UnknownGpuError(f"{name} has {counts} GPU cores, not {gpu_cores}; set device.gpu_cores to one of these")
    return exact[-1]
