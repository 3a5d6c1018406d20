from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import gaussian, magnified, rough, without_faces


class Morton(Task):
    """Explicit seven-point heat equation on an N³ grid in Morton order: bit b of x, y, z at bits 3b, 3b+1, 3b+2."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        bump = without_faces(gaussian((size.N,) * 3, self.physics["sigma"] * size.N, rng))
        return {"u": to_morton(bump, _logarithm(size))}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        yield Probe("rough", size.replace(steps=3), {"u": rough(rng, (size.N**3,))})
        walled = without_faces(rough(rng, (size.N,) * 3))
        yield Probe("rough, zero on the faces", size.replace(steps=1), {"u": to_morton(walled, _logarithm(size))})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        N = int(rng.choice([8, 16, 32]))
        physics = {"alpha": rng.uniform(0.03, 0.16)}
        yield Probe("another size", size.replace(N=N, steps=2), {"u": magnified(rng, rough(rng, (N**3,)))}, physics)

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        u = inputs["u"]
        for _ in range(size.steps):
            (u,) = kernels.morton_stencil(
                u, size.N, _logarithm(size), self.physics["alpha"],
                threads=(size.N**3, 1, 1), threadgroup=(256, 1, 1), outputs=[(u.shape, u.dtype)],
            )  # fmt: skip
        return [u]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """Step in row-major order u[z, y, x], plane by plane so that the planes in use stay in cache."""
        current = inputs["u"].astype(np.float64)[morton_index(_logarithm(size))]
        alpha = self.physics["alpha"]
        following = current.copy()
        inner = (slice(1, -1), slice(1, -1))
        for _ in range(size.steps):
            for z in range(1, size.N - 1):
                plane = current[z]
                around = current[z - 1][inner] + current[z + 1][inner]
                around += plane[1:-1, :-2]
                around += plane[1:-1, 2:]
                around += plane[:-2, 1:-1]
                around += plane[2:, 1:-1]
                around *= alpha
                np.add(around, (1.0 - 6.0 * alpha) * plane[inner], out=following[z][inner])
            current, following = following, current
        return [to_morton(current, _logarithm(size))]

    def locate(self, size: Size, index: tuple[int, ...]) -> str:
        tid = index[0]
        x, y, z = (sum((tid >> (3 * b + axis) & 1) << b for b in range(_logarithm(size))) for axis in range(3))
        return f"[{tid}] = (x {x}, y {y}, z {z})"

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(8.0 * size.N**3 * size.steps, Bound.BANDWIDTH)


def _logarithm(size: Size) -> int:
    return int(size.N).bit_length() - 1


def morton_index(logarithm: int) -> Array:
    """Return the Morton index of every cell [z, y, x]."""
    line = np.arange(1 << logarithm)
    spread = np.zeros_like(line)
    for b in range(logarithm):
        spread |= (line >> b & 1) << 3 * b
    return spread[:, None, None] << 2 | spread[:, None] << 1 | spread


def to_morton(u: Array, logarithm: int) -> Array:
    out = np.empty(u.size, u.dtype)
    out[morton_index(logarithm)] = u
    return out
