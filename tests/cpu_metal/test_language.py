"""What of the language is accepted, and what is refused as Apple's compiler refuses it."""

import pytest

from metalsci.cpu_metal import CompileError, Device

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
KERNEL = "kernel void k(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) {{ {} }}\n"

ACCEPTED = {
    "swizzles": "float4 a = float4(1); a.xz = float2(2); a.rgb = 3; x[i] = a.x;",
    "constructor of a declaration": "float4 v(1, 2, 3, 4), w(v); const metal::float2 u(v.xy); x[i] = dot(v + w,"
    " u.xyxy);",
    "conversions": "int4 a = int4(float4(1.5f)); uchar2 b = uchar2(a.xy); half3 c = half3(1, float2(b)); x[i] = c.z;",
    "vec of a template argument": "vec<float, 3> v = vec<float, 3>(1, float2(2)); x[i] = v.z;",
    "packed types": "packed_float3 p = packed_float3(1, 2, 3); p.x += 1; float3 q = p * 2.0f + p; x[i] = q.y;",
    "comparison of vectors": "x[i] = all(float4(1) < float4(2)) && any(float2(x[i]) == 0.0f) ? 1 : 0;",
    "select": "x[i] = select(float4(1), float4(2), float4(x[i]) > 0.0f).x + select(1.0f, 2.0f, x[i] > 0);",
    "auto": "auto v = float4(1).xyz; for (auto k = 0u; k < 3; ++k) x[i] += v[k];",
    "pragma unroll": "\n#pragma unroll\nfor (int k = 0; k < 4; ++k) x[i] += k;\n#pragma unroll(4)\nfor (int k = 0; k"
    " < 4; ++k) x[i] += k;",
    "reinterpretation": "device const float4 *q = (device const float4 *)x; x[i] = q[0].x + as_type<float>(1u);",
    "half": "half4 a = half4(half(x[i]), 1.0h, 2, 3); x[i] = float(max(a.x, 1.0h) * a.y);",
    "bfloat": "bfloat a = bfloat(x[i]); x[i] = float(a * bfloat(2.0f)) + sizeof(bfloat);",
    "matrices": "float3x3 m = float3x3(1.0f); m[1] = m * float3(1, 2, 3); x[i] = determinant(m * transpose(m));",
    "namespaces": "x[i] = metal::fma(1.0f, 2.0f, fast::exp(1.0f)) + precise::log(2.0f) + metal::precise::sin(1.0f);",
    "mem_flags": "threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup); x[i] = 1;",
    "threadgroup in a nested scope": "if (i < 4) {{ threadgroup float t[4]; t[i] = 1; x[i] = t[i]; }}",
    "implicit promotion of scalars": "x[i] = max(float4(x[i]), 0.0f).x + clamp(float2(3), 0.0f, 1.0f).y + pow(x[i],"
    " 2);",
}
PROGRAMS = {
    "constant tables": "constant float T[2] = {1, 2}; static constant int N = 2; constexpr constant int M = 3;\n"
    + KERNEL.format("x[i] = T[i % N] * M;"),
    "constexpr functions": "constexpr float twice(int k) { return k * 2.0f; }\nconstant float T[2] = {twice(1),"
    " twice(2)};\n" + KERNEL.format("x[i] = T[i & 1];"),
    "vectors in constants": "constant float4 T[2] = {float4(1, 2, 3, 4), float4(float2(5), 6, 7)};\n"
    + KERNEL.format("x[i] = T[i & 1].w;"),
    "templates with methods": "template <typename T, uint N> struct A { T v[N]; T sum() const { T s = T(0); for (uint k"
    " = 0; k < N; ++k)"
    " s += v[k]; return s; } };\n" + KERNEL.format("A<float, 3> a = {{1, 2, 3}}; x[i] = a.sum();"),
    "copies from constant memory": "struct P { float a; int b; };\nkernel void k(device float *x [[buffer(0)]],"
    " constant P &p [[buffer(1)]]) { P q = p; x[0] = q.a; }",
    "address spaces of methods": "struct C { float r; C(float r) thread : r(r) {} float get() const thread { return r;"
    " }"
    " float get() const device { return -r; } };\n" + KERNEL.format("x[i] = C(2).get();"),
    "macros": "#define LOAD(p, k) float4(p[k], 0, 0, 1)\n#define F2 float2\n"
    + KERNEL.format("x[i] = LOAD(x, i).x + F2(1, 2).y;"),
    "kernel templates": "template <typename T, int N> kernel void fill(device T *x [[buffer(0)]], uint i"
    " [[thread_position_in_grid]])"
    ' { x[i] = T(N); }\ntemplate [[host_name("fill_half_3")]] kernel void fill<half, 3>(device half *, uint);\n'
    'template [[host_name("fill_int_4")]] [[kernel]] decltype(fill<int, 4>) fill<int, 4>;\n',
    "simdgroup matrices": "kernel void k(device const float *a [[buffer(0)]], device float *c [[buffer(1)]]) {"
    " simdgroup_float8x8 m, n;"
    " simdgroup_load(m, a, 8); simdgroup_multiply_accumulate(n, m, m, m); simdgroup_store(n, c, 8); }",
    "other headers": "#include <metal_simdgroup_matrix>\n#include <metal_atomic>\n" + KERNEL.format("x[i] = 1;"),
}
REFUSED = {
    "lambda": ("auto f = [](float a) {{ return a; }}; x[i] = f(1);", "lambda expressions are not supported in Metal"),
    "capturing lambda": (
        "x[i] = 1; float y = 2; auto f = [&] {{ return y; }};",
        "lambda expressions are not supported in Metal",
    ),
    "static variable": ("static float g = 1; x[i] = g;", "variables in function scope cannot be declared static"),
    "reserved word": ("float half = 1; x[i] = half;", "cannot combine with previous 'float' declaration specifier"),
    "cast between address spaces": ("thread float *p = (thread float *)x; p[i] = 1;", "address space"),
    "double": ("double a = 1; x[i] = a;", "'double' is not supported in Metal"),
    "goto": ("goto end; end: x[i] = 1;", "'goto' is not supported in Metal"),
    "new": ("x[i] = *new float(1);", "'new' is not supported in Metal"),
    "exceptions": ("try {{ x[i] = 1; }} catch (...) {{}}", "'try' is not supported in Metal"),
    "virtual": (
        "struct S {{ virtual float f() {{ return 1; }} }}; x[i] = 1;",
        "virtual member functions are not supported in Metal",
    ),
    "ambiguous overload": ("x[i] = max(x[i], 0);", "call to 'max' is ambiguous"),
    "unknown function": ("x[i] = lerp(1.0f, 2.0f, 0.5f);", "use of undeclared identifier 'lerp'"),
    "OpenCL's functions": ("x[get_global_id(0)] = 1;", "use of undeclared identifier 'get_global_id'"),
    "vectors of different types": ("float4 a = float4(1) + int4(1); x[i] = a.x;", "vector"),
    "vector to a shorter one": ("float3 a = float4(1); x[i] = a.x;", "cannot initialize a variable of type 'float3'"),
    "array of unknown size": ("float a[i]; x[i] = a[0];", "array size is not a constant expression"),
    "pointer to function": ("float (*f)(float) = nullptr; x[i] = 1;", "pointers to functions are not allowed"),
    "store to constant": ("constant float *p = nullptr; p[0] = 1;", "not assignable"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_statements(device: Device, name: str) -> None:
    device.compile(HEADER + KERNEL.format(ACCEPTED[name].format()))


@pytest.mark.parametrize("name", PROGRAMS)
def test_accepted_programs(device: Device, name: str) -> None:
    assert device.compile(HEADER + PROGRAMS[name]).kernels


def test_instances_of_a_kernel_template_have_their_host_names(device: Device) -> None:
    assert set(device.compile(HEADER + PROGRAMS["kernel templates"]).kernels) == {"fill_half_3", "fill_int_4"}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_statements(device: Device, name: str) -> None:
    statement, said = REFUSED[name]
    with pytest.raises(CompileError) as refused:
        device.compile(HEADER + KERNEL.format(statement.format()))
    assert any(said in d.message and d.line == 3 for d in refused.value.diagnostics), refused.value


def test_program_scope_is_for_constants(device: Device) -> None:
    with pytest.raises(CompileError, match="program scope variable must reside in constant address space"):
        device.compile(HEADER + "float g = 1;\n" + KERNEL.format("x[i] = g;"))


def test_function_constants_are_refused_clearly(device: Device) -> None:
    with pytest.raises(CompileError, match="function constants are not supported by this device"):
        device.compile(HEADER + "constant bool on [[function_constant(0)]];\n" + KERNEL.format("x[i] = on;"))
