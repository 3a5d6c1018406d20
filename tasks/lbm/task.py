from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import gaussian, odd_extents

CX = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1])
CY = np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
W = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)


class LatticeBoltzmann(Task):
    """D2Q9 lattice Boltzmann with BGK collision on a periodic NX × NY grid, arrays f[k, j, i]."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        sigma = self.physics["sigma"] * min(size.NX, size.NY)
        rho = 1.0 + self.physics["amplitude"] * gaussian((size.NY, size.NX), sigma, rng).astype(np.float64)
        return {"f": (W[:, None, None] * rho).astype(np.float32)}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield a gas far from equilibrium, its density over four decades: no direction and no cell like another."""
        yield Probe("turbulent", size.replace(steps=2), self._turbulent(size, rng))
        yield Probe("calm", size.replace(steps=2), self._calm(size, rng))

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        NX, NY = odd_extents(rng, 2, 5, 71)
        other = size.replace(NX=NX, NY=NY, steps=2)
        yield Probe("another size", other, self._turbulent(other, rng), {"tau": rng.uniform(0.6, 1.6)})

    def _calm(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Draw a gas nearly at rest as in the benchmark, but on every cell in another direction."""
        noise = 1.0 + 0.05 * rng.uniform(-1.0, 1.0, (9, size.NY, size.NX))
        return {"f": (W[:, None, None] * noise).astype(np.float32)}

    def _turbulent(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        shape = (size.NY, size.NX)
        density = 10.0 ** rng.uniform(-1.0, 3.0, (-(-size.NY // 16), -(-size.NX // 16))).repeat(16, 0).repeat(16, 1)
        noise = 1.0 + 0.3 * rng.uniform(-1.0, 1.0, (9, *shape))
        f = W[:, None, None] * density[: size.NY, : size.NX] * noise
        return {"f": f.astype(np.float32)}

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        f = inputs["f"]
        for _ in range(size.steps):
            (f,) = kernels.lbm_step(
                f, size.NX, size.NY, self.physics["tau"],
                threads=(size.NX, size.NY, 1), threadgroup=(16, 16, 1), outputs=[(f.shape, f.dtype)],
            )  # fmt: skip
        return [f]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        f = inputs["f"].astype(np.float64)
        tau = self.physics["tau"]
        for _ in range(size.steps):
            for k in range(1, 9):  # pull: the value at i comes from i − c
                f[k] = np.roll(f[k], (CY[k], CX[k]), axis=(0, 1))
            rho = f.sum(axis=0)
            ux = np.tensordot(CX, f, 1) / rho
            uy = np.tensordot(CY, f, 1) / rho
            base = 1.0 - 1.5 * (ux * ux + uy * uy)
            for k in range(9):
                cu = CX[k] * ux + CY[k] * uy
                f[k] -= (f[k] - W[k] * rho * (base + 3.0 * cu + 4.5 * cu * cu)) / tau
        return [f]

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        f = results[0].sum(axis=(1, 2), dtype=np.float64)
        return {"mass": float(f.sum()), "momentum x": float(CX @ f), "momentum y": float(CY @ f)}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(72.0 * size.NX * size.NY * size.steps, Bound.BANDWIDTH)
