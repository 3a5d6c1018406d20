from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import gaussian, magnified, odd_extents, rough, without_faces


class Wave3D(Task):
    """Leapfrog wave equation on an NX × NY × NZ grid with fixed faces, arrays u[k, j, i]."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        shape = (size.NZ, size.NY, size.NX)
        u = without_faces(gaussian(shape, self.physics["sigma"] * min(shape), rng))
        return {"u_prev": u, "u_curr": u.copy()}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        u = rough(rng, (2, size.NZ, size.NY, size.NX))
        yield Probe("rough", size.replace(steps=3), {"u_prev": u[0], "u_curr": u[1]})
        walled = {name: without_faces(field) for name, field in zip(("u_prev", "u_curr"), u[::-1].copy(), strict=True)}
        yield Probe("rough, zero on the faces", size.replace(steps=1), walled)

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        NX, NY, NZ = odd_extents(rng, 3, 5, 41)
        other = size.replace(NX=NX, NY=NY, NZ=NZ, steps=2)
        u = magnified(rng, rough(rng, (2, NZ, NY, NX)))
        yield Probe("another size", other, {"u_prev": u[0], "u_curr": u[1]}, {"alpha": rng.uniform(0.05, 0.3)})

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        previous, current = inputs["u_prev"], inputs["u_curr"]
        for _ in range(size.steps):
            (following,) = kernels.wave_step(
                previous, current, size.NX, size.NY, size.NZ, self.physics["alpha"],
                threads=(size.NX, size.NY, size.NZ), threadgroup=(8, 8, 4), outputs=[(current.shape, current.dtype)],
            )  # fmt: skip
            previous, current = current, following
        return [current]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        following, current = (inputs[name].astype(np.float64) for name in ("u_prev", "u_curr"))
        alpha = self.physics["alpha"]
        inner = (slice(1, -1), slice(1, -1))
        edge = np.ones(current.shape, bool)
        edge[1:-1, 1:-1, 1:-1] = False
        following[edge] = current[edge]
        for _ in range(size.steps):
            # The new field overwrites the one before last: plane by plane, so that the planes in use stay in cache.
            for k in range(1, size.NZ - 1):
                plane = current[k]
                around = current[k - 1][inner] + current[k + 1][inner]
                around += plane[1:-1, :-2]
                around += plane[1:-1, 2:]
                around += plane[:-2, 1:-1]
                around += plane[2:, 1:-1]
                around *= alpha
                around += (2.0 - 6.0 * alpha) * plane[inner]
                np.subtract(around, following[k][inner], out=following[k][inner])
            following, current = current, following
        return [current]

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(12.0 * size.NX * size.NY * size.NZ * size.steps, Bound.BANDWIDTH)
