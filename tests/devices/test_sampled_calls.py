"""Which calls of a program the sanitizer looks at."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from metalsci.devices.cpu.cpu_sanitizer import one_of_each_kernel
from metalsci.devices.program import Kernels, Program, Symbol, trace
from metalsci.msl.language.parse import parse

SOURCE = """
kernel void first(device const float *u [[buffer(0)]], device float *v [[buffer(1)]]) { v[0] = u[0]; }
kernel void move(device const float *u [[buffer(0)]], device float *v [[buffer(1)]]) { v[0] = u[0]; }
kernel void turn(device const float *u [[buffer(0)]], device float *v [[buffer(1)]]) { v[0] = u[0]; }
"""
STEPS = 5


def program() -> Program:
    def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        def call(name: str, u: Symbol) -> Symbol:
            record: Callable[..., Sequence[Symbol]] = getattr(kernels, name)
            return record(u, threads=(1, 1, 1), threadgroup=(1, 1, 1), outputs=[(u.shape, u.dtype)])[0]

        u = call("first", inputs["u"])
        for _ in range(STEPS):
            u = call("turn", call("move", u))
        return [u]

    return trace(host, {"u": np.zeros(1, np.float32)}, parse(SOURCE).kernels)


def test_a_call_of_each_kernel_is_drawn_and_all_are_of_one_step() -> None:
    rng = np.random.default_rng(0)
    drawn = {tuple(one_of_each_kernel(program(), rng)) for _ in range(200)}
    assert drawn == {(0, 1 + 2 * step, 2 + 2 * step) for step in range(STEPS)}
