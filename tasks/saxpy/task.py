from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import magnified, odd_extents, rough
from metalsci.task.large_arrays import elementwise, empty, expected


class Saxpy(Task):
    """out = a·x + y, the smoke test: no reuse, so memory is the only limit."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        x, y = (empty((size.N,), np.float32) for _ in range(2))
        for array in (x, y):
            rng.standard_normal(dtype=np.float32, out=array)
        return {"x": x, "y": y}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield inputs with exact products and inexact sums, with cancellation, and with spikes."""
        x = rough(rng, (size.N,))
        y = elementwise(self._cancelling, x, out=empty(x.shape, x.dtype))
        yield Probe("rough", size, {"x": x, "y": y})

    def _cancelling(self, x: Array) -> Array:
        return np.where(x > 0, np.float32(-self.physics["a"]), np.float32(1)) * x

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        (N,) = odd_extents(rng, 1, 3, 5001)
        x, y = magnified(rng, rough(rng, (2, N)))
        yield Probe("another size", size.replace(N=N), {"x": x, "y": y}, {"a": rng.uniform(-3.0, 3.0)})

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        x, y = inputs["x"], inputs["y"]
        return kernels.saxpy(
            x, y, self.physics["a"], size.N,
            threads=(size.N, 1, 1), threadgroup=(256, 1, 1), outputs=[(x.shape, x.dtype)],
        )  # fmt: skip

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        a = np.float32(self.physics["a"])
        return [expected(lambda x, y: a * x + y, inputs["x"], inputs["y"], dtype=np.float32)]

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(12.0 * size.N, Bound.BANDWIDTH)
