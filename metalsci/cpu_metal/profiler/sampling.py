"""The sample of dispatches and threadgroups that is counted: drawn by a fixed seed, one from each of equal parts.

An even stride would meet the same part of every tile; a kernel can be fast in each 64th group alone, by intent or not.
"""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

THREADS = 2048
"""Threads of a kernel that are counted: four times as many change counts by 0.2 % in the median."""
STOPS = 1_000_000
"""Blocks that lanes go through, after which no further threadgroup of a kernel is counted: a tenth of a second."""
_SEED = 20_261_129
_FEWEST = 3  # groups
_VARIED = (0, 1, 5)  # dispatches: an even and an odd step, and one that others have prepared


def choose_groups(groups: int, group_threads: int, threads: int, dispatch: int) -> list[int]:
    """Draw indices of threadgroups with about `threads` threads in all.

    The first ones are a fair sample too: the runtime may have to stop before the last.
    """
    wanted = min(groups, max(_FEWEST, threads // max(1, group_threads)))
    random = Random(_SEED + dispatch)
    bounds = [part * groups // wanted for part in range(wanted + 1)]
    chosen = [random.randrange(start, end) for start, end in pairwise(bounds)]
    random.shuffle(chosen)
    return chosen


def choose_dispatches(indices: Sequence[int], varied: bool) -> list[int]:
    """Choose dispatches to count among those that are alike: one, or a few if their arguments or contents vary."""
    wanted = _VARIED if varied else _VARIED[:1]
    return [indices[place] for place in wanted if place < len(indices)]
