"""For any signature and body: lowering, then MLX's generator, then the device, equals running the file directly."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_generator import Emit

from metalsci.cpu_metal import Device, Dispatch
from metalsci.msl.language.parse import parse
from metalsci.msl.language.types import value_type
from metalsci.msl.mlx.lower import lower
from metalsci.msl.mlx.prologue import ArgumentBinding
from metalsci.msl.rules.metal_rules import check

THREADS, GROUP = 24, 8
PREAMBLE = "#include <metal_stdlib>\nusing namespace metal;\ntypedef half float16_t;\n"
NAMES = [
    "x", "y", "x_shape", "x_strides", "y_ndim", "grid_size", "thread_position_in_grid", "threads_per_grid", "data",
    "x_data", "view_as", "ceildiv", "log1p", "Limits", "N", "gid", "T", "kernel_", "devices",
]  # fmt: skip
ELEMENTS = [
    "float",
    "float2",
    "float3",
    "float4",
    "packed_float3",
    "int",
    "uint",
    "int2",
    "char",
    "uchar4",
    "half",
    "long",
]
SCALARS = ["float", "int", "uint", "char", "half", "ulong", "uchar"]


@dataclass(frozen=True)
class Argument:
    name: str
    type: str
    kind: str
    """input, output, scalar or vector."""

    @property
    def declaration(self) -> str:
        patterns = {
            "input": "device const {} *{}",
            "output": "device {} *{}",
            "scalar": "constant {} &{}",
            "vector": "constant {} &{}",
        }
        return patterns[self.kind].format(self.type, self.name)

    def read(self, index: str) -> str:
        """Write the sum of the argument's components, as a float."""
        value = f"{self.name}[{index}]" if self.kind in ("input", "output") else self.name
        kind = value_type(self.type)
        assert kind
        lanes = kind.rows
        return " + ".join(f"float({value}{'' if lanes == 1 else f'[{k}]'})" for k in range(lanes))


@st.composite
def sources(draw: st.DrawFn) -> tuple[str, list[Argument]]:
    names = draw(st.permutations(NAMES))
    kinds = ["output", *draw(st.lists(st.sampled_from(["input", "output", "scalar", "vector"]), max_size=5))]
    pools = {"scalar": SCALARS, "vector": ["float2", "float4", "uint3", "int4", "half2"]}
    arguments = [
        Argument(name, draw(st.sampled_from(pools.get(kind, ELEMENTS))), kind)
        for name, kind in zip(names, kinds, strict=False)
    ]
    indices = draw(st.permutations(range(len(arguments))))
    explicit = draw(st.booleans())
    gid = names[len(arguments)]
    lanes = draw(st.sampled_from(["", "2", "3"]))
    scalar = draw(st.sampled_from(["uint", "ushort"]))
    parameters = [
        f"{a.declaration} [[buffer({index})]]" if explicit else a.declaration
        for a, index in zip(arguments, indices, strict=True)
    ]
    parameters.append(f"{scalar}{lanes} {gid} [[thread_position_in_grid]]")
    order = draw(st.permutations(range(len(parameters))))
    index = "i__"
    position = f"uint({gid}{'.x' if lanes else ''})"
    total = " + ".join(["0.0f", *(a.read(index) for a in arguments if a.kind != "output")])
    writes = "\n    ".join(
        f"{a.name}[{index}] = {a.type}({'total__ * ' + str(k + 1) + '.0f'});"
        for k, a in enumerate(arguments)
        if a.kind == "output"
    )
    shadow = draw(st.sampled_from(NAMES))
    limit = draw(st.sampled_from(["", "[[max_total_threads_per_threadgroup(8)]]\n", "#define KERNEL_ kernel\n"]))
    word = "KERNEL_" if "KERNEL_" in limit else "kernel"
    source = f"""#include <metal_stdlib>
using namespace metal;
{limit}{word} void step__({", ".join(parameters[k] for k in order)}) {{
    const uint {index} = {position};
    if ({index} >= {THREADS - 3}u) return;
    float total__ = {total};
    for (int {shadow} = 0; {shadow} < 2; ++{shadow}) {{ total__ += float({shadow}); /* }} */ }}
    total__ = clamp(total__, 0.0f, 20.0f);  // times six is a char still: beyond its range conversion is undefined
    {writes}
}}
"""
    return source, arguments


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with Device(threads=1) as device:
        yield device


@given(sources(), st.integers(0, 1000))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_lowering_changes_nothing(device: Device, emitted: Emit, made: tuple[str, list[Argument]], seed: int) -> None:
    source, _ = made
    unit = parse(source)
    assert check(unit) == ()
    kernel = lower(unit)["step__"]
    rng = np.random.default_rng(seed)

    def array(binding: ArgumentBinding) -> np.ndarray:
        dtype = np.dtype(binding.dtype)
        shape = (
            ()
            if binding.scalar
            else (binding.elements * (THREADS if binding.parameter.indirection == "pointer" else 1),)
        )
        return np.zeros(shape, dtype) if binding.output else rng.integers(0, 5, shape).astype(dtype)

    arrays = {b.parameter.index or 0: array(b) for b in kernel.bindings}
    text = PREAMBLE + emitted(
        kernel,
        {b.name: mx.array(arrays[b.parameter.index or 0]) for b in kernel.inputs},
        {b.name: (arrays[b.parameter.index or 0].shape, getattr(mx, b.dtype)) for b in kernel.outputs},
    )
    generated = dict(enumerate(arrays[b.parameter.index or 0] for b in (*kernel.inputs, *kernel.outputs)))

    def run(text: str, values: dict[int, np.ndarray]) -> list[np.ndarray]:
        (compiled,) = device.compile(text, math_mode="safe").kernels.values()
        bound: dict[int, Any] = {
            index: value if value.ndim == 0 else device.buffer(value) for index, value in values.items()
        }
        device.run([Dispatch(compiled, bound, threads=(THREADS,), threadgroup=(GROUP,))], timeout=20)
        return [bound[a.index].array for a in compiled.arguments if a.writable]

    # By index in the user's file; MLX puts outputs in the same order behind the inputs.
    want, got = run(source, arrays), run(text, generated)
    by_index = sorted(b.parameter.index or 0 for b in kernel.outputs)
    declared = [p.index for p in unit.kernels[0].buffers if p.writable]
    ordered = [want[declared.index(index)] for index in by_index]
    threes = {b.parameter.index or 0: b.elements == 4 and b.parameter.type.endswith("3") for b in kernel.outputs}
    for index, mine, theirs in zip(by_index, got, ordered, strict=True):
        if threes[index]:  # the fourth element of a vector of three is padding, in which anything may be
            mine, theirs = mine.reshape(-1, 4)[:, :3], theirs.reshape(-1, 4)[:, :3]
        np.testing.assert_array_equal(mine, theirs)
