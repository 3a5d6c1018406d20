"""The Apple device's worker, with one thing replaced: a kernel call goes to the software device instead of Metal.

Calls that are traced still go to MLX's own generator, which runs without a GPU.
"""

import sys
from multiprocessing.connection import Connection
from typing import Any

import mlx.core as mx

from metalsci.cpu_metal import metal_kernel
from metalsci.devices.apple.apple_worker import serve

GENERATOR = mx.fast.metal_kernel  # before a test puts SoftwareKernel in its place


class SoftwareKernel:
    """Stand-in for the kernel that `mx.fast.metal_kernel` returns; the software device runs it."""

    def __init__(self, **options: Any) -> None:
        self._traced: Any = GENERATOR(**options)
        self._run = metal_kernel(**options)

    def __call__(self, *, inputs: list[mx.array], **call: Any) -> list[mx.array]:
        try:
            mx.eval(*inputs)
        except ValueError:  # traced, by whoever asks MLX for its source
            traced: list[mx.array] = self._traced(inputs=inputs, **call)
            return traced
        return self._run(inputs=inputs, **call)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), SoftwareKernel, sys.argv[2])
