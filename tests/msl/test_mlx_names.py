"""The assumptions about MLX's generator, checked on MLX itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_generator import Emit
from tree_sitter import Node

from metalsci.msl.language.attributes import BUILT_IN, POSITIONS
from metalsci.msl.language.parse import parse
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.language.syntax import first, parse_metal
from metalsci.msl.language.types import value_type
from metalsci.msl.mlx.lower import lower
from metalsci.msl.mlx.mlx_names import CONSTANT_BELOW, INPUT_SUFFIXES, PREAMBLE, SAME_TYPES

HEADERS = Path(mx.__file__).parent / "include/mlx/backend/metal/kernels"
# Overloads for more types of functions that Metal has, and macros of MLX's own prefix.
METALS_OWN = {"simd_shuffle", "simd_shuffle_and_fill_up", "simd_shuffle_down", "simd_shuffle_up"}


def signature(emitted: Emit, source: str, **inputs: mx.array) -> KernelSignature:
    kernel = lower(parse(source))["f"]
    arrays = {name: inputs[name] for name in kernel.input_names}
    outputs = {b.name: ((8,), getattr(mx, b.dtype)) for b in kernel.outputs}
    return parse(emitted(kernel, arrays, outputs)).kernels[0]


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_arguments_are_added_under_their_own_names(name: str, emitted: Emit) -> None:
    width = "uint3" if name in POSITIONS else "uint"
    kernel = signature(emitted, f"kernel void f(device float *x, {width} i [[{name}]]) {{ x[0] = 0; }}")
    assert [(p.type, p.attribute) for p in kernel.parameters if p.name == name] == [(width, name)]


@pytest.mark.parametrize("suffix", INPUT_SUFFIXES)
def test_arguments_are_added_for_what_looks_like_a_shape(suffix: str, emitted: Emit) -> None:
    run: Any = mx.fast.metal_kernel(
        name="f",
        input_names=["x"],
        output_names=["y"],
        source=f"uint my_x{suffix}; uint i = thread_position_in_grid.x;",
    )
    found = []
    mx.export_function(
        lambda event: found.append(event["arguments"][1]) if event["type"] == "primitive" else None,
        lambda x: run(
            inputs=[x], output_shapes=[(8,)], output_dtypes=[mx.float32], grid=(1, 1, 1), threadgroup=(1, 1, 1)
        ),
        mx.zeros((8,)),
    )
    assert f"x{suffix}" in [p.name for p in parse(found[0]).kernels[0].parameters]


@pytest.mark.parametrize(("size", "space"), [(CONSTANT_BELOW - 1, "constant"), (CONSTANT_BELOW, "device")])
def test_small_inputs_are_constants(size: int, space: str, emitted: Emit) -> None:
    source = "kernel void f(device const float *x, device float *y) { y[0] = x[0]; }"
    (x, _) = signature(emitted, source, x=mx.zeros((size,))).parameters
    assert (x.address_space, x.indirection) == (space, "pointer")


@pytest.mark.parametrize("scalar", sorted(SAME_TYPES))
def test_types_of_arguments(scalar: str, emitted: Emit) -> None:
    source = f"kernel void f(device const {scalar} *x, device {scalar} *y) {{ y[0] = x[0]; }}"
    kind = value_type(scalar)
    assert kind
    dtype = getattr(mx, kind.dtype)
    x, y = signature(emitted, source, x=mx.zeros((8,), dtype)).parameters
    known = {"float16_t": "half", "bfloat16_t": "bfloat"}
    assert {known.get(p.type, p.type) for p in (x, y)} == {p.type for p in parse(source).kernels[0].parameters} or (
        value_type(x.type) == value_type(y.type) == value_type(scalar)
    )


def test_names_at_file_scope_of_the_preamble() -> None:
    """Names of the headers in MLX's preamble, without Metal's own."""
    found = set()
    for header in ("utils", "bf16", "complex", "defines", "logging"):
        text = (HEADERS / f"{header}.h").read_bytes()
        plain = re.sub(rb"METAL_FUNC|^instantiate_\w+\(.*\);", b"", text, flags=re.MULTILINE)
        found |= set(_declared(parse_metal(plain).root_node))
    assert found - METALS_OWN == PREAMBLE


def _declared(scope: Node) -> Iterator[str]:
    for node in scope.children:
        if node.type.startswith("preproc_if") or node.type in ("template_declaration", "preproc_else"):
            yield from _declared(node)
        elif node.type in ("struct_specifier", "namespace_definition", "alias_declaration"):
            yield _identifier(node.child_by_field_name("name"))
        elif node.type in ("function_definition", "declaration", "type_definition"):
            name = _identifier(node.child_by_field_name("declarator"))
            if name:
                yield name


def _identifier(node: Node | None) -> str:
    """Return the name in a declarator; empty for an operator."""
    found = node and first(node, "identifier", "type_identifier", "namespace_identifier", "operator_name")
    if found is None or found.text is None or found.type == "operator_name":
        return ""
    return found.text.decode()
