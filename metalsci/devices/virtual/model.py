"""Seconds of a dispatch on a GPU, from its counts: the whole model.

    seconds = launch + latency-bound part + throughput-bound part, one term each:

    issue        busy pipelines of the busiest core, or the chain of dependent operations x rounds if that is longer
    code         what that grows by with waits for code that the instruction cache does not hold
    memory wait  rounds x waits for device memory, by the cache that holds what is touched
    own arrays   rounds x waits for a thread's own arrays, and their traffic
    near wait    rounds x waits for threadgroup memory
    barriers     rounds x barriers
    traffic      max(core's data path, path beyond the core, memory)
    bank turns   turns of threadgroup memory on the busiest core
    spills       words that do not fit into registers: their traffic, and rounds x waits for them and for what is loaded
                 again instead
    collisions   atomic operations on one address

Threadgroups are spread over the cores; as many are resident on a core as registers, threadgroup memory and the limit of
threads allow; a core needs `rounds` turns for its share, the last of which may be partly filled and takes as long. The
waits of a round are those of the slowest simdgroup of a group: latency times occupancy is what bounds most kernels of
the recorded runs (docs/virtual_gpu.md has the ablation). Pipelines, memory and threadgroup memory work at the same time
for different simdgroups: together they take less than the sum of what each takes, and no less than the busiest.
The idea is Hong and Kim's (ISCA 2009), the constants are in gpu_facts.py.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from metalsci.cpu_metal.profiler.counters import CODE_CAPACITIES, DispatchProfile, Traffic
from metalsci.cpu_metal.profiler.liveness import BUDGETS
from metalsci.devices.virtual.gpu_facts import GpuValues

_LINE, _SECTOR, _SIMD, _VECTOR = 128, 32, 32, 4
_CAPACITIES = (0.5, 4.0, 16.0, 64.0)  # lines of the caches that were counted; the first holds nothing


@dataclass(frozen=True)
class Occupancy:
    """The load of the busiest core with threadgroups.

    registers: of 32 bits, of a thread. resident: threadgroups at a time, by the limits of the core.
    concurrent: threadgroups at a time that there are. rounds: turns that its share takes. share: of all groups.
    """

    registers: float
    simdgroups: int
    resident: int
    concurrent: int
    rounds: int
    share: float


@dataclass(frozen=True)
class DispatchTime:
    """Seconds of one dispatch, predicted.

    terms: their parts, by name. floor: a time that no schedule can beat.
    throughput: the time by a second model, in which every wait is hidden.
    """

    terms: Mapping[str, float]
    floor: float
    throughput: float
    occupancy: Occupancy

    @property
    def seconds(self) -> float:
        return max(sum(self.terms.values()), self.floor)


def dispatch_time(profile: DispatchProfile, gpu: GpuValues) -> DispatchTime:
    counters = profile.counters
    place = occupancy(profile, gpu)
    path, share, rounds = counters.critical, place.share, place.rounds
    spilled = _spilled(profile, gpu)
    per_group = 1 / (profile.groups * place.simdgroups)  # of one simdgroup on the average
    missed = _held(path.far, path.misses, cache_lines(counters.loads, gpu, place))
    beyond = beyond_wait(counters.unique, gpu)
    own_wait = _own_wait(profile, gpu, place)
    fetches = _between(CODE_CAPACITIES, path.fetched, gpu.instruction_cache) / _LINE
    reloads = _of_budget(counters.reloaded, profile, gpu) / _VECTOR
    spill_wait = gpu.cached_wait / 2 * per_group  # nobody waits for the half that are stores
    units = _overlapped(
        {
            "issue": counters.busy * share / gpu.issues,
            "traffic": max(traffic(profile, gpu, place).values()),
            "bank turns": counters.turns * share * gpu.bank_turn,
        },
        gpu,
    )
    issue = max(units["issue"], path.chain * rounds)
    cycles = {
        "issue": issue,
        "code": max(issue, rounds * (path.chain + fetches * gpu.code_wait)) - issue,
        "memory wait": rounds * (missed * beyond + (path.far - missed) * gpu.cached_wait),
        "own arrays": rounds * path.own / gpu.own_loads * own_wait + counters.private * share * gpu.private,
        "near wait": rounds * path.near * gpu.threadgroup_wait,
        "barriers": rounds * counters.barriers * per_group * gpu.barrier_wait,
        "traffic": units["traffic"],
        "bank turns": units["bank turns"],
        "spills": spilled * (share * gpu.spill + rounds * spill_wait) + reloads * rounds * per_group * gpu.cached_wait,
        "collisions": counters.collisions * share * gpu.collision,
    }
    terms = {name: value / gpu.clock for name, value in cycles.items()} | {"launch": gpu.launch}
    return DispatchTime(terms, _floor(profile, gpu), _throughput(profile, gpu, place), place)


def _overlapped(cycles: Mapping[str, float], gpu: GpuValues) -> dict[str, float]:
    """Return the units' parts of the cycles that they take together: a sum of powers, and the root of it."""
    together = sum(value**gpu.overlap for value in cycles.values()) ** (1 / gpu.overlap)
    alone = sum(cycles.values()) or 1.0
    return {name: value * together / alone for name, value in cycles.items()}


def beyond_wait(touched: float, gpu: GpuValues) -> float:
    """Return the cycles that a load waits which a core's own cache does not hold.

    touched: bytes that are read and written again and again, by other dispatches if not by this one.
    """
    shared = _kept(touched, gpu.shared_cache)
    system = max(shared, _kept(touched, gpu.system_cache))
    return float(shared * gpu.shared_wait + (system - shared) * gpu.system_wait + (1 - system) * gpu.memory_wait)


def _kept(touched: float, cache: float) -> float:
    """Return the share of what is touched that a cache holds: all that fits, nothing of twice as much.

    What is touched in turn has been thrown out when its turn comes again (assumed: between the two, part of it).
    """
    return 1 - min(1.0, max(0.0, math.log2(touched / cache))) if touched else 1.0


def _own_wait(profile: DispatchProfile, gpu: GpuValues, place: Occupancy) -> float:
    """Return the cycles that a load of a thread's own array waits: they lie in memory and are cached like all else."""
    of_core = profile.private * profile.group_threads * place.concurrent
    cached = min(1.0, gpu.line_cache / of_core) if of_core else 1.0
    return float(cached * gpu.cached_wait + (1 - cached) * beyond_wait(of_core * gpu.cores, gpu))


def occupancy(profile: DispatchProfile, gpu: GpuValues) -> Occupancy:
    threads = profile.group_threads
    simdgroups = math.ceil(threads / _SIMD)
    registers = min(max(profile.registers + gpu.reserved, 16), register_limit(profile.limit))
    by_registers = min(gpu.registers / 4 / registers, gpu.resident) / (simdgroups * _SIMD)
    memory = profile.threadgroup_memory
    by_memory = gpu.threadgroup_memory / memory if memory else math.inf
    resident = max(1, math.floor(min(by_registers, by_memory)))
    busiest = math.ceil(profile.groups / gpu.cores)
    return Occupancy(
        registers=registers,
        simdgroups=simdgroups,
        resident=resident,
        concurrent=min(resident, busiest),
        rounds=math.ceil(busiest / resident),
        share=busiest / profile.groups,
    )


# Registers of 32 bits, and the threads of a group for which a core has as many: Mesa, src/asahi/compiler, "relationship
# between registers pressure and thread count".
_REGISTERS = (
    (128, 384), (116, 448), (104, 512), (92, 576), (80, 640), (72, 704), (68, 768), (64, 832), (56, 896), (52, 1024),
)  # fmt: skip


def register_limit(declared: int | None) -> int:
    """Return the registers of 32 bits that the compiler may use for a kernel that declares so many threads."""
    for registers, threads in _REGISTERS:
        if declared is None or declared <= threads:
            return registers
    return _REGISTERS[-1][0]


def traffic(profile: DispatchProfile, gpu: GpuValues, place: Occupancy) -> dict[str, float]:
    """Return the cycles that each path of the memory is busy, by its name."""
    loads, stores = profile.counters.loads, profile.counters.stores
    fetched = sum(_fetched(each, cache_lines(each, gpu, place), gpu) for each in (loads, stores))
    unique = profile.counters.unique
    memory = gpu.system_bandwidth if unique < gpu.system_cache else gpu.memory_bandwidth
    return {
        "core": (loads.sectors + stores.sectors) * _SECTOR * place.share / gpu.core_bandwidth,
        "beyond the core": fetched * place.share / gpu.gpu_bandwidth,
        "memory": unique / memory * gpu.clock,
    }


def cache_lines(traffic: Traffic, gpu: GpuValues, place: Occupancy) -> float:
    """Return the lines of a core's cache that a threadgroup has to itself.

    The cache holds sectors of 32 bytes (ferasboulala/G13 measured lines of 32 bytes): more lines of which one sector is
    used than whole ones. Groups that are resident together share it, and some lines in it: a group has neither all of
    it nor only its part (assumed).
    """
    return float(gpu.line_cache / _used(traffic) / place.concurrent**gpu.sharing)


def _used(traffic: Traffic) -> float:
    """Return the bytes of a line that an access uses, in whole sectors."""
    return _SECTOR * traffic.sectors / traffic.lines if traffic.lines else _LINE


def _fetched(traffic: Traffic, lines: float, gpu: GpuValues) -> float:
    """Return the bytes that come from beyond the core: the used part of each line that was missed."""
    return _held(traffic.lines, traffic.misses, lines) * max(_used(traffic), gpu.fetch)


def _held(everything: float, misses: Sequence[float], lines: float) -> float:
    """Interpolate the misses of a cache of so many lines between those that were counted."""
    return _between(_CAPACITIES, (everything, *misses), lines)


def _between(places: Sequence[float], values: Sequence[float], place: float) -> float:
    """Interpolate linearly in the logarithm of the place; beyond the ends, return the first or last value."""
    if place <= places[0]:
        return values[0]
    for (low, below), (high, above) in pairwise(zip(places, values, strict=True)):
        if place <= high:
            return below + (above - below) * math.log(place / low) / math.log(high / low)
    return values[-1]


def _spilled(profile: DispatchProfile, gpu: GpuValues) -> float:
    """Return the words that simdgroups store or load for want of registers.

    Between what LLVM's order of instructions needs and what all loads first would need: Apple's compiler moves loads
    up, and how far is not known.
    """
    counters = profile.counters
    crowded, spilled = (_of_budget(words, profile, gpu) for words in (counters.crowded, counters.spilled))
    return gpu.crowding * crowded + (1 - gpu.crowding) * spilled


def _of_budget(counts: Sequence[float], profile: DispatchProfile, gpu: GpuValues) -> float:
    """Interpolate what was counted for BUDGETS for the registers that the compiler may use."""
    return _between(BUDGETS, counts, register_limit(profile.limit) - gpu.reserved)


def _floor(profile: DispatchProfile, gpu: GpuValues) -> float:
    """Return the seconds that the counts need on perfectly busy cores. No dispatch can be faster."""
    counters = profile.counters
    issue = counters.busy / (gpu.cores * gpu.issues * gpu.clock)
    turns = counters.turns / (gpu.cores * gpu.clock)
    memory = counters.unique / gpu.system_bandwidth
    if counters.unique > gpu.system_cache:
        memory = (counters.unique - gpu.system_cache) / gpu.memory_bandwidth
    return gpu.launch + max(issue, turns, memory)


def _throughput(profile: DispatchProfile, gpu: GpuValues, place: Occupancy) -> float:
    """Return the seconds if every wait were hidden: those of the busiest of a core's units."""
    counters = profile.counters
    busy = [
        counters.busy * place.share / gpu.issues,
        counters.turns * place.share * gpu.bank_turn,
        (counters.private * gpu.private + _spilled(profile, gpu) * gpu.spill) * place.share,
        counters.collisions * place.share * gpu.collision,
        *traffic(profile, gpu, place).values(),
    ]
    return gpu.launch + max(busy) / gpu.clock
