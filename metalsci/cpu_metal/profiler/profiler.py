"""From dispatches to a profile: choose dispatches to count, run everything that must run before them, add up."""

from collections.abc import Callable, Sequence

from metalsci.cpu_metal.compile.compiler import CountedKernel
from metalsci.cpu_metal.compile.library import Kernel
from metalsci.cpu_metal.execute.commands import Dispatch
from metalsci.cpu_metal.profiler.counters import Counters, DispatchProfile, Profile
from metalsci.cpu_metal.profiler.planning import Alike, plan
from metalsci.cpu_metal.profiler.profiled import ProfiledDispatch
from metalsci.cpu_metal.profiler.sampling import DOUBTFUL, SECOND_SHARE, STOPS, THREADS, choose_another, choose_groups
from metalsci.cpu_metal.profiler.tally import own_bytes, tally

_Runs = dict[int, ProfiledDispatch]


class Profiler:
    """Counter of a GPU's work in dispatches.

    count: makes a kernel ready to be counted. run: runs dispatches as they are. submit: has the device process count
        one dispatch.
    """

    def __init__(
        self,
        count: Callable[[Kernel], CountedKernel],
        run: Callable[[Sequence[Dispatch]], object],
        submit: Callable[[ProfiledDispatch], None],
    ) -> None:
        self._count = count
        self._run = run
        self._submit = submit

    def profile(self, dispatches: Sequence[Dispatch]) -> Profile:
        """Profile the dispatches, one after the other. Raises DispatchError if they cannot be counted."""
        counted = {kernel: self._count(kernel) for kernel in dict.fromkeys(d.kernel for d in dispatches)}
        alike = plan(dispatches, {kernel: made.build.steering for kernel, made in counted.items()})
        runs, second = self._runs(dispatches, alike, counted)
        profiles = [self._one(dispatches, group, counted, runs, second) for group in alike]
        compilers = dict.fromkeys(made.build.compiler for made in counted.values())
        return Profile(tuple(profiles), ", ".join(compilers))

    def _runs(
        self, dispatches: Sequence[Dispatch], alike: Sequence[Alike], counted: dict[Kernel, CountedKernel]
    ) -> tuple[_Runs, _Runs]:
        """Count dispatches in their order, after everything that they need to find done.

        Returns those that were chosen, and those of the second sample, by index.
        """
        chosen = {index: group for group in alike for index in group.counted}
        digests = {id(group): counted[dispatches[group.indices[0]].kernel].build.digest for group in alike}
        another = {choose_another(group.indices, group.counted, digests[id(group)]): group for group in alike}
        steered = any(group.steered for group in alike)
        runs: _Runs = {}
        second: _Runs = {}
        done = 0
        for index in sorted({*chosen, *another}):
            if steered and index > done:
                self._run(dispatches[done:index])
                done = index
            dispatch = dispatches[index]
            size = _groups(dispatch), _threads(dispatch)
            share = len(chosen[index].counted) if index in chosen else 1
            units = choose_groups(*size, THREADS // share, index)
            if index in chosen:
                runs[index] = self._submitted(dispatch, counted, units, STOPS // share)
            if index in another:
                others = choose_groups(*size, THREADS // SECOND_SHARE, digests[id(another[index])], units)
                second[index] = self._submitted(dispatch, counted, others, STOPS // SECOND_SHARE)
        return runs, second

    def _submitted(
        self, dispatch: Dispatch, counted: dict[Kernel, CountedKernel], units: Sequence[int], stops: int
    ) -> ProfiledDispatch:
        run = ProfiledDispatch(dispatch, counted[dispatch.kernel], units, stops)
        self._submit(run)
        run.check()
        return run

    def _one(
        self,
        dispatches: Sequence[Dispatch],
        group: Alike,
        counted: dict[Kernel, CountedKernel],
        runs: _Runs,
        second: _Runs,
    ) -> DispatchProfile:
        dispatch = dispatches[group.indices[0]]
        kernel, build = dispatch.kernel, counted[dispatch.kernel].build
        here = [runs[index] for index in group.counted]
        counters, lines = tally(build, here, _groups(dispatch))
        again = [second[index] for index in group.indices if index in second]
        other, other_lines = tally(build, again, _groups(dispatch))
        if _work(other) > DOUBTFUL * _work(counters):
            here, counters, lines = again, other, other_lines
        return DispatchProfile(
            kernel=kernel.name,
            dispatches=len(group.indices),
            counted=len(here),
            threads=_three(dispatch.threads),
            threadgroup=_three(dispatch.threadgroup),
            groups=_groups(dispatch),
            counted_groups=sum(run.groups for run in here),
            registers=build.registers,
            code=build.code,
            private=own_bytes(build, here),
            threadgroup_memory=build.threadgroup_memory + sum(dispatch.threadgroup_memory.values()),
            limit=kernel.declared,
            steered=group.steered,
            counters=counters,
            lines=lines,
        )


def _work(counters: Counters) -> float:
    """Add up cycles of issue slots and lines of memory, of which an idle sample has few."""
    return counters.issue + counters.loads.lines + counters.stores.lines + counters.private


def _three(extent: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = (*map(int, extent), 1, 1, 1)[:3]
    return x, y, z


def _threads(dispatch: Dispatch) -> int:
    x, y, z = _three(dispatch.threadgroup)
    return x * y * z


def _groups(dispatch: Dispatch) -> int:
    groups = 1
    for threads, group in zip(_three(dispatch.threads), _three(dispatch.threadgroup), strict=True):
        groups *= -(-threads // group)
    return groups
