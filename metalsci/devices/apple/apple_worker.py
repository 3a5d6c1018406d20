"""The process in which an Apple GPU works: it holds arrays and kernels, and runs programs as lazy MLX graphs.

Started by `apple.AppleDevice` as `python -m metalsci.devices.apple.apple_worker FD MATH_MODE`. Requests and answers are
pickled tuples over a socket. A kernel's faults are answered, not raised; the parent notices if this process ends.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import mlx.core as mx
import numpy as np

from metalsci.devices.apple.apple_protocol import DIAGNOSTIC, CallChain
from metalsci.devices.program import Extent, Symbol
from metalsci.msl.mlx.lower import LoweredKernel

# `mx.fast.metal_kernel`, or its stand-in if there is no Metal.
MetalKernel = Callable[..., Any]

_PROBE_SHAPE = (8,)


class AppleWorker:
    """Arrays by stage, kernels by module, and the results of the graph that was built last."""

    def __init__(self, metal_kernel: MetalKernel, math_mode: str) -> None:
        self._metal_kernel = metal_kernel
        self._options = {"math_mode": math_mode}
        self._stages: dict[int, dict[int, mx.array]] = {}
        self._modules: dict[int, dict[str, Any]] = {}
        self._pending: list[mx.array] = []

    def info(self) -> dict[str, Any]:
        """Return MLX's description of the GPU; empty without Metal."""
        if mx.metal.is_available():
            return dict(mx.device_info(mx.gpu))
        return {}

    def stage(self, key: int, arrays: Mapping[int, np.ndarray]) -> None:
        self._stages[key] = {symbol: mx.array(array) for symbol, array in arrays.items()}
        mx.eval(*self._stages[key].values())

    def load(self, key: int, kernels: Mapping[str, LoweredKernel]) -> None:
        self._modules[key] = {
            name: self._metal_kernel(
                name=kernel.name,
                input_names=list(kernel.input_names),
                output_names=list(kernel.output_names),
                header=kernel.header,
                source=kernel.source,
                compile_options=self._options,
            )
            for name, kernel in kernels.items()
        }

    def build(self, chain: CallChain) -> None:
        """Build the program as a graph of dependent calls. Nothing runs before `evaluate`."""
        self._pending = self._graph(chain, self._stages[chain.stage])

    def build_empty(self, chain: CallChain) -> None:
        """Build a graph of as many dependent calls of a kernel that does nothing, over the same grids."""
        empty = self._probe("metalsci_empty", "", "")
        array = mx.zeros(_PROBE_SHAPE)
        for step in chain.steps:
            (array,) = empty(array, step.call.threads, step.threadgroup)
        self._pending = [array]

    def evaluate(self) -> None:
        mx.eval(*self._pending)

    def fetch(self) -> list[np.ndarray]:
        return [np.array(array) for array in self._pending]

    def inputs(self, key: int) -> dict[int, np.ndarray]:
        """Return the current values of a stage's inputs."""
        return {symbol: np.array(array) for symbol, array in self._stages[key].items()}

    def poison(self, sizes: Sequence[int], pattern: int) -> None:
        """Fill MLX's cache of free buffers with a byte, so that outputs which nobody writes hold it."""
        self._forget()
        spoilt = [mx.full((max(1, n),), pattern, mx.uint8) for n in sizes]
        mx.eval(*spoilt)

    def drop_stage(self, key: int) -> None:
        self._stages.pop(key, None)
        self._forget()

    def drop_module(self, key: int) -> None:
        self._modules.pop(key, None)
        self._forget()

    def generated(self, chain: CallChain) -> list[str]:
        """Return the Metal source that MLX's own generator writes for each step."""
        inputs = self._stages[chain.stage]
        found: list[str] = []

        def record(event: Mapping[str, Any]) -> None:
            if event["type"] == "primitive" and event["name"] == "CustomKernel":
                found.append(event["arguments"][1])

        def program(*arrays: mx.array) -> list[mx.array]:
            return self._graph(chain, dict(zip(inputs, arrays, strict=True)))

        mx.export_function(record, program, *inputs.values())
        return found

    def preamble_lines(self) -> int:
        """Count the lines that MLX puts before a kernel's header. A compiler's line numbers include them."""
        broken = self._probe("metalsci_probe", "#error probe\n", "after[0] = before[0];")
        try:
            mx.eval(broken(mx.zeros(_PROBE_SHAPE), (1, 1, 1), (1, 1, 1)))
        except RuntimeError as error:
            position = DIAGNOSTIC.search(str(error))
            if position:
                return int(position["line"]) - 1
        return 0

    def _graph(self, chain: CallChain, inputs: Mapping[int, mx.array]) -> list[mx.array]:
        arrays = dict(inputs)
        for step in chain.steps:
            call = step.call
            made = self._modules[chain.module][call.kernel](
                inputs=[arrays[a.id] if isinstance(a, Symbol) else _scalar(a) for a in call.arguments],
                output_shapes=[o.shape for o in call.outputs],
                output_dtypes=[_dtype(o.dtype) for o in call.outputs],
                grid=call.threads,
                threadgroup=step.threadgroup,
                init_value=call.init,
            )
            arrays |= {symbol.id: array for symbol, array in zip(call.outputs, made, strict=True)}
        return [arrays[symbol.id] for symbol in chain.results]

    def _probe(self, name: str, header: str, source: str) -> Callable[[mx.array, Extent, Extent], list[mx.array]]:
        """Build a small kernel of this project, from one small array to another."""
        kernel = self._metal_kernel(
            name=name, input_names=["before"], output_names=["after"], header=header, source=source
        )

        def call(array: mx.array, grid: Extent, threadgroup: Extent) -> list[mx.array]:
            shapes, dtypes = [_PROBE_SHAPE], [mx.float32]
            made: list[mx.array] = kernel(
                inputs=[array], output_shapes=shapes, output_dtypes=dtypes, grid=grid, threadgroup=threadgroup
            )
            return made

        return call

    def _forget(self) -> None:
        """Give freed memory back, so that nothing of one candidate is left for the next."""
        self._pending = []
        mx.clear_cache()


def _scalar(value: np.generic) -> mx.array:
    return mx.array(value.item(), _dtype(value.dtype))


def _dtype(dtype: np.dtype[np.generic]) -> mx.Dtype:
    """Return MLX's name for a NumPy dtype. The names are the same except for bool."""
    found: mx.Dtype = getattr(mx, "bool_" if dtype == np.bool_ else dtype.name)
    return found


def serve(connection: Connection, metal_kernel: MetalKernel, math_mode: str) -> None:
    """Answer requests until the parent closes the connection."""
    worker = AppleWorker(metal_kernel, math_mode)
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = ("ok", getattr(worker, name)(*arguments))
        except (RuntimeError, ValueError) as error:  # what MLX raises for a kernel it cannot build or launch
            answer = ("failed", str(error))
        connection.send(answer)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), mx.fast.metal_kernel, sys.argv[2])
