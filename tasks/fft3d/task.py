from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metalsci.devices.program import Array, Kernels, Symbol
from metalsci.task.definition import Bound, Probe, Size, Task, Work
from metalsci.task.fields import magnified, rough
from metalsci.task.large_arrays import empty, empty_on_disk, let_go, parts

ROWS = 16  # of each plane that are transformed at a time
PART = 1 << 23  # numbers whose energy is added up at a time


class FFT3D(Task):
    """Forward transform of an N³ complex field, arrays x[k, j, i, part] with real and imaginary parts last."""

    def inputs(self, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        x = empty((size.N,) * 3 + (2,), np.float32)
        rng.standard_normal(dtype=np.float32, out=x)
        return {"x": x}

    def probes(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        yield Probe("rough", size, {"x": rough(rng, (size.N,) * 3 + (2,))})

    def drawn(self, size: Size, rng: np.random.Generator) -> Iterator[Probe]:
        N = int(rng.choice([4, 8, 16]))
        yield Probe("another size", size.replace(N=N), {"x": magnified(rng, rough(rng, (N,) * 3 + (2,)))})

    def program(self, size: Size, inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        x = inputs["x"]
        for kernel in (kernels.fft3d_x, kernels.fft3d_y, kernels.fft3d_z):
            (x,) = kernel(
                x, size.N,
                threads=(size.N, size.N**2, 1), threadgroup=(size.N, 1, 1), shrink=False, outputs=[(x.shape, x.dtype)],
            )  # fmt: skip
        return [x]

    def reference(self, size: Size, inputs: Mapping[str, Array]) -> Sequence[Array]:
        x, field = empty_on_disk((size.N,) * 3, np.complex128), np.ascontiguousarray(inputs["x"])
        for start in range(0, size.N, ROWS):
            rows = field[:, start : start + ROWS].astype(np.float64).view(np.complex128)[..., 0]
            for plane, lines in zip(x, np.fft.fft(rows, axis=0), strict=True):
                plane[start : start + ROWS] = lines
                let_go(plane)
        for plane in x:
            np.fft.fft(plane, axis=0, out=plane)
            np.fft.fft(plane, axis=1, out=plane)
            let_go(plane)
        return [x[..., None].view(np.float64)]

    def invariants(self, size: Size, inputs: Mapping[str, Array], results: Sequence[Array]) -> dict[str, float]:
        """Compute both sides of Parseval's theorem: the transform's energy over N³ is that of the field."""
        energy = sum(float(np.einsum("i,i->", x, x, dtype=np.float64)) for x in parts(results[0], PART))
        return {"energy": energy / size.N**3}

    def work(self, size: Size, inputs: Mapping[str, Array]) -> Work:
        """Count 96 bytes a cell, as the benchmark does. Needed are 48: each of three passes reads and writes 8."""
        return Work(96.0 * size.N**3, Bound.BANDWIDTH, needed=48.0 * size.N**3)
