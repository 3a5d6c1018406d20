"""The source that MLX makes of a lowered kernel, on any machine: its own generator, run without a GPU."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mlx.core as mx

from metalsci.msl.mlx.lower import LoweredKernel

Output = tuple[Sequence[int], mx.Dtype]
# A lowered kernel, its inputs and its outputs by MLX's names; the fixture `emitted` is one.
Emit = Callable[[LoweredKernel, Mapping[str, mx.array], Mapping[str, Output]], str]


def emit(kernel: LoweredKernel, inputs: Mapping[str, mx.array], outputs: Mapping[str, Output]) -> str:
    """Return the Metal source that MLX would compile, without its preamble."""
    run: Any = mx.fast.metal_kernel(
        name=kernel.name,
        input_names=kernel.input_names,
        output_names=kernel.output_names,
        header=kernel.header,
        source=kernel.source,
    )

    def call(*arrays: mx.array) -> list[mx.array]:
        written: list[mx.array] = run(
            inputs=list(arrays),
            output_shapes=[tuple(outputs[name][0]) for name in kernel.output_names],
            output_dtypes=[outputs[name][1] for name in kernel.output_names],
            grid=(1, 1, 1),
            threadgroup=(1, 1, 1),
        )
        return written

    found: list[str] = []

    def export(event: Mapping[str, Any]) -> None:
        if event["type"] == "primitive" and event["name"] == "CustomKernel":
            found.append(event["arguments"][1])

    mx.export_function(export, call, *(inputs[name] for name in kernel.input_names))
    return found[0]
