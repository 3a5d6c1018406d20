"""The source that MLX makes of a lowered kernel, on any machine: its own generator, run without a GPU."""

from collections.abc import Callable, Mapping, Sequence

import mlx.core as mx
import pytest

from metalsci.msl.mlx.lower import LoweredKernel

Output = tuple[Sequence[int], mx.Dtype]
Emit = Callable[[LoweredKernel, Mapping[str, mx.array], Mapping[str, Output]], str]


@pytest.fixture(scope="session")
def emitted() -> Emit:
    """Return the Metal source that MLX would compile, without its preamble, for inputs and outputs by MLX's names."""

    def emit(kernel: LoweredKernel, inputs: Mapping[str, mx.array], outputs: Mapping[str, Output]) -> str:
        run = mx.fast.metal_kernel(
            name=kernel.name,
            input_names=kernel.input_names,
            output_names=kernel.output_names,
            header=kernel.header,
            source=kernel.source,
        )

        def call(*arrays: mx.array) -> list[mx.array]:
            return run(
                inputs=list(arrays),
                output_shapes=[tuple(outputs[name][0]) for name in kernel.output_names],
                output_dtypes=[outputs[name][1] for name in kernel.output_names],
                grid=(1, 1, 1),
                threadgroup=(1, 1, 1),
            )

        found: list[str] = []

        def export(event: Mapping[str, object]) -> None:
            if event["type"] == "primitive" and event["name"] == "CustomKernel":
                found.append(event["arguments"][1])

        mx.export_function(export, call, *(inputs[name] for name in kernel.input_names))
        return found[0]

    return emit
