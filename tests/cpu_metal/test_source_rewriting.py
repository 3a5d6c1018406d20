"""The rewriting touches what Clang has no spelling for, nothing else, and every place maps back."""

import pytest

from metalsci.cpu_metal.legalize import rewrite
from metalsci.msl.text.lexer import SourceText


def rewritten(source: str) -> str:
    return rewrite(SourceText(source.encode())).text.decode()


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ("x = float4(1, y);", "x = metal::_make<float4>(1, y);"),
        ("x = metal::uint2(1);", "x = metal::_make<metal::uint2>(1);"),
        ("x = vec<half, 3>(a, b);", "x = metal::_make<vec<half, 3>>(a, b);"),
        ("x = float4(*p);", "x = metal::_make<float4>(*p);"),
        ("x = half(b) + bfloat(h);", "x = metal::_make<half>(b) + metal::_make<bfloat>(h);"),
        ("vec<bool, 2> b = vec<bool, 2>(c);", "_bool_vec< 2> b = metal::_make<_bool_vec< 2>>(c);"),
        ("using P = vec<T, 2>; x = P<float>(1);", "using P = vec<T, 2>; x = metal::_make<P<float>>(1);"),
        ("using V = float4; x = V(1);", "using V = float4; x = metal::_make<V>(1);"),
        ("template <typename T> T f() { return T(0); }", "template <typename T> T f() { return metal::_make<T>(0); }"),
        ("#define P(x) float2(x, 1)\n", "#define P(x) metal::_make<float2>(x, 1)\n"),
        ("#define F2 float2\nx = F2(1, 2);", "#define F2 float2\nx = metal::_make<F2>(1, 2);"),
        ("float4 v(1, x), w(v);", "float4 v = metal::_make<float4>(1, x), w(v);"),
        (
            "const metal::uint2 at((i + 1) / 2, 3);",
            "const metal::uint2 at = metal::_make<metal::uint2>((i + 1) / 2, 3);",
        ),
    ],
)
def test_constructors(source: str, want: str) -> None:
    assert rewritten(source) == want


@pytest.mark.parametrize("literal", ["0.5", "1.", ".5", "1e8", "1.5E-3", "1'000.0", "0x1.8p3", "0x1p-7"])
def test_literals_are_floats(literal: str) -> None:
    assert rewritten(f"x = y*{literal};\n#define H {literal}\n") == f"x = y*{literal}f;\n#define H {literal}f\n"
    assert rewritten(f"struct S {{}}; S s = {literal};") == f"struct S {{}}; S s = metal::_load({literal}f);"


@pytest.mark.parametrize(("literal", "value"), [("0.5bf", "0.5"), ("3BF", "3.0"), ("1e-2bf", "1e-2"), (".5bf", ".5")])
def test_literals_of_bfloat(literal: str, value: str) -> None:
    assert rewritten(f"x = {literal};") == f"x = ((bfloat){value}f);"


@pytest.mark.parametrize(
    "literal", ["5", "0.5f", "1.h", "1e8F", "0x1p3f", "0x1e8", "5u", "a.x", "v.e1", "1'000", '"0.5"', "// 0.5"]
)
def test_other_literals_are_left_alone(literal: str) -> None:
    assert rewritten(f"x = {literal}\n;") == f"x = {literal}\n;"
    assert rewritten("#define PASTE(s) 0.5##s\n") == "#define PASTE(s) 0.5##s\n"


@pytest.mark.parametrize(
    "source",
    [
        "void f(threadgroup float4 (&tile)[16]);",
        "void f(float4 (&tile)[16]);",
        "{ float4 (*row)[16]; }",
        "device float4 (*rows)[4] = nullptr;",
        "float4 f(float4 x) { return x; }",
        "x = float(1) + int(2);",
        "struct S { operator float4() const; };",
        "// float4(1)\n/* float4(2) */",
        "float4 x = {1, 2, 3, 4};",
        "{ threadgroup float *p = q; }",
        "float4 f(float4 x, uint n);",
        "float4 f();",
        "float4 f(const thread S &s);",
        "template <typename T> T f(T);",
        "x.template load<4>(y);",
        "void f(threadgroup float *t) { t[0] = 1; }",
        "{ threadgroup float (&row)[4] = tile[0]; }",
    ],
)
def test_left_alone(source: str) -> None:
    assert rewritten(source) == source


@pytest.mark.parametrize(
    ("declaration", "want"),
    [
        ("threadgroup float a[4][N];", "typedef float _metal_a[4][N]; METAL_THREADGROUP(a);"),
        (
            "threadgroup vec<float, 4> a[2], b;",
            "typedef vec<float, 4> _metal_a[2], _metal_b; METAL_THREADGROUP(a); METAL_THREADGROUP(b);",
        ),
        ("static threadgroup uint n;", " typedef uint _metal_n; METAL_THREADGROUP(n);"),
        (
            "threadgroup float a[N * sizeof(T) == 0 ? 1 : S::M];",
            "typedef float _metal_a[N * sizeof(T) == 0 ? 1 : S::M]; METAL_THREADGROUP(a);",
        ),
        ("threadgroup\natomic_uint n;", "typedef\natomic_uint _metal_n; METAL_THREADGROUP(n);"),
        (
            "threadgroup float a[2] __attribute__((aligned(16)));",
            "typedef float _metal_a[2] __attribute__((aligned(16))); METAL_THREADGROUP(a);",
        ),
        (
            "alignas(16) threadgroup float a;",
            "__attribute__((aligned(16))) typedef float _metal_a; METAL_THREADGROUP(a);",
        ),
        ("threadgroup float local;", "typedef float _metal__metal_local; METAL_THREADGROUP(_metal_local);"),
    ],
)
def test_threadgroup_variables(declaration: str, want: str) -> None:
    assert rewritten("{" + declaration + "}") == "{" + want + "}"


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ('int x;\ntemplate [[host_name("f")]]\n[[kernel]] decltype(k<float>) k<float>;', "int x;\n\n;"),
        (
            "struct S { S() thread; float f() const thread; float g(thread S &); };",
            "struct S { S() ; float f() const ; float g(thread S &); };",
        ),
        (
            "struct S { thread S &f() thread; float g(thread S &(*)()) thread; };",
            "struct S { thread S &f() thread; float g(thread S &(*)()) ; };",
        ),
    ],
)
def test_instantiations_and_qualifiers(source: str, want: str) -> None:
    assert rewritten(source) == want


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ("uint local = global;", "uint _metal_local = _metal_global;"),
        ("struct S { int read_only; }; s.read_only", "struct S { int _metal_read_only; }; s._metal_read_only"),
        ("__global float *x; image2d_t y;", "_metal___global float *x; _metal_image2d_t y;"),
        ("#define W local\n", "#define W _metal_local\n"),
        ("uint locals, local_id, private_; // local", "uint locals, local_id, private_; // local"),
    ],
)
def test_words_of_opencl(source: str, want: str) -> None:
    assert rewritten(source) == want


STRUCT = "struct S { int a; }; constant S table[2] = {}; "


@pytest.mark.parametrize(
    ("source", "want"),
    [
        ("{ S s = table[1]; }", "{ S s = metal::_load(table[1]); }"),
        ("{ S s; s = table[1]; }", "{ S s; s = metal::_load(table[1]); }"),
        ("S f() { return table[0]; }", "S f() { return metal::_load(table[0]); }"),
        ("void f(S s, int n) {} { f(*p, 1); }", "void f(S s, int n) {} { f(metal::_load(*p), 1); }"),
        ("void f(const S s); { f(g(1, 2)); }", "void f(const S s); { f(metal::_load(g(1, 2))); }"),
        *[
            (same, same)
            for same in (
                "{ S s = {1}; s = {2}; }",
                "S f() { return {1}; }",
                "int f() { return table[0].a; }",
                "void f(constant S &s); { f(table[0]); }",
                "void f(S s); { f({1}); f(S{1}); }",
                "void f(S s); void f(constant S &s); { f(table[0]); }",
                "void f(int n); { f(1); }",
            )
        ],
    ],
)
def test_copies_of_structs(source: str, want: str) -> None:
    assert rewritten(STRUCT + source) == STRUCT + want


def test_arguments_are_left_alone_where_no_struct_is_in_constant_memory() -> None:
    source = "struct S { int a; }; void f(S s) {} S g(S s) { f(s); return s; }"
    assert rewritten(source) == source


def test_every_place_maps_back() -> None:
    source = "{ threadgroup float a[4];\n  x = float4(1, 2, 3, 4) + float2(5, 6).xyxy; } // ünicode\ny = half2(z);"
    result = rewrite(SourceText(source.encode()))
    lines = result.text.split(b"\n")
    for word in (b"float a", b"1, 2", b"5, 6", b".xyxy", b"// ", b"z);"):
        plain = word.replace(b"float a", b"a[")
        line = next(i for i, text in enumerate(lines) if plain in text)
        want_line = next(i for i, text in enumerate(source.encode().split(b"\n")) if plain in text)
        column = lines[line].index(plain)
        want = source.encode().split(b"\n")[want_line].index(plain)
        assert result.original(line + 1, column + 1) == (want_line + 1, want + 1), word
