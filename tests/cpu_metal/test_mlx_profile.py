"""Kernels made with `profile=True`: the work of a GPU is counted, by lines of the body."""

import numpy as np

from metalsci.cpu_metal import Device, metal_kernel
from metalsci.devices.virtual.gpu_facts import facts_of
from metalsci.devices.virtual.prediction import predict

_BODY = """
    uint i = thread_position_in_grid.x;
    y[i] = x[i * 32];
"""


def test_a_body_is_counted_by_its_own_lines() -> None:
    with Device(1) as device:
        kernel = metal_kernel("strided", ["x"], ["y"], _BODY, device=device, profile=True)
        x = np.arange(32 * 4096, dtype=np.float32)
        (y,) = kernel(
            inputs=[x], output_shapes=[(4096,)], output_dtypes=[np.float32], grid=(4096, 1, 1), threadgroup=(64, 1, 1)
        )
    assert (y == x[::32]).all()
    assert kernel.profile
    (dispatch,) = kernel.profile.dispatches
    assert dispatch.counters.loads.lines == 32 * dispatch.counters.loads.issues
    (hot,) = (line for line in dispatch.lines if line.loads.issues)
    assert _BODY.split("\n")[hot.line - 1] == "    y[i] = x[i * 32];"
    assert predict(kernel.profile, facts_of("M1 Pro")).seconds > 0


def test_nothing_is_counted_unless_asked_for() -> None:
    with Device(1) as device:
        kernel = metal_kernel("k", ["x"], ["y"], "y[thread_position_in_grid.x] = x[0];", device=device)
        kernel(
            inputs=[np.ones(1, np.float32)], output_shapes=[(64,)], output_dtypes=[np.float32],
            grid=(64, 1, 1), threadgroup=(64, 1, 1),
        )  # fmt: skip
        assert kernel.profile is None
