"""The result of lowering a file, and the source that MLX's generator makes of it."""

import re
import time
from pathlib import Path

import mlx.core as mx
import pytest
from mlx_generator import Emit

from metalsci.msl.diagnostics import CompileError
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import LoweredKernel, lower
from metalsci.msl.text.lexer import SourceText

FILES = sorted((Path(__file__).parent / "kernels").glob("*.metal"))


def only(source: str) -> LoweredKernel:
    (kernel,) = lower(parse(source)).values()
    return kernel


def emit(emitted: Emit, kernel: LoweredKernel, size: int = 64) -> str:
    """Return MLX's text for arrays of `size` values of each parameter."""
    inputs = {b.name: mx.zeros(() if b.scalar else (size * b.elements,), getattr(mx, b.dtype)) for b in kernel.inputs}
    outputs = {b.name: ((size * b.elements,), getattr(mx, b.dtype)) for b in kernel.outputs}
    return emitted(kernel, inputs, outputs)


def test_worked_example(emitted: Emit) -> None:
    """The one of docs/mlx.md."""
    kernel = only("""\
#include <metal_stdlib>
using namespace metal;

constant float G = 9.81f;

[[max_total_threads_per_threadgroup(128)]]
kernel void drift(device const float4 *pos_in [[buffer(0)]],
                  device float4 *pos_out [[buffer(1)]],
                  device const float *mass [[buffer(2)]],
                  constant float &dt [[buffer(3)]],
                  uint i [[thread_position_in_grid]]) {
    pos_out[i] = pos_in[i] + dt * G / mass[i];
}
""")
    assert (kernel.input_names, kernel.output_names) == (("pos_in_data", "mass", "dt"), ("pos_out_data",))
    assert (
        emit(emitted, kernel)
        == """\
template <typename T, typename U>
const device T* view_as(const device U* data) {
    return reinterpret_cast<const device T*>(data);
}
template <typename T, typename U>
const constant T* view_as(const constant U* data) {
    return reinterpret_cast<const constant T*>(data);
}
#include <metal_stdlib>
using namespace metal;

constant float G = 9.81f;
[[max_total_threads_per_threadgroup(128)]]
[[kernel]] void custom_kernel_drift_float_float_floats_float(
  const device float* pos_in_data [[buffer(0)]],
  const device float* mass [[buffer(1)]],
  const constant float& dt [[buffer(2)]],
  device float* pos_out_data [[buffer(3)]],
  uint3 thread_position_in_grid [[thread_position_in_grid]]) {
    uint i = thread_position_in_grid.x;
    auto pos_in = view_as<float4>(pos_in_data);
    device float4* pos_out = reinterpret_cast<device float4*>(pos_out_data);
{
    pos_out[i] = pos_in[i] + dt * G / mass[i];
}
}
"""
    )


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_mlx_declares_each_argument_once_with_the_type_the_prologue_expects(path: Path, emitted: Emit) -> None:
    for kernel in lower(parse(path.read_text())).values():
        text = emit(emitted, kernel)
        (generated,) = parse(text).kernels
        names = [p.name for p in generated.parameters]
        assert len(set(names)) == len(names)
        assert [p.name for p in generated.buffers] == [*kernel.input_names, *kernel.output_names]
        assert [p.index for p in generated.buffers] == list(range(len(kernel.bindings)))
        assert [p.writable for p in generated.buffers] == [b.output for b in (*kernel.inputs, *kernel.outputs)]
        assert generated.max_total_threads_per_threadgroup == kernel.max_total_threads_per_threadgroup


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_line_of_header_and_body_leads_back_to_the_file(path: Path, emitted: Emit) -> None:
    source = path.read_text()
    lines = source.splitlines()
    for kernel in lower(parse(source)).values():
        text = "// MLX's preamble\n\n" + emit(emitted, kernel)
        mapped = 0
        for number, line in enumerate(text.splitlines(), 1):
            column = len(line) - len(line.lstrip()) + 1
            place = kernel.locate(text, number, column)
            if place is None or not line.strip():
                continue
            mapped += 1
            user_line, user_column = place
            assert lines[user_line - 1][user_column - 1 :].startswith(line.strip()[:4])
        found = parse(source).kernel(kernel.name)
        assert found
        body = found.body
        assert mapped >= source.encode()[slice(*body)].count(b"\n")


def test_text_of_mlx_leads_nowhere(emitted: Emit) -> None:
    kernel = only("kernel void f(device float4 *x, uint i [[thread_position_in_grid]]) { x[i] = 0; }")
    text = emit(emitted, kernel)
    lines = text.splitlines()
    (signature,) = (n for n, line in enumerate(lines, 1) if "[[kernel]]" in line)
    (prologue,) = (n for n, line in enumerate(lines, 1) if "uint i =" in line)
    assert kernel.locate(text, signature, 1) is None
    assert kernel.locate(text, prologue, 10) is None
    assert kernel.locate("something else", 1, 1) is None


def test_columns_lead_back_too(emitted: Emit) -> None:
    source = "// ²\nconstant float A = 1; kernel void f(device float *x) { x[0] = undefined; }\n"
    kernel = only(source)
    text = emit(emitted, kernel)
    offset = text.encode().index(b"undefined")
    located = kernel.locate(text, *SourceText(text.encode()).position(offset))
    assert located is not None
    line, column = located
    assert source.splitlines()[line - 1][column - 1 :].startswith("undefined")


def test_a_kernel_sees_the_file_as_it_was_where_it_stood() -> None:
    source = """\
#define A 1
float late(float x);
kernel void first(device float *x) { x[0] = late(A); }
#undef A
#define A 2
float late(float x) { return x; }
kernel void second(device float *x) {
#define B 3
    x[0] = late(A) + B;
}
kernel void third(device float *x) { x[0] = A + B; }
"""
    first, second, third = lower(parse(source)).values()
    assert first.header == (
        "#define A 1\nfloat late(float x);\n"
        '#pragma push_macro("A")\n#pragma push_macro("B")\n'
        "#undef A\n#define A 2\nfloat late(float x) { return x; }\n#define B 3\n"
        '#pragma pop_macro("A")\n#pragma pop_macro("B")\n'
    )
    assert (
        second.header == "#define A 1\nfloat late(float x);\n#undef A\n#define A 2\nfloat late(float x) { return x; }\n"
    )
    assert third.header == second.header + "#define B 3\n"


def test_an_open_condition_is_closed() -> None:
    kernel = only("#ifndef X\nkernel void f(device float *x) { x[0] = 0; }\n#else\nfloat g();\n#endif\n")
    assert kernel.header == "#ifndef X\n#else\nfloat g();\n#endif\n"


def test_template_arguments_become_declarations() -> None:
    source = """\
template <typename T, int N> kernel void f(device T *x) { x[0] = T(N); }
template [[host_name("f_half")]] [[kernel]] void f<half, 4>(device half *);
"""
    kernel = only(source)
    assert kernel.source.startswith("    using T = half;\n    constexpr int N = 4;\n{ x[0] = T(N); }")
    assert "template" not in kernel.header


@pytest.mark.parametrize(
    ("parameter", "line"),
    [
        ("device float *x", None),
        ("device float &x", "device float& x = *reinterpret_cast<device float*>(x_data);"),
        ("device char *x", "device char* x = reinterpret_cast<device char*>(x_data);"),
        ("device atomic_uint *x", "device atomic_uint* x = reinterpret_cast<device atomic_uint*>(x_data);"),
        ("device float4 *x", "device float4* x = reinterpret_cast<device float4*>(x_data);"),
        ("device float *grid_size", "device float* grid_size = grid_size_data;"),
        ("device const float *x", None),
        ("device const char *x", "auto x = view_as<char>(x_data);"),
        ("device const packed_float3 *x", "auto x = view_as<packed_float3>(x_data);"),
        ("constant half2 *x", "auto x = view_as<half2>(x_data);"),
        ("device const float *grid_size", "auto grid_size = grid_size_data;"),
        ("constant uint &x", None),
        ("device const uint &x", None),
        ("constant char &x", "const constant char& x = reinterpret_cast<const constant char&>(x_data);"),
        ("constant ulong &x", "const constant ulong& x = reinterpret_cast<const constant ulong&>(x_data);"),
        ("constant uint &grid_size", "const constant uint& grid_size = grid_size_data;"),
        ("constant float4 &x", "const constant float4& x = *reinterpret_cast<const constant float4*>(x_data);"),
        ("constant float3x3 &x", "const device float3x3& x = *reinterpret_cast<const device float3x3*>(x_data);"),
        ("uint x [[thread_position_in_grid]]", "uint x = thread_position_in_grid.x;"),
        ("uint2 x [[thread_position_in_grid]]", "uint2 x = thread_position_in_grid.xy;"),
        ("uint3 x [[threads_per_grid]]", "uint3 x = threads_per_grid;"),
        ("ushort x [[threads_per_grid]]", "ushort x = ushort(threads_per_grid.x);"),
        ("const ushort2 x [[threads_per_grid]]", "const ushort2 x = ushort2(threads_per_grid.xy);"),
        ("uint x [[thread_index_in_simdgroup]]", "uint x = thread_index_in_simdgroup;"),
        ("ushort x [[simdgroup_index_in_threadgroup]]", "ushort x = ushort(simdgroup_index_in_threadgroup);"),
    ],
)
def test_how_a_parameter_is_bound(parameter: str, line: str | None) -> None:
    kernel = only(f"kernel void f({parameter}, device float *other) {{}}")
    assert [text.strip() for text in kernel.source.splitlines()] == ([line] if line else []) + ["{}"]


@pytest.mark.parametrize(
    ("type_", "dtype", "elements"),
    [
        ("float", "float32", 1), ("float2", "float32", 2), ("float3", "float32", 4), ("packed_float3", "float32", 3),
        ("half4", "float16", 4), ("bfloat", "bfloat16", 1), ("char", "int8", 1), ("bool", "bool_", 1),
        ("ulong", "uint64", 1), ("atomic_int", "int32", 1), ("metal::float4x4", "float32", 16),
        ("vec<ushort, 2>", "uint16", 2), ("unsigned int", "uint32", 1),
    ],
)  # fmt: skip
def test_what_a_caller_must_know_of_a_buffer(type_: str, dtype: str, elements: int) -> None:
    (binding,) = only(f"kernel void f(device {type_} *x) {{}}").bindings
    assert (binding.dtype, binding.elements, binding.output) == (dtype, elements, True)
    assert binding.atomic == ("atomic" in type_)
    assert not binding.scalar


def test_bindings_are_in_the_order_of_indices() -> None:
    kernel = only(
        "kernel void f(device float *o [[buffer(3)]], constant uint &n [[buffer(1)]], "
        "device const float *x [[buffer(0)]], device uint *p [[buffer(2)]]) {}"
    )
    assert [b.parameter.name for b in kernel.bindings] == ["x", "n", "p", "o"]
    assert (kernel.input_names, kernel.output_names) == (("x", "n"), ("p", "o"))
    assert [b.scalar for b in kernel.inputs] == [False, True]


def test_the_width_of_a_simdgroup_goes_by_the_name_that_the_body_uses(emitted: Emit) -> None:
    kernel = only(
        "kernel void f(device float *x, uint thread_execution_width [[threads_per_simdgroup]]) "
        "{ x[0] = thread_execution_width; }"
    )
    attributes = [p.attribute for p in parse(emit(emitted, kernel)).kernels[0].parameters]
    assert attributes == ["buffer", "thread_execution_width"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "kernel void f(device float *x, threadgroup float *t [[threadgroup(0)]]) {}",
            "1:32: error: 'threadgroup float *t' is threadgroup memory that the host provides, which MLX does not: "
            "declare the array inside the kernel",
        ),
        (
            "struct P { float a; };\nkernel void f(device float *x, constant P &p) {}",
            "2:32: error: 'P' cannot be the element type of an MLX array: pass scalars or vectors",
        ),
        (
            "kernel void f(device float *x, texture2d<float> t [[texture(0)]]) {}",
            "1:32: error: 'texture2d<float> t' cannot be bound by mx.fast.metal_kernel, which passes arrays",
        ),
        (
            "kernel void f(device const float *x) {}",
            "1:13: error: kernel 'f' has no writable buffer, and MLX kernels return their outputs",
        ),
        (
            "constant bool fast [[function_constant(0)]];\nkernel void f(device float *x) {}",
            "1:22: error: function constants get no value from mx.fast.metal_kernel: use a macro or a constant",
        ),
        (
            "inline uint grid_size(uint n) { return n; }\nkernel void f(device float *x) { x[0] = grid_size(3); }",
            "1:13: error: 'grid_size' is the name of an argument that MLX adds to the kernel: choose another",
        ),
        (
            "#define threads_per_grid 4\nkernel void f(device float *x) { x[0] = threads_per_grid; }",
            "1:1: error: 'threads_per_grid' is the name of an argument that MLX adds to the kernel: choose another",
        ),
        ("kernel void f(device float *x) {}\nkernel void f(device float *x) {}", "2:13: error: redefinition of 'f'"),
    ],
)
def test_what_cannot_be_lowered_is_said(source: str, message: str) -> None:
    with pytest.raises(CompileError) as error:
        lower(parse(source))
    assert message in [str(d) for d in error.value.diagnostics]


def test_only_the_kernels_asked_for_need_be_lowerable() -> None:
    unit = parse("kernel void good(device float *x) {}\nkernel void bad(device const float *x) {}")
    assert set(lower(unit, ["good"])) == {"good"}
    with pytest.raises(CompileError):
        lower(unit)


def test_helpers_may_use_names_of_arguments() -> None:
    source = """\
inline uint g(uint grid_size) { return grid_size; }
kernel void f(device float *x) { uint grid_size = 2; x[0] = g(grid_size); }
"""
    assert only(source).output_names == ("x",)


def test_lowering_takes_time_in_proportion_to_the_text() -> None:
    helper = """\
inline float helper{0}(float a, float b) {{
    float c = a * b + {0}.0f;
    return c > 0.0f ? c : -c;
}}
"""
    kernel = """\
kernel void step{0}(device const float *u [[buffer(0)]], device float *v [[buffer(1)]], constant uint &N [[buffer(2)]],
                   uint2 gid [[thread_position_in_grid]]) {{
    if (gid.x >= N) return;
    v[gid.x] = helper{0}(u[gid.x], {0}.0f);
}}
"""

    def seconds(helpers: int) -> float:
        source = "".join(helper.format(i) for i in range(helpers)) + "".join(kernel.format(i) for i in range(3))
        started = time.process_time()
        assert len(lower(parse(source))) == 3
        return time.process_time() - started

    short, long = (min(seconds(helpers) for _ in range(5)) for helpers in (40, 320))
    assert long < 8 * 3 * short


def test_comments_and_directives_in_a_body_survive() -> None:
    source = "kernel void f(device float *x) {\n#if 0\n}\n#endif\n  x[0] = 1; // }\n}\n"
    assert re.search(r"\{\n#if 0\n\}\n#endif\n  x\[0\] = 1; // \}\n\}", only(source).source)
