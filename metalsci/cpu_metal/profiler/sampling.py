"""The sample of dispatches and threadgroups that is counted: drawn by a fixed seed, one from each of equal parts.

An even stride would meet the same part of every tile; a kernel can be fast in each 64th group alone, by intent or not.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from random import Random

THREADS = 2048
"""Threads of a kernel that are counted: four times as many change counts by 0.2 % in the median."""
STOPS = 1_000_000
"""Blocks that lanes go through, after which no further threadgroup of a kernel is counted: a tenth of a second."""
_SEED = 20_261_129
SECOND_SHARE = 4
"""Divisor of the threads and stops of a sample, for the second sample."""
DOUBTFUL = 2.0
"""Times as much work in the second sample, from which that one counts."""
_TRIES = 16
_FEWEST = 3  # groups
_VARIED = (0, 1, 5)  # dispatches: an even and an odd step, and one that others have prepared


def choose_groups(
    groups: int, group_threads: int, threads: int, seed: int | str, without: Collection[int] = ()
) -> list[int]:
    """Choose indices of threadgroups with about `threads` threads in all.

    seed: what else the draw depends on. without: groups to leave out if there are others.

    The first ones are a fair sample too: the runtime may have to stop before the last.
    """
    wanted = min(groups, max(_FEWEST, threads // max(1, group_threads)))
    random = Random(_SEED + seed if isinstance(seed, int) else f"{_SEED} {seed}")
    bounds = [part * groups // wanted for part in range(wanted + 1)]
    chosen = [_draw(random, range(start, end), without) for start, end in pairwise(bounds)]
    random.shuffle(chosen)
    return chosen


def _draw(random: Random, part: range, without: Collection[int]) -> int:
    group = random.choice(part)
    for _ in range(_TRIES):
        if group not in without:
            break
        group = random.choice(part)
    return group


def choose_another(indices: Sequence[int], counted: Sequence[int], digest: str) -> int:
    """Choose a dispatch for the second sample among those that are alike, by a digest of the code itself.

    A kernel that does its work where nobody counts would have to know the digest before it is written.
    """
    others = [index for index in indices if index not in counted]
    return Random(f"{_SEED} {digest}").choice(others or indices)


def choose_dispatches(indices: Sequence[int], varied: bool) -> list[int]:
    """Choose dispatches to count among those that are alike: one, or a few if their arguments or contents vary."""
    wanted = _VARIED if varied else _VARIED[:1]
    return [indices[place] for place in wanted if place < len(indices)]
