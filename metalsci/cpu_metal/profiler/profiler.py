"""From dispatches to a profile: choose dispatches to count, run everything that must run before them, add up."""

from collections.abc import Callable, Sequence

from metalsci.cpu_metal.compile.compiler import CountedKernel
from metalsci.cpu_metal.compile.library import MAX_THREADS_PER_THREADGROUP, Kernel
from metalsci.cpu_metal.execute.commands import Dispatch
from metalsci.cpu_metal.profiler.counters import DispatchProfile, Profile
from metalsci.cpu_metal.profiler.planning import Alike, plan
from metalsci.cpu_metal.profiler.profiled import ProfiledDispatch
from metalsci.cpu_metal.profiler.sampling import STOPS, THREADS, choose_groups
from metalsci.cpu_metal.profiler.tally import tally


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
        runs = self._runs(dispatches, alike, counted)
        profiles = [self._one(dispatches, group, counted, runs) for group in alike]
        compilers = dict.fromkeys(made.build.compiler for made in counted.values())
        return Profile(tuple(profiles), ", ".join(compilers))

    def _runs(
        self, dispatches: Sequence[Dispatch], alike: Sequence[Alike], counted: dict[Kernel, CountedKernel]
    ) -> dict[int, ProfiledDispatch]:
        """Run the counted dispatches by index, in their order, each after all that it depends on."""
        chosen = {index: group for group in alike for index in group.counted}
        steered = any(group.steered for group in alike)
        runs: dict[int, ProfiledDispatch] = {}
        done = 0
        for index in sorted(chosen):
            if steered and index > done:
                self._run(dispatches[done:index])
                done = index
            dispatch, group = dispatches[index], chosen[index]
            units = choose_groups(_groups(dispatch), _threads(dispatch), THREADS // len(group.counted), index)
            run = ProfiledDispatch(dispatch, counted[dispatch.kernel], units, STOPS // len(group.counted))
            self._submit(run)
            run.check()
            runs[index] = run
        return runs

    def _one(
        self,
        dispatches: Sequence[Dispatch],
        group: Alike,
        counted: dict[Kernel, CountedKernel],
        runs: dict[int, ProfiledDispatch],
    ) -> DispatchProfile:
        dispatch = dispatches[group.indices[0]]
        kernel, build = dispatch.kernel, counted[dispatch.kernel].build
        here = [runs[index] for index in group.counted]
        counters, lines = tally(build, here, _groups(dispatch))
        limit = kernel.max_total_threads_per_threadgroup
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
            private=build.private,
            threadgroup_memory=build.threadgroup_memory + sum(dispatch.threadgroup_memory.values()),
            limit=limit if limit < MAX_THREADS_PER_THREADGROUP else None,
            steered=group.steered,
            counters=counters,
            lines=lines,
        )


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
