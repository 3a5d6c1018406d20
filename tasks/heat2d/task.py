from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import magnified, odd_extents, rough, without_faces


class Heat2D(Task):
    """Explicit five-point heat equation on an NX × NY grid with fixed edges, row-major, i along NX."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        u = np.zeros((size.NY, size.NX), np.float32)
        u[1:-1, 1:-1] = rng.random((size.NY - 2, size.NX - 2), dtype=np.float32)
        return {"u": u}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        yield Probe("rough", size.replace(steps=3), {"u": rough(rng, (size.NY, size.NX))})
        walled = without_faces(rough(rng, (size.NY, size.NX)))
        yield Probe("rough, zero on the edge", size.replace(steps=1), {"u": walled})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        NX, NY = odd_extents(rng, 2, 5, 91)
        other = size.replace(NX=NX, NY=NY, steps=2)
        u = magnified(rng, rough(rng, (NY, NX)))
        yield Probe("another size", other, {"u": u}, {"alpha": rng.uniform(0.05, 0.25)})

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        u = inputs["u"]
        for _ in range(size.steps):
            (u,) = kernels.heat_step(
                u, size.NX, size.NY, self.physics["alpha"],
                threads=(size.NX, size.NY, 1), threadgroup=(16, 16, 1), outputs=[(u.shape, u.dtype)],
            )  # fmt: skip
        return [u]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        u = inputs["u"].astype(np.float64)
        alpha = self.physics["alpha"]
        for _ in range(size.steps):
            inner = u[1:-1, 1:-1]
            neighbours = u[1:-1, :-2] + u[1:-1, 2:] + u[:-2, 1:-1] + u[2:, 1:-1]
            u[1:-1, 1:-1] = inner + alpha * (neighbours - 4.0 * inner)
        return [u]

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(8.0 * size.NX * size.NY * size.steps, Bound.BANDWIDTH)
