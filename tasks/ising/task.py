from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.counter_hash import mix
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import odd_extents

ROWS = 32  # lattice rows updated at a time, so that the hash works in cache


class Ising(Task):
    """Checkerboard Metropolis on a periodic NX × NY lattice of int8 spins, arrays s[j, i]. Exact to the last spin."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        spins = rng.integers(0, 2, (size.NY, size.NX), dtype=np.int8) * np.int8(2) - np.int8(1)
        return {"spins": spins, "p_accept": self._probabilities()}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield spins that are aligned except for a few; then alternating ones, where every site flips."""
        p_accept = self._probabilities()
        aligned = np.where(rng.random((size.NY, size.NX)) < 0.01, -1, 1).astype(np.int8)
        yield Probe("aligned", size.replace(steps=2), {"spins": aligned, "p_accept": p_accept})
        alternating = ((np.arange(size.NY)[:, None] + np.arange(size.NX)) % 2 * 2 - 1).astype(np.int8)
        yield Probe("alternating", size.replace(steps=1), {"spins": alternating, "p_accept": p_accept})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield extents that are twice an odd number: both are even on a periodic checkerboard."""
        NX, NY = (2 * n for n in odd_extents(rng, 2, 3, 41))
        physics = {"beta": rng.uniform(0.1, 0.8), "seed": float(rng.integers(1 << 31))}
        other = size.replace(NX=NX, NY=NY, steps=2)
        yield Probe("another size", other, self.with_physics(physics).inputs(other, rng), physics)

    def _probabilities(self) -> Array:
        """Tabulate exp(−β ΔE) by (s·h + 4)/2, one where the energy falls."""
        p = np.zeros(8, np.float32)
        p[:5] = np.minimum(1.0, np.exp(-2.0 * self.physics["beta"] * np.array([-4.0, -2.0, 0.0, 2.0, 4.0])))
        return p

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        spins = inputs["spins"]
        for step in range(2 * size.steps):
            (spins,) = kernels.ising_step(
                spins, inputs["p_accept"], size.NX, size.NY, step, self.physics["seed"],
                threads=(size.NX, size.NY, 1), threadgroup=(16, 16, 1), outputs=[(spins.shape, spins.dtype)],
            )  # fmt: skip
        return [spins]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        spins = inputs["spins"].copy()
        # u < p with u = (x >> 8)·2⁻²⁴ is the same as x >> 8 below the next integer of p·2²⁴, without rounding.
        threshold = np.ceil(inputs["p_accept"].astype(np.float64) * 2.0**24).astype(np.uint32)
        site = np.arange(size.NX * size.NY, dtype=np.uint32).reshape(size.NY, size.NX)
        colour = (np.arange(size.NX) + np.arange(size.NY)[:, None]) % 2
        for step in range(2 * size.steps):
            key = mix(np.uint32(self.physics["seed"]) + np.array([step], np.uint32) * np.uint32(0x9E3779B9))
            before = spins.copy()
            for first in range(0, size.NY, ROWS):
                rows = np.arange(first, min(first + ROWS, size.NY))
                s = before[rows]
                h = before[rows - 1] + before[(rows + 1) % size.NY]
                h[:, 1:] += s[:, :-1]
                h[:, :1] += s[:, -1:]
                h[:, :-1] += s[:, 1:]
                h[:, -1:] += s[:, :1]
                flip = (mix(key ^ site[rows]) >> np.uint32(8)) < threshold[(s * h + 4) >> 1]
                flip &= colour[rows] == step % 2
                spins[rows] = np.where(flip, -s, s)
        return [spins]

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        s = results[0]
        bonds = sum(np.mean(s * np.roll(s, 1, axis), dtype=np.float64) for axis in (0, 1))
        return {"magnetisation": float(np.mean(s, dtype=np.float64)), "energy per site": -float(bonds)}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(4.0 * size.NX * size.NY * size.steps, Bound.BANDWIDTH)
