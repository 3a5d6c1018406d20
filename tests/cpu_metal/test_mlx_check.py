"""`metal_kernel(…, check=True)`: findings in the lines that the caller wrote."""

from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from metalsci.cpu_metal import Device, DispatchError, metal_kernel
from metalsci.cpu_metal.mlx.stand_in import MetalKernel

HEADER = """
template <typename T> T neighbour(const device T *x, uint i) {
    return x[i + 1];
}
"""
SUMS = """
    uint i = thread_position_in_grid.x;
    threadgroup float part[64];
    part[i] = x[i];{barrier}
    y[i] = T(part[63 - i]);
"""


def call(kernel: MetalKernel, x: Any, **more: Any) -> Any:
    given = {
        "grid": (64, 1, 1),
        "threadgroup": (64, 1, 1),
        "output_shapes": [(64,)],
        "output_dtypes": [x.dtype],
        **more,
    }
    return kernel(inputs=[x], **given)[0]


def test_a_kernel_without_faults_gives_its_outputs(device: Device) -> None:
    source = SUMS.format(barrier=" threadgroup_barrier(mem_flags::mem_threadgroup);")
    kernel = metal_kernel("flip", ["x"], ["y"], source, device=device, check=True)
    x = mx.arange(64, dtype=mx.float16)
    assert mx.array_equal(call(kernel, x, template=[("T", mx.float16)]), x[::-1])


def test_lines_are_those_of_the_source(device: Device) -> None:
    kernel = metal_kernel("flip", ["x"], ["y"], SUMS.format(barrier=""), device=device, check=True)
    with pytest.raises(DispatchError) as error:
        call(kernel, np.ones(64, np.float32), template=[("T", np.float32)])
    assert {finding.kind for finding in error.value.findings} == {"data race"}
    lines = SUMS.format(barrier="").split("\n")
    store, load = (1 + next(i for i, line in enumerate(lines) if word in line) for word in ("part[i] =", "y[i] ="))
    assert any(
        f", line {store}: data race on part[" in f.text and f"in line {load}" in f.text for f in error.value.findings
    )
    assert {finding.line for finding in error.value.findings} <= {store, load}


def test_lines_of_the_header_are_said_to_be_so(device: Device) -> None:
    source = "y[thread_position_in_grid.x] = neighbour(x, thread_position_in_grid.x);"
    kernel = metal_kernel("next", ["x"], ["y"], source, HEADER, device=device, check=True)
    with pytest.raises(DispatchError) as error:
        call(kernel, np.ones(64, np.float32))
    (finding,) = error.value.findings
    assert "header line 3: read of x[64], beyond the end of buffer 0 'x' (64 elements" in finding.text


def test_outputs_without_a_first_value_are_undefined(device: Device) -> None:
    source = "y[thread_position_in_grid.x] += x[thread_position_in_grid.x];"
    kernel = metal_kernel("add", ["x"], ["y"], source, device=device, check=True)
    x = np.ones(64, np.float32)
    with pytest.raises(DispatchError, match=r"line 1: read of y\[0\] .*which nobody has written"):
        call(kernel, x)
    np.testing.assert_array_equal(call(kernel, x, init_value=2), np.full(64, 3, np.float32))
