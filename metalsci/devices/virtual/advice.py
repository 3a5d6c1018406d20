"""A profile and its prediction in words: the bottleneck with its share, and advice that names its figures."""

from collections.abc import Iterator

from metalsci.cpu_metal.profiler.counters import DispatchProfile, LineCounters
from metalsci.devices.virtual.prediction import DispatchPrediction, Prediction

_WORDS = {
    "issue": "instructions",
    "code": "waits for code that the instruction cache does not hold",
    "memory wait": "waits for device memory",
    "own arrays": "arrays of a thread's own that are in no registers",
    "near wait": "waits for threadgroup memory",
    "barriers": "barriers",
    "traffic": "moving lines of device memory",
    "bank turns": "turns of threadgroup memory's banks",
    "spills": "values that do not fit into registers",
    "collisions": "atomic operations on one address",
    "launch": "launching",
}
IDLE = "32 lanes at work"
"""End of a remark on lanes without work."""
_WORTH_A_WORD = 0.15  # share of the seconds


def bottleneck(prediction: Prediction) -> str:
    """Name the largest term with its share: `39 % waits for device memory at 8 simdgroups a core`."""
    name, share = prediction.bottleneck
    slowest = max(prediction.dispatches, key=lambda dispatch: dispatch.seconds)
    place = slowest.time.occupancy
    return f"{100 * share:.0f} % {_WORDS[name]} at {place.concurrent * place.simdgroups} simdgroups a core"


def advice(dispatch: DispatchPrediction) -> Iterator[str]:
    """Yield sentences about one kernel, those about more of the time first."""
    total = dispatch.time.seconds
    for name, seconds in sorted(dispatch.time.terms.items(), key=lambda term: -term[1]):
        share = seconds / total
        if share >= _WORTH_A_WORD:
            yield f"{100 * share:.0f} % {_WORDS[name]}: {_about(name, dispatch)}"
    counters = dispatch.profile.counters
    if counters.active < 24:
        yield f"{32 - counters.active:.0f} of 32 lanes are idle on the average; {_idle(dispatch.profile)}"


def line_remarks(line: LineCounters) -> Iterator[str]:
    """Yield remarks on one line of the source, with its figures."""
    for what, traffic in (("loads", line.loads), ("stores", line.stores)):
        if traffic.issues:
            lines = traffic.lines / traffic.issues
            wanted = max(1.0, traffic.bytes / traffic.issues / 128)
            if lines > 2 * wanted:
                yield f"{what} touch {lines:.0f} lines of 128 bytes where {wanted:.0f} would do"
    if line.near_issues and line.turns > 2 * line.near_issues:
        yield f"banks take {line.turns / line.near_issues:.0f} turns"
    if line.atomics and line.collisions > 2 * line.atomics:
        yield f"{line.collisions / line.atomics:.0f} lanes at one address"
    if line.branches and line.divergent > 0.2 * line.branches:
        yield f"lanes part at {100 * line.divergent / line.branches:.0f} % of the branches"
    if line.cycles and line.active < 16:
        yield f"{line.active:.0f} of {IDLE}"


def _about(name: str, dispatch: DispatchPrediction) -> str:
    profile, place = dispatch.profile, dispatch.time.occupancy
    counters = profile.counters
    match name:
        case "issue":
            kind = max(counters.cycles, key=lambda kind: counters.cycles[kind])
            chain = counters.critical.chain * place.rounds > counters.issue * place.share / 4
            how = "each waits for the one before it" if chain else "the cores are busy"
            return f"{how}; most cycles go into {kind}"
        case "code":
            fetched = counters.critical.fetched[1] / 1024
            return f"a simdgroup fetches {fetched:.0f} KB of code that the core has had before; unroll less"
        case "memory wait":
            return (
                f"{counters.critical.far:.0f} waits one after the other in a simdgroup; load earlier, or have more "
                f"simdgroups than {place.concurrent * place.simdgroups} a core"
            )
        case "traffic":
            lines = counters.loads.lines + counters.stores.lines
            issues = max(1.0, counters.loads.issues + counters.stores.issues)
            return f"{lines / issues:.1f} lines of 128 bytes an access, {counters.unique / 1e6:.1f} MB in all"
        case "near wait":
            return f"{counters.critical.near:.0f} waits one after the other"
        case "bank turns":
            return f"{counters.turns / max(1.0, counters.near_issues):.1f} turns an access"
        case "barriers":
            groups = profile.groups * place.simdgroups
            return f"{counters.barriers / groups:.0f} a threadgroup"
        case "spills":
            return f"{profile.registers} words of 32 bits are alive at a time"
        case "own arrays":
            return f"{profile.private:,} bytes a thread; indices that are known when compiling keep it in registers"
        case "collisions":
            return f"{counters.collisions / max(1.0, counters.atomics):.0f} lanes at one address"
        case _:
            return f"{profile.dispatches} dispatches"


def _idle(profile: DispatchProfile) -> str:
    worst = min((line for line in profile.lines if line.line and line.cycles), key=_work_lost, default=None)
    if worst is not None:
        return f"most of it in line {worst.line}"
    return "look at its branches"


def _work_lost(line: LineCounters) -> float:
    return -line.cycles * (32 - line.active)
