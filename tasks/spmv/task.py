from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import odd_extents, rough


class SparseProduct(Task):
    """x ← A x, a few times, for a square matrix in compressed sparse rows whose lengths follow a power law."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Draw lengths with a tail of exponent `exponent`, and elements scaled so that x keeps its magnitude."""
        most = size.rows // 4
        length = np.minimum(self.physics["shortest"] * rng.random(size.rows) ** (-1.0 / (size.exponent - 1.0)), most)
        return self._matrix(size, length.astype(np.int64), rng)

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield many empty rows, some of one element, and two full rows next to each other."""
        length = rng.integers(0, 2, size.rows)
        length[size.rows // 2 : size.rows // 2 + 2] = size.rows
        problem = self._matrix(size, length, rng)
        yield Probe("empty and full rows", size.replace(steps=1), {**problem, "x": rough(rng, (size.rows,))})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield short rows, the first and the last of them full."""
        (rows,) = odd_extents(rng, 1, 301, 1901)
        length = rng.integers(0, 9, rows)
        length[[0, -1]] = rows
        yield Probe(
            "another size", size.replace(rows=rows, steps=2), self._matrix(size.replace(rows=rows), length, rng)
        )

    def _matrix(self, size: Size, length: Array, rng: np.random.Generator) -> dict[str, Array]:
        start = np.concatenate([[0], np.cumsum(length)]).astype(np.uint32)
        scale = 1.0 / np.sqrt(np.maximum(length, 1))
        value = rng.standard_normal(start[-1], dtype=np.float32) * np.repeat(scale, length).astype(np.float32)
        column = rng.integers(0, size.rows, start[-1], dtype=np.uint32)
        x = rng.standard_normal(size.rows, dtype=np.float32)
        return {"row_start": start, "column": column, "value": value, "x": x}

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        x = inputs["x"]
        for _ in range(size.steps):
            (x,) = kernels.spmv(
                inputs["row_start"], inputs["column"], inputs["value"], x, size.rows,
                threads=(size.rows, 1, 1), threadgroup=(256, 1, 1), outputs=[(x.shape, x.dtype)],
            )  # fmt: skip
        return [x]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        x: Array = inputs["x"].astype(np.float64)
        lengths: Array = np.diff(inputs["row_start"].astype(np.int64))
        row = np.repeat(np.arange(size.rows), lengths)
        for _ in range(size.steps):
            x = np.bincount(row, inputs["value"] * x[inputs["column"]], size.rows)
        return [x]

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work((8.0 * inputs["value"].size + 12.0 * size.rows) * size.steps, Bound.BANDWIDTH)
