"""Physical floors: no kernel takes less time than launching nothing, or than the machine needs for the work.

A result beyond these is no result. Whoever has it found a hole in the measure, so a person has to look.
"""

import os
import statistics
from collections.abc import Callable, Sequence

from metalsci.devices.ceilings import Ceilings
from metalsci.evaluation.results import Roofline
from metalsci.task.definition import Bound, Work

# Of the launch cost. The same empty calls have taken 0.6 and 5 µs each in turns of one machine, as workers happened to
# wait for one another: a kernel of few threads came out at 0.4 of a cost that was measured a moment later.
_BELOW = 0.05
_LAUNCHES = 5  # runs of the empty kernel, of which the shortest counts
_FURTHER = 15  # runs before anybody is suspected

# How far a measured ceiling may be from what the hardware can do. Bandwidth: the smallest footprint of a measurement
# lives in the second cache, and the first one is about twice as fast; a data sheet knows memory only, and Apple's
# caches are four to six times as fast. FP32: the chains of a measurement reach most of the peak, a data sheet has it.
_CACHES = 2.0
_CACHES_OF_A_CHIP = 8.0
_CHAINS = 1.25
_BUSY = 4.0  # next to other work, which takes caches and cores, a measurement has shown a quarter of what there is


def launch_floor(launch: Callable[[], float]) -> float:
    """Measure the seconds that as many calls of an empty kernel take, at the least of several runs."""
    return min(launch() for _ in range(_LAUNCHES))


def below_launch(seconds: Sequence[float], floor: float, launch: Callable[[], float]) -> str:
    """Return a sentence if a kernel takes less time than an empty one; empty if not.

    floor: what the empty one took. It is measured again with `launch` before anybody is suspected.
    """
    median = statistics.median(seconds)
    if median >= _BELOW * floor:
        return ""
    floor = min(floor, *(launch() for _ in range(_FURTHER)))
    if median >= _BELOW * floor:
        return ""
    return (
        f"a run takes {1e6 * median:.1f} µs, and the same calls of a kernel that does nothing take "
        f"{1e6 * floor:.1f} µs: no kernel is faster than that"
    )


def beyond_the_machine(roofline: Roofline, work: Work, ceilings: Ceilings) -> str:
    """Return a sentence if the achieved rate is more than the machine has; empty if not, or if nobody knows that."""
    if ceilings.given:
        return ""
    if work.bound is Bound.BANDWIDTH:
        highest = max([ceilings.bandwidth, *(level.bandwidth for level in ceilings.levels)])
        most = highest * (_CACHES if ceilings.levels else _CACHES_OF_A_CHIP)
        what = "its fastest cache moves"
    else:
        most = ceilings.fp32 * _CHAINS
        what = "it computes at its peak"
    most *= max(1.0, work.reachable)
    if ceilings.unsettled or ceilings.load > (os.cpu_count() or 1):
        most *= _BUSY
    if roofline.achieved <= most:
        return ""
    return (
        f"{roofline.achieved:.4g} {roofline.unit} would be more than this machine has: {what} at most {most:.4g} "
        f"{roofline.unit}, so this kernel does not do the task's work"
    )
