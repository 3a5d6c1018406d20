"""Lowered, through MLX's generator, and run: the same result as the user's file, run directly.

Both run on the software device; MLX's generator is the real one. Each file in `kernels/` says how to run it:
`// run NAME threads=X,Y,Z group=X,Y,Z BUFFER=SHAPE[:LOW:HIGH] SCALAR=#VALUE …`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_generator import Emit

from metalsci.cpu_metal import Device, Dispatch
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import LoweredKernel, lower
from metalsci.msl.rules.metal_rules import check

FILES = sorted((Path(__file__).parent / "kernels").glob("*.metal"))
SEEDS = sorted((Path(__file__).parents[2] / "tasks").glob("*/seed.metal"))
# Scalars of the seed kernels on such a grid, by name or else by type.
SCALARS = {"logN": "#4", "target": "#3", "control": "#1", "uint": "#16", "float": "#0.5"}
# MLX's preamble gives `half` this name, and the generated text uses it.
PREAMBLE = "#include <metal_stdlib>\nusing namespace metal;\ntypedef half float16_t;\n"


@dataclass(frozen=True)
class Run:
    kernel: str
    threads: tuple[int, ...]
    group: tuple[int, ...]
    buffers: Mapping[str, str]


def runs(source: str) -> Iterator[Run]:
    for line in source.splitlines():
        if line.startswith("// run "):
            name, threads, group, *buffers = line.removeprefix("// run ").split()
            per_grid, per_group = (tuple(map(int, text.split("=")[1].split(","))) for text in (threads, group))
            yield Run(name, per_grid, per_group, dict(_pair(buffer) for buffer in buffers))


def _pair(buffer: str) -> tuple[str, str]:
    name, _, spec = buffer.partition("=")
    return name, spec


def array(spec: str, dtype: str, rng: np.random.Generator) -> np.ndarray:
    kind = np.dtype(dtype.rstrip("_"))
    if spec.startswith("#"):
        return np.array(float(spec[1:]) if kind.kind == "f" else int(spec[1:]), kind)
    extents, *bounds = spec.split(":")
    shape = tuple(map(int, extents.split("x")))
    if kind.kind == "f":
        return rng.standard_normal(shape).astype(kind)
    low, high = map(int, bounds) if bounds else (0, 100)
    return rng.integers(low, high, shape).astype(kind)


def execute(device: Device, source: str, name: str, run: Run, arguments: Mapping[int, np.ndarray]) -> list[np.ndarray]:
    kernel = device.compile(source, math_mode="safe").kernels[name]
    bound: dict[int, Any] = {
        index: value if value.ndim == 0 else device.buffer(value) for index, value in arguments.items()
    }
    writable = [a.index for a in kernel.arguments if a.writable]
    device.run([Dispatch(kernel, bound, threads=run.threads, threadgroup=run.group)], timeout=20)
    return [np.array(bound[index].array) for index in writable]


def through_mlx(
    emitted: Emit, kernel: LoweredKernel, run: Run, arrays: Mapping[str, np.ndarray]
) -> tuple[str, list[Any]]:
    """Return MLX's text, and the arrays to bind in the order of its arguments."""
    inputs = {b.name: arrays[b.parameter.name] for b in kernel.inputs}
    outputs = {b.name: arrays[b.parameter.name] for b in kernel.outputs}
    text = emitted(
        kernel,
        {name: mx.array(value) for name, value in inputs.items()},
        {name: (value.shape, getattr(mx, _dtype(kernel, name))) for name, value in outputs.items()},
    )
    return PREAMBLE + text, [*inputs.values(), *outputs.values()]


def _dtype(kernel: LoweredKernel, name: str) -> str:
    return next(b.dtype for b in kernel.outputs if b.name == name)


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with Device(threads=1) as device:
        yield device


def compare(device: Device, emitted: Emit, source: str, run: Run) -> None:
    kernel = lower(parse(source))[run.kernel]
    rng = np.random.default_rng(7)
    arrays = {
        b.parameter.name: np.zeros_like(made) if b.output else made
        for b in kernel.bindings
        for made in [array(run.buffers[b.parameter.name], b.dtype, rng)]
    }
    want = execute(
        device, source, run.kernel, run, {b.parameter.index or 0: arrays[b.parameter.name] for b in kernel.bindings}
    )

    text, bound = through_mlx(emitted, kernel, run, arrays)
    (name,) = (k.name for k in parse(text).kernels)
    got = execute(device, text, name, run, dict(enumerate(bound)))

    assert len(got) == len(want) > 0
    for mine, theirs in zip(got, want, strict=True):
        assert np.any(theirs != 0)
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_lowered_kernel_gives_what_the_file_gives(path: Path, device: Device, emitted: Emit) -> None:
    source = path.read_text()
    unit = parse(source)
    assert check(unit) == ()
    assert {run.kernel for run in runs(source)} == set(lower(unit))
    for run in runs(source):
        compare(device, emitted, source, run)


@pytest.mark.parametrize("path", SEEDS, ids=[path.parent.name for path in SEEDS])
def test_lowered_seed_kernel_gives_what_the_seed_gives(path: Path, device: Device, emitted: Emit) -> None:
    """On a grid of 16 in every direction, with arrays that hold some fields of it."""
    source = path.read_text()
    for kernel in lower(parse(source)).values():
        buffers = {
            b.parameter.name: SCALARS.get(b.parameter.name, SCALARS[b.parameter.type])
            if b.scalar
            else f"{65536 * b.elements}:0:16"
            for b in kernel.bindings
        }
        compare(device, emitted, source, Run(kernel.name, (16, 16, 16), (8, 8, 4), buffers))
