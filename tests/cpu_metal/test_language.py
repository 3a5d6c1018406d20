"""Refusals before Clang, as Apple's compiler words them: message, line and column; and nothing else is refused.

Whole programs, accepted and refused, are in tests/conformance.
"""

import pytest

from metalsci.cpu_metal import Device
from metalsci.cpu_metal.compile.language_rules import check_language
from metalsci.cpu_metal.mlx.preamble import fallback_preamble, installed_preamble
from metalsci.msl.language.parse import parse


def found(source: str) -> list[str]:
    return [str(d) for d in check_language(parse(source))]


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        (
            "void f() {\n  goto end;\nend: return; }",
            [
                "2:3: error: 'goto' is not supported in Metal",
                "3:1: error: labeled statements are not supported in Metal",
            ],
        ),
        ("auto p = new float;", ["1:10: error: 'new' is not supported in Metal"]),
        ("auto f = [](int a) { return a; };", ["1:10: error: lambda expressions are not supported in Metal"]),
        ("template <typename T> double f(T x);", ["1:23: error: 'double' is not supported in Metal"]),
        ("long\nlong x;", ["1:1: error: 'long long' is not supported in Metal"]),
        ("void f() { bool b = noexcept(1); }", ["1:21: error: 'noexcept' is not supported in Metal"]),
        ("float vertex = 1;", ["1:14: error: expected unqualified-id"]),
        ("vertex void f() {}", ["1:1: error: 'vertex' functions are not supported by this device: it runs kernels"]),
        ("struct S { kernel void k() {} };", ["1:24: error: kernel function cannot be a member function"]),
        ("int main() {}", ["1:5: error: non-qualified function cannot be called 'main'"]),
        ("float a[0];", ["1:9: error: zero-length arrays are not permitted in C++"]),
        ("void f(float *p);", ["1:14: error: pointer type must have explicit address space qualifier"]),
        ("int f(int n) { return f(n); }", ["1:23: error: recursion is not supported: 'f' calls itself"]),
    ],
)
def test_each_is_told_where_it_stands(source: str, messages: list[str]) -> None:
    assert found(source) == messages


@pytest.mark.parametrize(
    "source",
    [
        '// goto\n/* new */ const constant char *s = "throw";',
        "#define STOP goto end\n",
        "#if 0\ngoto end;\n#endif",
        "#ifndef __METAL__\nfloat *p; double d; class A { virtual void f(); };\n#endif",
        "struct S { S() = default; S(int) = delete; };",
        "struct S { constexpr operator int() const thread noexcept { return 1; } };",
        "void f(S s) { s.vertex = p->fragment + s.delete_; switch (1) { case 1: default: break; } x = a ? b : c; }",
        "void f(int a) { x[a * 2] = y[0]; if (a > 1) x[0][0] = 1; }",
        "struct texture2d {}; texture2d t; float sampler = 1;",
        "namespace mlx { struct os_log {}; } mlx::os_log log;",
        "[[max_total_threads_per_threadgroup(64)]] kernel void k(uint i [[thread_position_in_grid]]) {}",
        "void f(",
        "}}}} [[ << \" '",
        "\0\xff\ud800",
    ],
)
def test_nothing_is_said_of_the_rest(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    "declaration",
    [
        "void f(device float *p, const constant float4 &v, threadgroup float (&t)[4], float thread *q);",
        "void f(device float *&p, device float *thread *q);",
        "template <typename T> void f(T *p, thread T &r, vec<T, 4> v);",
        "typedef device float *F; using C = const constant float; void f(F p, C *q, thread F *r);",
        "void f() { auto p = q; auto *r = p; device auto &s = *r; float a = b * c; foo(a & b, a * b); }",
        "struct S { device float *p; thread S &operator=(const thread S &s) thread; };",
        "void f(float (*callback)(float));",
        "void f(Unknown *p);",
        "#define SPACE device\nvoid f(SPACE float *p, float SPACE *q) { SPACE float *r = (SPACE float *)p; }",
        "#define REAL float\n#define POINTER(T) device T *\nvoid f(POINTER(REAL) p);",
        "template <typename real> void f(real *p); typedef float other;",
        "template <typename T> struct Tile { Tile<T> *next; T *data; };",
    ],
)
def test_pointers_that_say_or_may_say_where_they_lead(declaration: str) -> None:
    assert found(declaration) == []


@pytest.mark.parametrize(
    "source",
    [
        "float f(float2 v); float f(float x) { return x; } float f(float2 v) { return f(v.x); }",
        "template <int N> int f() { return f<N - 1>(); }",
        "template <typename T> T f(T x) { if constexpr (sizeof(T) > 4) return f(x.x); return x; }",
        "constexpr int f(int n) { return n ? f(n - 1) : 0; }",
        "float max(float3 v) { return max(v.x, v.y); }",
        "struct A { int f() { return 1; } }; struct B { A a; int f() { return a.f(); } };",
        "struct A { int f(int n) const { return n; } int f() const { return f(1); } };",
        "namespace a { int f(); } namespace b { int f() { return a::f(); } }",
        "int f() { return 1; } int g() { return f() + f(); }",
    ],
)
def test_calls_that_do_not_come_back_for_certain(source: str) -> None:
    assert found(source) == []


def test_nothing_is_said_of_mlx() -> None:
    assert found(installed_preamble().compiled) == found(fallback_preamble().compiled) == []


def test_instances_of_a_kernel_template_have_their_host_names(device: Device) -> None:
    source = (
        "#include <metal_stdlib>\ntemplate <typename T, int N> kernel void fill(device T *x [[buffer(0)]],"
        " uint i [[thread_position_in_grid]]) { x[i] = T(N); }\n"
        'template [[host_name("fill_half_3")]] kernel void fill<half, 3>(device half *, uint);\n'
        'template [[host_name("fill_int_4")]] [[kernel]] decltype(fill<int, 4>) fill<int, 4>;\n'
    )
    assert set(device.compile(source).kernels) == {"fill_half_3", "fill_int_4"}
