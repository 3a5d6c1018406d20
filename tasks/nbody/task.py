from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Check, Probe, Size, Task, Work
from metalsci.task.fields import odd_extents

ROWS = 64  # bodies whose forces are summed at a time: the pair matrices of a block stay in cache


class NBody(Task):
    """N gravitating bodies, every pair, semi-implicit Euler. Positions and velocities are (N, 4), the last padding."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        pos, vel = np.zeros((2, size.N, 4), np.float32)
        pos[:, :3] = rng.uniform(-1.0, 1.0, (size.N, 3))
        vel[:, :3] = rng.uniform(-0.01, 0.01, (size.N, 3))
        return {"pos": pos, "vel": vel, "mass": rng.uniform(0.5, 1.5, size.N).astype(np.float32)}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield pairs within the softening length, masses over four decades or zero, and padding that is not zero."""
        problem = self.inputs(size, rng)
        pos, vel, mass = problem["pos"], problem["vel"], problem["mass"]
        pos[1::2, :3] = pos[:-1:2, :3] + rng.uniform(-0.02, 0.02, (size.N // 2, 3))
        pos[:, 3] = rng.uniform(-9.0, 9.0, size.N)
        vel[:, :3] = rng.uniform(-10.0, 10.0, (size.N, 3))
        mass[:] = 10.0 ** rng.uniform(-3.0, 1.0, size.N)
        mass[::7] = 0.0
        yield Probe("close pairs", size.replace(steps=2), problem)
        for heavy in (0, -1):
            yield Probe("one heavy body", size.replace(steps=1), self._heavy(size, heavy, rng), {"dt": 0.05})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield numbers of bodies that fill no threadgroup."""
        physics = {"dt": rng.uniform(1e-3, 0.05), "eps": rng.uniform(0.02, 0.2), "G": rng.uniform(0.5, 2.0)}
        (N,) = odd_extents(rng, 1, 131, 383)
        other = size.replace(N=N, steps=2)
        yield Probe("another number", other, self.inputs(other, rng), physics)
        (N,) = odd_extents(rng, 1, 3, 125)
        other = size.replace(N=N, steps=1)
        yield Probe("another number", other, self._heavy(other, int(rng.integers(N)), rng), {**physics, "dt": 0.05})

    def _heavy(self, size: Size, heavy: int, rng: np.random.Generator) -> dict[str, Array]:
        """Draw bodies around a heavy one: no errors of many pairs cancel, so that half precision shows."""
        problem = self.inputs(size, rng)
        problem["mass"] *= np.float32(1e-4)
        problem["mass"][heavy] = 30.0
        return problem

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        pos, vel = inputs["pos"], inputs["vel"]
        for _ in range(size.steps):
            pos, vel = kernels.nbody_step(
                pos, vel, inputs["mass"], size.N, self.physics["dt"], self.physics["eps"], self.physics["G"],
                threads=(size.N, 1, 1), threadgroup=(128, 1, 1), outputs=[(pos.shape, pos.dtype)] * 2,
            )  # fmt: skip
        return [pos, vel]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        r, v = (inputs[name][:, :3].astype(np.float64) for name in ("pos", "vel"))
        m = inputs["mass"].astype(np.float64)
        dt, eps, G = (self.physics[name] for name in ("dt", "eps", "G"))
        for _ in range(size.steps):
            for first in range(0, size.N, ROWS):
                rows = slice(first, first + ROWS)
                d = [x[None, :] - x[rows, None] for x in r.T]
                r2 = d[0] ** 2 + d[1] ** 2 + d[2] ** 2 + eps * eps
                weight = m / (r2 * np.sqrt(r2))
                for axis in range(3):
                    v[rows, axis] += G * dt * np.einsum("ij,ij->i", weight, d[axis])
            r += dt * v
        return [r, v]

    def check(self, size: Size, got: Sequence[Array], want: Sequence[Array]) -> Check:
        """Compare without the fourth component, which is padding."""
        return super().check(size, [g[:, :3] for g in got], want)

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        v, m = results[1][:, :3].astype(np.float64), inputs["mass"].astype(np.float64)
        return {"momentum": float(np.linalg.norm(m @ v)), "kinetic energy": float(0.5 * m @ (v * v).sum(axis=1))}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        """Count 20 operations a pair, as the benchmark does.

        Needed are 13 instructions a pair: 3 subtractions, 3 multiply-adds for r² + eps², one reciprocal root, 3
        products for m/r³, 3 multiply-adds for the sums.
        """
        steps = size.N**2 * size.steps
        return Work(20.0 * steps, Bound.FP32, needed=2.0 * 13 * steps)
