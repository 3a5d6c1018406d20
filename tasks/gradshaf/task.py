from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import odd_extents, rough


class GradShafranov(Task):
    """Jacobi sweeps of the Grad–Shafranov equation on an NR × NZ grid with fixed edges, arrays psi[j, i], i along R."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        psi = np.zeros((size.NZ, size.NR))
        """The benchmark's, but for its height and for where the top is, which are drawn."""
        u, v = (np.linspace(0.0, 1.0, n)[1:-1] ** rng.uniform(0.95, 1.05) for n in (size.NR, size.NZ))
        psi[1:-1, 1:-1] = rng.uniform(0.9, 1.1) * np.sin(np.pi * u) * np.sin(np.pi * v)[:, None]
        return {"psi": psi.astype(np.float32)}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield both signs, so that psi_n leaves (0, 1). The largest value is on the edge, outside the reduction."""
        psi = rough(rng, (size.NZ, size.NR))
        psi[0, :] = psi[-1, :] = 50.0
        yield Probe("rough", size.replace(steps=3), {"psi": psi})
        for j in (1, -2):
            for i in (1, -2):
                psi = self.inputs(size, rng)["psi"]
                psi[j, i] = 2.0
                yield Probe("the largest value in a corner", size.replace(steps=1), {"psi": psi})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield extents with other residues than 1, which those of the benchmark have in common."""
        NR, NZ = (n + int(rng.integers(2)) for n in odd_extents(rng, 2, 7, 91))
        other = size.replace(NR=NR, NZ=NZ, steps=2)
        names = ("Rmin", "Rmax", "Zmax", "p_axis", "mu0", "omega")
        bounds = ((0.5, 1.0), (1.5, 2.5), (0.3, 0.7), (50.0, 300.0), (0.5, 1.5), (0.5, 1.2))
        physics = {name: rng.uniform(*bound) for name, bound in zip(names, bounds, strict=True)}
        yield Probe("another size", other, self.inputs(other, rng), physics)

    def _steps(self, size: Size) -> tuple[float, float]:
        return tuple((self.physics[f"{x}max"] - self.physics[f"{x}min"]) / (n - 1)
                     for x, n in (("R", size.NR), ("Z", size.NZ)))  # fmt: skip

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        psi = inputs["psi"]
        physics = self.physics
        for _ in range(size.steps):
            (axis,) = kernels.gradshaf_axis_reduce(
                psi, size.NR, size.NZ,
                threads=(256, 1, 1), threadgroup=(256, 1, 1), outputs=[((8,), psi.dtype)],
            )  # fmt: skip
            (psi,) = kernels.gradshaf_step(
                psi, axis, size.NR, size.NZ, physics["Rmin"], *self._steps(size),
                physics["p_axis"], physics["mu0"], physics["omega"],
                threads=(size.NR, size.NZ, 1), threadgroup=(16, 16, 1), outputs=[(psi.shape, psi.dtype)],
            )  # fmt: skip
        return [psi]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        psi = inputs["psi"].astype(np.float64)
        dR, dZ = self._steps(size)
        p_axis, mu0, omega = (self.physics[name] for name in ("p_axis", "mu0", "omega"))
        R = self.physics["Rmin"] + dR * np.arange(1, size.NR - 1)
        west, east = 1 / dR**2 + 1 / (2 * R * dR), 1 / dR**2 - 1 / (2 * R * dR)
        north, centre = 1 / dZ**2, -2 / dR**2 - 2 / dZ**2
        for _ in range(size.steps):
            inner = psi[1:-1, 1:-1]
            normal = inner / inner.max()
            source = np.where((normal > 0) & (normal < 1), 4 * p_axis * normal * (1 - normal), 0.0) * R
            laplacian = west * psi[1:-1, :-2] + east * psi[1:-1, 2:] + centre * inner
            laplacian += north * (psi[:-2, 1:-1] + psi[2:, 1:-1])
            psi[1:-1, 1:-1] = inner + omega * (-mu0 * R * source - laplacian) / centre
        return [psi]

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        return {"psi on axis": float(results[0][1:-1, 1:-1].max())}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(12.0 * size.NR * size.NZ * size.steps, Bound.BANDWIDTH)
