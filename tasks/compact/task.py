from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Check, Probe, Size, Task, Work
from metalsci.task.fields import odd_extents

BLOCK = 256


class Compaction(Task):
    """The elements of x above a threshold, in order and without gaps; the rest of the output is zero."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """Draw elements of which half are kept, in runs of random lengths, `run` on average.

        They go from scattered to whole blocks.
        """
        x = rng.random(size.N, dtype=np.float32) + np.float32(1e-3)
        changes = rng.random(size.N) < 1.0 / size.run
        kept = rng.random(size.N) < 0.5
        x[~kept[np.maximum.accumulate(np.where(changes, np.arange(size.N), 0))]] *= -1.0
        return {"x": x + np.float32(self.physics["threshold"])}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield an input that keeps all but elements equal to the threshold, and one that keeps the last."""
        threshold = np.float32(self.physics["threshold"])
        x = threshold + rng.random(size.N, dtype=np.float32) + np.float32(1e-3)
        x[rng.random(size.N) < 0.01] = threshold
        yield Probe("nearly all", size, {"x": x})
        x = np.full(size.N, threshold)
        x[-1] += 1
        yield Probe("the last alone", size, {"x": x})
        x = x[::-1].copy()
        yield Probe("the first alone", size, {"x": x})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        """Yield sizes within one block, of a few blocks, and of more than one group scans at a time."""
        physics = {"threshold": rng.uniform(-0.5, 0.5)}
        for low, high in ((3, 255), (257, 5001), (70_001, 90_001)):
            (N,) = odd_extents(rng, 1, low, high)
            other = size.replace(N=N)
            yield Probe("another size", other, self.with_physics(physics).inputs(other, rng), physics)

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        x, threshold = inputs["x"], self.physics["threshold"]
        blocks = -(-size.N // BLOCK)
        group = {"threadgroup": (BLOCK, 1, 1), "shrink": False}
        (count,) = kernels.compact_count(
            x, size.N, threshold, threads=(size.N, 1, 1), **group, outputs=[((blocks,), np.uint32)]
        )
        (first,) = kernels.compact_scan(
            count, blocks, threads=(BLOCK, 1, 1), **group, outputs=[((blocks + 1,), np.uint32)]
        )
        (out,) = kernels.compact_scatter(
            x, first, size.N, threshold, threads=(size.N, 1, 1), **group, outputs=[(x.shape, x.dtype)], init=0
        )
        return [out, first]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        x = inputs["x"]
        kept = x[x > np.float32(self.physics["threshold"])]
        out = np.zeros_like(x)
        out[: kept.size] = kept
        return [out, np.array([kept.size], np.uint32)]

    def check(self, size: Size, got: Sequence[Array], want: Sequence[Array]) -> Check:
        """Compare the elements and their number.

        The entries of `first` before its last are the candidate's own business.
        """
        return super().check(size, [got[0], got[1][-1:]], want)

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        return Work(12.0 * size.N, Bound.BANDWIDTH)
