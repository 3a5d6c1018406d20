from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import odd_extents, rough, without_faces


class MultigridVCycle(Task):
    """V-cycles for −Δu = f on the unit square, n × n intervals, arrays u[j, i] of (n + 1)² points, edges zero."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Draw a right-hand side of a few random waves, and no guess. Coarser grids start from `zero`."""
        x = np.linspace(0.0, 1.0, size.n + 1)
        modes = np.sin(np.pi * np.outer(np.arange(1, 9), x))
        f = modes.T @ rng.standard_normal((8, 8)) @ modes
        return {"u": np.zeros_like(f, np.float32), "f": f.astype(np.float32), "zero": self._zero(size)}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        u, f = rough(rng, (2, size.n + 1, size.n + 1))
        problem = {"u": without_faces(u), "f": f * np.float32(size.n**2), "zero": self._zero(size)}
        yield Probe("rough", size.replace(steps=1), problem)

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        n = 4 * odd_extents(rng, 1, 3, 25)[0]
        other = size.replace(n=n, steps=1)
        u, f = rough(rng, (2, n + 1, n + 1))
        problem = {"u": without_faces(u), "f": f * np.float32(n**2), "zero": self._zero(other)}
        yield Probe("another size", other, problem, {"omega": rng.uniform(0.5, 0.95)})

    def _zero(self, size: Size) -> Array:
        return np.zeros((size.n // 2 + 1) ** 2, np.float32)

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        def call(kernel: str, n: int, points: int, a: Symbol, b: Symbol, *more: float) -> Symbol:
            out: Symbol
            (out,) = getattr(kernels, kernel)(
                a, b, n, *more,
                threads=(points, points, 1), threadgroup=(16, 16, 1), outputs=[((points, points), np.float32)],
            )  # fmt: skip
            return out

        def smooth(n: int, u: Symbol, f: Symbol, sweeps: float) -> Symbol:
            for _ in range(int(sweeps)):
                u = call("mg_smooth", n, n + 1, u, f, self.physics["omega"])
            return u

        def cycle(n: int, u: Symbol, f: Symbol) -> Symbol:
            if not _coarsens(n):
                return smooth(n, u, f, self.physics["coarsest"])
            u = smooth(n, u, f, self.physics["sweeps"])
            coarse = call("mg_restrict", n, n // 2 + 1, u, f)
            u = call("mg_prolong", n, n + 1, u, cycle(n // 2, inputs["zero"], coarse))
            return smooth(n, u, f, self.physics["sweeps"])

        u = inputs["u"]
        for _ in range(size.steps):
            u = cycle(size.n, u, inputs["f"])
        return [u]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        u, f = inputs["u"].astype(np.float64), inputs["f"].astype(np.float64)
        for _ in range(size.steps):
            self._cycle(size.n, u, f)
        return [u]

    def _cycle(self, n: int, u: Array, f: Array) -> None:
        """Run one V-cycle, in place."""
        if not _coarsens(n):
            self._smooth(n, u, f, self.physics["coarsest"])
            return
        self._smooth(n, u, f, self.physics["sweeps"])
        residual = np.zeros_like(u)
        residual[1:-1, 1:-1] = f[1:-1, 1:-1] - n * n * _operator(u)
        weighted = residual[:, 1:-2:2] + 2.0 * residual[:, 2:-1:2] + residual[:, 3::2]
        coarse_f = np.zeros((n // 2 + 1, n // 2 + 1))
        coarse_f[1:-1, 1:-1] = (weighted[1:-2:2] + 2.0 * weighted[2:-1:2] + weighted[3::2]) / 16.0
        error = np.zeros_like(coarse_f)
        self._cycle(n // 2, error, coarse_f)
        u[::2, ::2] += error
        u[1::2, ::2] += 0.5 * (error[:-1] + error[1:])
        u[::2, 1::2] += 0.5 * (error[:, :-1] + error[:, 1:])
        u[1::2, 1::2] += 0.25 * (error[:-1, :-1] + error[:-1, 1:] + error[1:, :-1] + error[1:, 1:])
        self._smooth(n, u, f, self.physics["sweeps"])

    def _smooth(self, n: int, u: Array, f: Array, sweeps: float) -> None:
        for _ in range(int(sweeps)):
            u[1:-1, 1:-1] += 0.25 * self.physics["omega"] * (f[1:-1, 1:-1] / (n * n) - _operator(u))

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        """Return the norm of the residual over that of f, which a V-cycle is there to reduce."""
        u, f = results[0].astype(np.float64), inputs["f"][1:-1, 1:-1]
        return {"residual": float(np.linalg.norm(f - size.n**2 * _operator(u)) / np.linalg.norm(f))}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        def cycle(n: int) -> float:
            points, coarse = (n + 1) ** 2, (n // 2 + 1) ** 2
            if not _coarsens(n):
                return 12.0 * points * self.physics["coarsest"]
            return 2 * 12.0 * points * self.physics["sweeps"] + 2 * (8.0 * points + 4.0 * coarse) + cycle(n // 2)

        return Work(size.steps * cycle(size.n), Bound.BANDWIDTH)


def _coarsens(n: int) -> bool:
    return n % 2 == 0 and n > 2


def _operator(u: Array) -> Array:
    """Compute 4u minus the four neighbours, at the inner points."""
    return 4.0 * u[1:-1, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:] - u[:-2, 1:-1] - u[2:, 1:-1]
