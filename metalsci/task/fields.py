"""Fields on grids that tasks start from: the smooth one of the benchmark, and a rough one."""

from collections.abc import Sequence

import numpy as np

from metalsci.devices.program import Array
from metalsci.task.large_arrays import elementwise, empty


def gaussian(shape: Sequence[int], sigma: float, rng: np.random.Generator) -> Array:
    """Return exp(−r²/2σ²), σ in cells, single precision, of shape `shape`.

    The peak is near the centre of the grid and near 1: both are drawn, so that nobody can know the field, and it has no
    symmetry.
    """
    exponent = np.zeros(())
    for n in shape:
        x = np.arange(n) - 0.5 * (n - 1) - rng.uniform(-1.0, 1.0)
        exponent = exponent[..., None] + x * x
    return (rng.uniform(0.9, 1.1) * np.exp(exponent * (-0.5 / sigma**2))).astype(np.float32)


def without_faces(u: Array) -> Array:
    """Set the outermost cells of `u` to zero, in place, and return it."""
    for axis in range(u.ndim):
        faces = np.moveaxis(u, axis, 0)
        faces[0] = faces[-1] = 0.0
    return u


def odd_extents(rng: np.random.Generator, count: int, low: int, high: int) -> list[int]:
    """Draw different numbers that no power of two divides."""
    odd = np.arange(low | 1, high + 1, 2)
    return [int(n) for n in rng.permutation(odd)[:count]]


def rough(rng: np.random.Generator, shape: Sequence[int]) -> Array:
    """Return noise of both signs and mixed magnitudes on every cell, faces too, in single precision.

    It has no symmetry and no smoothness. Within the noise lie a stretch of one constant, one of zeros and one of
    denormals, and one cell in a thousand is a spike of up to ten.
    """
    u = empty(shape, np.float32)
    rng.random(dtype=np.float32, out=u)
    elementwise(_cubed, u, out=u)
    flat = u.reshape(-1)
    flat[rng.integers(flat.size, size=1 + flat.size // 1000)] *= 10.0
    stretch = flat.size // 64
    for start, value in zip(rng.integers(flat.size - stretch, size=3), (0.5, 0.0, 1e-41), strict=True):
        flat[start : start + stretch] = value
    return u


def _cubed(uniform: Array) -> Array:
    u: Array = 2.0 * uniform - 1.0
    u *= u * u
    return u


def magnified(rng: np.random.Generator, u: Array) -> Array:
    """Return `u` times a power of two between a million and 10^15, for tasks that are linear in it.

    Their squares stay finite. A kernel may not take large numbers for something else, nor compute where half precision
    ends at 65,504.
    """
    magnified_field: Array = np.multiply(u, 2.0 ** int(rng.integers(20, 50)), dtype=u.dtype)
    return magnified_field
