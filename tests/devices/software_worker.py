"""The Apple device's worker, with one thing replaced: a kernel call goes to the software device instead of Metal.

What the kernel is, MLX's own generator says: the source that is compiled and run here is the one that it wrote. What
Metal would answer to a source or a launch that it refuses is answered in MLX's words.
"""

import sys
from multiprocessing.connection import Connection
from typing import Any

import mlx.core as mx
import numpy as np

from metalsci.cpu_metal import CompileError, Device, Dispatch, PipelineError
from metalsci.devices.apple_worker import serve

# Stands for MLX's preamble, which is longer.
PREAMBLE = "#include <metal_stdlib>\nusing namespace metal;\ntypedef half float16_t;\n"
DEVICE = Device()
GENERATOR = mx.fast.metal_kernel  # before a test puts SoftwareKernel in its place


class SoftwareKernel:
    """What `mx.fast.metal_kernel` returns, but for the last step."""

    def __init__(self, **options: Any) -> None:
        self._generator = GENERATOR(**options)
        self._math_mode = (options.get("compile_options") or {}).get("math_mode", "safe")

    def __call__(self, *, inputs: list[mx.array], **call: Any) -> list[mx.array]:
        try:
            mx.eval(*inputs)
        except ValueError:  # traced, by whoever asks MLX for its source
            return self._generator(inputs=inputs, **call)
        source = PREAMBLE + self._source(inputs, call)
        try:
            (kernel,) = DEVICE.compile(source, math_mode=self._math_mode).kernels.values()
        except CompileError as error:
            log = "\n".join(f"program_source:{d.line}:{d.column}: {d.severity}: {d.message}" for d in error.diagnostics)
            raise RuntimeError(f"[metal::Device] Unable to build metal library from source\n{log}") from error
        initial = call.get("init_value") or 0
        made = [
            DEVICE.buffer(np.full(shape, initial, np.dtype(str(dtype).removeprefix("mlx.core."))))
            for shape, dtype in zip(call["output_shapes"], call["output_dtypes"], strict=True)
        ]
        values = [np.array(array) for array in inputs]
        bound = [*(v if v.ndim == 0 else DEVICE.buffer(v) for v in values), *made]
        threads = call["grid"]
        group = tuple(min(a, b) for a, b in zip(call["threadgroup"], threads, strict=True))  # as MLX clamps it
        try:
            DEVICE.run([Dispatch(kernel, dict(enumerate(bound)), threads=threads, threadgroup=group)])
        except PipelineError as error:
            raise ValueError(str(error)) from error
        return [mx.array(buffer.array) for buffer in made]

    def _source(self, inputs: list[mx.array], call: dict[str, Any]) -> str:
        found: list[str] = []

        def record(event: dict[str, Any]) -> None:
            if event["type"] == "primitive" and event["name"] == "CustomKernel":
                found.append(event["arguments"][1])

        mx.export_function(record, lambda *arrays: self._generator(inputs=list(arrays), **call), *inputs)
        return found[0]


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), SoftwareKernel, sys.argv[2])
