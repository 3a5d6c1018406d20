"""From text to signatures."""

import time
from pathlib import Path

import pytest

from metalsci.msl.language.parse import parse
from metalsci.msl.language.signature import AddressSpace, Indirection, KernelSignature, Parameter, TemplateArgument

KERNELS = sorted((Path(__file__).parent / "kernels").glob("*.metal"))


def only(source: str) -> KernelSignature:
    unit = parse(source)
    assert [str(d) for d in unit.diagnostics] == []
    (kernel,) = unit.kernels
    return kernel


def parameter(declaration: str, before: str = "") -> Parameter:
    (found,) = only(f"{before}\nkernel void f({declaration}) {{}}").parameters
    return found


@pytest.mark.parametrize(
    ("declaration", "type_", "space", "indirection", "const"),
    [
        ("device const float *x", "float", "device", "pointer", True),
        ("const device float *x", "float", "device", "pointer", True),
        ("float const device *x", "float", "device", "pointer", True),
        ("float device* x", "float", "device", "pointer", False),
        ("device float4 *x [[buffer(3)]]", "float4", "device", "pointer", False),
        ("device float x[]", "float", "device", "pointer", False),
        ("device float &x", "float", "device", "reference", False),
        ("constant uint &x", "uint", "constant", "reference", False),
        ("constant const uint &x", "uint", "constant", "reference", True),
        ("device float x[6][4]", "float[4]", "device", "pointer", False),
        ("device const float (*x)[4]", "float[4]", "device", "pointer", True),
        ("threadgroup half (*x [[threadgroup(0)]])[8]", "half[8]", "threadgroup", "pointer", False),
        ("device uint (&x)[6][4]", "uint[6][4]", "device", "reference", False),
        ("constant float (&x)[9]", "float[9]", "constant", "reference", False),
        ("threadgroup half *x [[threadgroup(0)]]", "half", "threadgroup", "pointer", False),
        ("device metal::atomic<uint> *x", "metal::atomic<uint>", "device", "pointer", False),
        ("device vec<float, 3> *x", "vec<float, 3>", "device", "pointer", False),
        ("const device unsigned char *x", "unsigned char", "device", "pointer", True),
        ("volatile coherent(device) device uint *x", "uint", "device", "pointer", False),
        ("device float *__restrict x", "float", "device", "pointer", False),
        ("device float *__restrict__ x", "float", "device", "pointer", False),
        ("device float *restrict x", "float", "device", "pointer", False),
        ("const device float* device* x", "float const device*", "device", "pointer", False),
        ("uint2 x [[thread_position_in_grid]]", "uint2", "thread", "value", False),
        ("const ushort x [[thread_index_in_simdgroup]]", "ushort", "thread", "value", True),
        (
            "texture2d<float, access::write> x [[texture(0)]]",
            "texture2d<float, access::write>",
            "thread",
            "value",
            False,
        ),
    ],
)
def test_parameter(declaration: str, type_: str, space: str, indirection: str, const: bool) -> None:
    found = parameter(declaration)
    assert (found.name, found.type, found.const) == ("x", type_, const)
    assert found.address_space is AddressSpace(space)
    assert found.indirection is Indirection(indirection)


@pytest.mark.parametrize(
    ("before", "declared", "type_"),
    [
        ("using real = float;", "real", "float"),
        ("typedef float4 particle;", "particle", "float4"),
        ("using scalar = half; typedef scalar real;", "real", "half"),
        ("#define REAL float", "REAL", "float"),
        ("#define REAL half\n#undef REAL\n#define REAL float", "REAL", "float"),
        ("#define VEC(n) float##n", "VEC(4)", "float4"),
        ("namespace a { using real = float; }", "a::real", "float"),
        ("using loop = loop;", "loop", "loop"),
    ],
)
def test_type_behind_names_of_the_file(before: str, declared: str, type_: str) -> None:
    assert parameter(f"device {declared} *x", before).type == type_


def test_spelling_is_the_users_without_attributes() -> None:
    assert parameter("device   const float\n *x [[ buffer( 2 ) ]]").spelling == "device const float *x"


def test_a_parameter_need_not_have_a_name() -> None:
    found = parameter("uint [[thread_index_in_threadgroup]]")
    assert (found.name, found.attribute, found.column) == ("", "thread_index_in_threadgroup", 15)


def test_buffers_without_index_take_the_next_free_one() -> None:
    kernel = only(
        """kernel void f(device float *a, device float *b [[buffer(0)]], constant uint &c,
                         device float *d [[buffer(3)]], threadgroup float *t [[threadgroup(0)]], device float *e,
                         uint i [[thread_position_in_grid]]) {}"""
    )
    assert [(p.name, p.index) for p in kernel.parameters] == [
        ("a", 1), ("b", 0), ("c", 2), ("d", 3), ("t", 0), ("e", 4), ("i", None),
    ]  # fmt: skip
    assert [p.name for p in kernel.buffers] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    "head",
    [
        "[[max_total_threads_per_threadgroup(64)]] kernel void f()",
        "[[kernel]] [[max_total_threads_per_threadgroup(64)]] void f()",
        "[[kernel, max_total_threads_per_threadgroup(64)]] void f()",
        "[[max_total_threads_per_threadgroup(8 * 8)]]\nkernel void f()",
        "[[max_total_threads_per_threadgroup(0x40u)]] kernel void f()",
        "#define G 64\n[[max_total_threads_per_threadgroup(G)]] kernel void f()",
        "constant uint S = 8; constant uint G = S * S;\n[[max_total_threads_per_threadgroup(G)]] kernel void f()",
        "#define KERNEL [[max_total_threads_per_threadgroup(64)]] kernel\nKERNEL void f()",
    ],
)
def test_threadgroup_limit(head: str) -> None:
    assert only(head + " {}").max_total_threads_per_threadgroup == 64


def test_no_threadgroup_limit() -> None:
    assert only("kernel void f() {}").max_total_threads_per_threadgroup is None


def test_spans_are_bytes_of_the_file() -> None:
    source = "// Δ ≈ 2²\n[[kernel]] void f(device float *x) { x[0] = 1; } // end\n"
    kernel = only(source)
    data = source.encode()
    assert data[slice(*kernel.span)] == b"[[kernel]] void f(device float *x) { x[0] = 1; }"
    assert data[slice(*kernel.body)] == b"{ x[0] = 1; }"
    assert (kernel.line, kernel.column) == (2, 17)


def test_span_of_a_kernel_whose_head_has_macros() -> None:
    source = "#define KERNEL kernel\n#define ARGS device float *x, constant uint &n\nKERNEL void f(ARGS) { }\n"
    kernel = only(source)
    assert source[slice(*kernel.span)] == "KERNEL void f(ARGS) { }"
    assert [(p.name, p.line, p.column) for p in kernel.parameters] == [("x", 3, 15), ("n", 3, 15)]


@pytest.mark.parametrize(
    "body",
    [
        "{ /* } */ }",
        "{ // }\n }",
        "{ char c = '}'; }",
        '{ constant char *s = "}{"; }',
        "{ if (x[0] > 0) { { } } }",
        "{ BEGIN x[0] = 1; END }",
        "{ LOOP(i, 4) x[i] = 0; } }",
        "{\n#if 1\n for (;;) {\n#else\n while (true) {\n#endif\n } }",
        "{ #not a directive } ",
        "{ struct S { int a; }; }",
    ],
)
def test_body_ends_with_its_brace(body: str) -> None:
    before = "#define BEGIN {\n#define END }\n#define LOOP(i, n) for (int i = 0; i < n; ++i) {\n"
    source = f"{before}kernel void f(device float *x) {body}\nfloat after;\n"
    kernel = only(source)
    assert source[slice(*kernel.body)] == body.strip()


def test_helpers_are_left_alone() -> None:
    unit = parse("inline float g(device float *x) { return x[0]; }\nstruct kernels { int kernel_count; };\n")
    assert unit.kernels == ()


def test_kernels_may_stand_in_namespaces_and_be_declared_before() -> None:
    unit = parse(
        "kernel void f(device float *x);\nnamespace n { kernel void g(device float *x) {} }\n"
        "kernel void f(device float *x) {}\n"
    )
    assert [(k.name, k.line) for k in unit.kernels] == [("g", 2), ("f", 3)]
    assert unit.kernel("g") is unit.kernels[0]
    assert unit.kernel("h") is None


def test_explicit_instantiations_are_kernels() -> None:
    unit = parse(
        """template <typename T, int N = 4> kernel void f(device const T *x, device vec<T, 2> *y) {}
        template [[host_name("f_half")]] [[kernel]] void f<half, 2>(device const half *, device half2 *);
        template [[host_name("f_float")]] kernel decltype(f<float>) f<float>;
        """
    )
    half, float_ = unit.kernels
    assert [k.name for k in unit.kernels] == ["f_half", "f_float"]
    assert [p.type for p in half.buffers] == ["half", "vec<half, 2>"]
    assert half.template_arguments == (TemplateArgument("typename", "T", "half"), TemplateArgument("int", "N", "2"))
    assert float_.template_arguments[1] == TemplateArgument("int", "N", "4")
    assert (half.line, float_.line) == (2, 3)
    assert half.body == float_.body


def test_instantiation_by_macro() -> None:
    unit = parse(
        """template <typename T> kernel void copy(device const T *x, device T *y) {}
#define instantiate(name, T) template [[host_name(#name)]] [[kernel]] decltype(copy<T>) copy<T>;
instantiate(copy_int, int)
"""
    )
    assert [(k.name, k.line, k.buffers[1].type) for k in unit.kernels] == [("copy_int", 3, "int")]


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        ("#if 1", True), ("#if 0", False), ("#ifdef FAST", True), ("#ifndef FAST", False), ("#ifdef SLOW", False),
        ("#if defined(FAST)", True), ("#if !defined SLOW && FAST > 1", True), ("#if FAST == 3 || (SLOW + 1)", True),
        ("#if FAST < 2", False), ("#if SLOW", False), ("%:ifdef FAST", True),
    ],
)  # fmt: skip
def test_conditionals_decide_between_kernels(condition: str, taken: bool) -> None:
    source = f"#define FAST 2\n{condition}\nkernel void fast() {{}}\n#else\nkernel void slow() {{}}\n#endif\n"
    assert only(source).name == ("fast" if taken else "slow")


def test_a_condition_that_only_the_compiler_can_decide() -> None:
    kernels = "kernel void f(device float *x) {}\n#else\nkernel void f(device half *x) {}\n"
    unit = parse(f"#if __METAL_VERSION__ >= 310\n{kernels}#endif\n")
    assert [str(d) for d in unit.diagnostics] == ["4:13: error: redefinition of 'f'"]
    assert only("#if __METAL_VERSION__ >= 310\nkernel void f() {}\n#endif\n").name == "f"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "kernel void f(device float *x,\n#if __METAL_VERSION__ > 1\n device float *y,\n#endif\n uint i) {}",
            "2:1: error: condition inside a kernel's signature cannot be decided here",
        ),
        ("#define B(n) [[buffer(n)]]\nkernel void f(device float *x B(1, 2)) {}", "macro 'B' takes 1 arguments, got 2"),
        ("kernel void f() {}\nkernel void f() {}", "2:13: error: redefinition of 'f'"),
    ],
)
def test_what_cannot_be_understood_is_said(source: str, message: str) -> None:
    diagnostics = [str(d) for d in parse(source).diagnostics]
    assert any(message in text for text in diagnostics), diagnostics


@pytest.mark.parametrize(
    "source",
    [
        "",
        "kernel",
        "kernel void",
        "kernel void f(",
        "kernel void f(device float *x {}",
        "kernel void f(device float *x)",
        "kernel void f() { if (",
        "kernel void f() }",
        "}}}} kernel void f() {}",
        "[[kernel",
        "/* kernel void f() {}",
        '"kernel void f() {}',
        "#define X X X\n#define KERNEL kernel KERNEL\nKERNEL void f(X) {}",
        "template <typename T> kernel void f<T>() {}",
        "kernel void f([[buffer(0)]]) {}",
        "kernel void f(device float *x [[buffer(1 / 0)]]) {}",
        "kernel void f(device float *x [[buffer(1 << 999999999)]]) {}",
        "kernel void f(" + "(" * 5000 + ") {}",
        "kernel void f(device float *x [[buffer(" + "1+" * 5000 + "1)]]) {}",
        "".join(f"#define M{i} M{i + 1}\n" for i in range(3000)) + "kernel void f(M0) {}",
        "".join(f"#define M{i} M{i + 1} M{i + 1}\n" for i in range(60)) + "kernel void f(M0) {}",
        "".join(f"#define M{i}(x) M{i + 1}(x x)\n" for i in range(60)) + "kernel void f(M0(a)) {}",
        "".join(f"#define M{i} M{i + 1} M{i + 1}\n" for i in range(60)) + "#define M60\nkernel void f(M0) {}",
        "\udcff kernel void f() {} \x00",
        "#if " + "(" * 5000 + "\nkernel void f() {}\n",
        "constant uint A = B; constant uint B = A;\n[[max_total_threads_per_threadgroup(A)]] kernel void f() {}",
    ],
)
def test_broken_source_raises_nothing(source: str) -> None:
    started = time.process_time()
    parse(source)
    assert time.process_time() - started < 2


def test_a_broken_body_does_not_hide_the_signature() -> None:
    unit = parse("kernel void f(device float *x) { x[0] = = ; @ ` }\nkernel void g(device float *x) { for (;; }")
    assert [(k.name, k.buffers[0].type) for k in unit.kernels] == [("f", "float"), ("g", "float")]


@pytest.mark.parametrize("path", KERNELS, ids=[path.stem for path in KERNELS])
def test_line_endings_do_not_matter(path: Path) -> None:
    source = path.read_text()
    windows = parse(source.replace("\n", "\r\n"))
    assert [(k.name, k.line, k.parameters) for k in windows.kernels] == [
        (k.name, k.line, k.parameters) for k in parse(source).kernels
    ]
