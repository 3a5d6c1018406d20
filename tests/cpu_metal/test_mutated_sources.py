"""Mutated sources are accepted or refused, never anything else, and leave the device answering."""

import random
from pathlib import Path

import numpy as np
import pytest

from metalsci.cpu_metal import CompileError, Device, Dispatch, DispatchError, PipelineError

TASKS = Path(__file__).parents[2] / "tasks"
PIECES = [
    "float4",
    "threadgroup",
    "device",
    "template",
    "<",
    ">",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    "#define ",
    "/*",
    "*",
    "&",
    "::",
    "constant",
    "kernel",
    "[[",
    "struct",
    "=",
    "0",
    "1u",
    "using",
    "typedef",
    "vec",
    "thread",
    "operator",
    "union",
    ":",
    "?",
    "return",
    "for",
    "while",
    ",",
    "\n",
    '"',
    "\\\n",
]


def mutate(source: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(source))
        end = min(len(source), at + rng.randint(0, 12))
        kind = rng.random()
        if kind < 0.35:
            source = source[:at] + source[end:]
        elif kind < 0.8:
            source = source[:at] + rng.choice(PIECES) + source[at:]
        elif kind < 0.95:
            source = source[:at] + source[end : end + 30] + source[at:]
        else:
            source = source[:at] + chr(rng.randrange(1, 1000)) + source[at:]
    return source


@pytest.mark.parametrize("task", ["saxpy", "lbm", "fft3d"])
def test_mutated_seed_kernels(device: Device, task: str) -> None:
    rng = random.Random(task)
    seed = (TASKS / task / "seed.metal").read_text()
    for _ in range(25):
        source = mutate(seed, rng)
        try:
            library = device.compile(source)
        except CompileError as error:
            lines = source.count("\n") + 1
            assert error.diagnostics
            assert all(0 <= d.line <= lines + 1 for d in error.diagnostics)
            continue
        for kernel in library.kernels.values():
            arguments = {
                a.index: device.empty((64,), np.float32) if a.indirection == "pointer" else bytes(16)
                for a in kernel.arguments
                if a.kind == "buffer"
            }
            try:
                device.run([Dispatch(kernel, arguments, (8, 8), (8, 8))], timeout=0.5)
            except (DispatchError, PipelineError, ValueError):
                continue
    out = device.empty((4,), np.float32)
    fill = "#include <metal_stdlib>\nkernel void f(device float *x, uint i [[thread_position_in_grid]]) { x[i] = 1; }"
    device.run([Dispatch(device.compile(fill).kernels["f"], {0: out}, (4,), (4,))])
    assert (out.array == 1).all()
