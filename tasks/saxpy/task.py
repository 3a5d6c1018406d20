from collections.abc import Mapping, Sequence

import numpy as np

from metalsci.benchmark.task import Bound, Size, Task, Work
from metalsci.devices.program import Array, Kernels, Symbol


class Saxpy(Task):
    """out = a·x + y, the smoke test: no reuse, nothing to win but what the memory allows."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        x, y = (rng.standard_normal(size.N, dtype=np.float32) for _ in range(2))
        return {"x": x, "y": y}

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        x, y = inputs["x"], inputs["y"]
        return kernels.saxpy(
            x, y, self.physics["a"], size.N,
            threads=(size.N, 1, 1), threadgroup=(256, 1, 1), outputs=[(x.shape, x.dtype)],
        )  # fmt: skip

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        return [np.float32(self.physics["a"]) * inputs["x"] + inputs["y"]]

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(12.0 * size.N, Bound.BANDWIDTH)
