"""The threadgroups of a dispatch that a checked run executes, and their order.

A checked run is hundreds of times slower than a real one, so only some groups of a large dispatch are checked. Metal
promises no order of groups: a random one finds kernels that count on theirs, and on one worker a group that waits for
another never ends.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.execute.commands import Dispatch

Shape = tuple[int, int, int]
Groups = Callable[[Shape], npt.NDArray[np.uint32]]
"""From threadgroups along x, y and z to the indices of those that run, x first."""


def shape_of(dispatch: Dispatch) -> Shape:
    """Return the threadgroups of a dispatch along each axis, partial ones included."""
    grid, group = (*dispatch.threads, 1, 1)[:3], (*dispatch.threadgroup, 1, 1)[:3]
    x, y, z = (-(-n // g) for n, g in zip(grid, group, strict=True))
    return x, y, z


def random_groups(rng: np.random.Generator, most: int) -> Groups:
    """Choose at most `most` groups in random order.

    Of a larger grid these are its corners, since kernels treat edges specially, and pairs of neighbours along an axis,
    since threads of two groups that conflict are mostly close.
    """

    def choose(shape: Shape) -> npt.NDArray[np.uint32]:
        total = math.prod(shape)
        if total <= most:
            return rng.permutation(total).astype(np.uint32)
        chosen = {_index(shape, corner) for corner in _corners(shape)}
        while len(chosen) < most:
            at = [int(rng.integers(n)) for n in shape]
            chosen.add(_index(shape, at))
            axis = int(rng.choice([axis for axis in range(3) if shape[axis] > 1]))
            at[axis] = min(at[axis] + 1, shape[axis] - 1)
            chosen.add(_index(shape, at))
        return rng.permutation(np.array(sorted(chosen), np.uint32))

    return choose


def _corners(shape: Shape) -> list[list[int]]:
    corners: list[list[int]] = [[]]
    for n in shape:
        corners = [[*corner, end] for corner in corners for end in {0, n - 1}]
    return corners


def _index(shape: Shape, at: list[int]) -> int:
    return at[0] + shape[0] * (at[1] + shape[1] * at[2])
