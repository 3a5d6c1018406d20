from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import gaussian, magnified, odd_extents, rough, without_faces


class ADI3D(Task):
    """Locally one-dimensional implicit heat steps on an NX × NY × NZ grid with fixed faces, arrays u[k, j, i]."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        shape = (size.NZ, size.NY, size.NX)
        return {"u": without_faces(gaussian(shape, self.physics["sigma"] * np.prod(shape) ** (1 / 3), rng))}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        shape = (size.NZ, size.NY, size.NX)
        yield Probe("rough", size.replace(steps=1), {"u": rough(rng, shape)})
        yield Probe("rough, zero on the faces", size.replace(steps=1), {"u": without_faces(rough(rng, shape))})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        NX, NY, NZ = odd_extents(rng, 3, 5, 41)
        other = size.replace(NX=NX, NY=NY, NZ=NZ, steps=2)
        u = magnified(rng, rough(rng, (NZ, NY, NX)))
        yield Probe("another size", other, {"u": u}, {"mu": rng.uniform(0.1, 1.5)})

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        u = inputs["u"]
        NX, NY, NZ = size.NX, size.NY, size.NZ
        sweeps = ((kernels.adi_x, (NY, NZ, 1)), (kernels.adi_y, (NX, NZ, 1)), (kernels.adi_z, (NX, NY, 1)))
        for _ in range(size.steps):
            for kernel, threads in sweeps:
                (u,) = kernel(
                    u, NX, NY, NZ, self.physics["mu"],
                    threads=threads, threadgroup=(32, 1, 1), shrink=False, outputs=[(u.shape, u.dtype)],
                )  # fmt: skip
        return [u]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """Step slab by slab, so that the forward and the backward sweep of a slab's lines find them in cache."""
        u = inputs["u"].astype(np.float64)
        mu = self.physics["mu"]
        inner = slice(1, -1)
        for _ in range(size.steps):
            for k in _slabs(size.NZ):
                lines = u[k, inner].transpose(2, 0, 1).copy()
                solve(lines, mu)
                u[k, inner] = lines.transpose(1, 2, 0)
                solve(u[k, :, inner].transpose(1, 0, 2), mu)
            for j in _slabs(size.NY):
                solve(u[:, j, inner], mu)
        return [u]

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(24.0 * size.NX * size.NY * size.NZ * size.steps, Bound.BANDWIDTH)


def solve(u: Array, mu: float) -> None:
    """Solve the tridiagonal systems along the first axis, ends held, by the Thomas algorithm, in place."""
    n = len(u)
    upper = np.zeros(n)
    scale = np.ones(n)
    for i in range(1, n - 1):
        scale[i] = 1.0 / (1.0 + 2.0 * mu + mu * upper[i - 1])
        upper[i] = -mu * scale[i]
    for i in range(1, n - 1):
        u[i] *= scale[i]
        u[i] += (mu * scale[i]) * u[i - 1]
    for i in range(n - 2, 0, -1):
        u[i] -= upper[i] * u[i + 1]


def _slabs(n: int, thickness: int = 8) -> list[slice]:
    """Cut the inner cells of an axis into slabs."""
    return [slice(first, min(first + thickness, n - 1)) for first in range(1, n - 1, thickness)]
