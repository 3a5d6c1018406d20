"""The compiler's messages are about the user's file: every error, its line and column, and warnings apart."""

import pytest

from metalsci.cpu_metal import CompileError, Device
from metalsci.msl.diagnostics import Diagnostic, Severity

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"


def errors(device: Device, source: str) -> list[Diagnostic]:
    with pytest.raises(CompileError) as refused:
        device.compile(source)
    return [d for d in refused.value.diagnostics if d.severity is Severity.ERROR]


def body(statement: str) -> str:
    """Write a kernel whose line 4 is `statement`, from column 5 on."""
    signature = "kernel void k(device float4 *x [[buffer(0)]], uint i [[thread_position_in_grid]])"
    return f"{HEADER}{signature} {{\n    {statement}\n}}\n"


@pytest.mark.parametrize(
    ("statement", "column", "said"),
    [
        ("x[i] = y;", 12, "use of undeclared identifier 'y'"),
        ("x[i] = float4(1, 2, 3, 4) + y;", 33, "use of undeclared identifier 'y'"),
        ("float4 a = float4(1), b = float4(2) c;", 40, "expected ';' at end of declaration"),
        ("x[i] = float4(1, 2, 3, 4, 5);", 12, "the elements given to a vector constructor are not as many"),
        ("x[i] = sin();", 12, "no matching function for call to 'sin'"),
        ("threadgroup float t[4]; t[0] = z;", 36, "use of undeclared identifier 'z'"),
        ("x[i] = missing(x[i]);", 12, "use of undeclared identifier 'missing'"),
        ("x[i].q = 1;", 10, "illegal vector component name 'q'"),
    ],
)
def test_line_and_column_are_the_users(device: Device, statement: str, column: int, said: str) -> None:
    found = errors(device, body(statement))
    assert (found[0].line, found[0].column) == (4, column), found
    assert said in found[0].message


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("uint local = 1, local = 2;", "redefinition of 'local'"),
        ("x[i] = thread_group;", "use of undeclared identifier 'thread_group'"),
        ("threadgroup_barrier(mem_flags::threadgroup_mem);", "no member named 'threadgroup_mem' in 'metal::mem_flags'"),
        (
            "uint4 v = x[i];",
            "cannot initialize a variable of type 'uint4' (vector of 4 'unsigned int' values) with an lvalue of type "
            "'device float4' (vector of 4 'float' values)",
        ),
        (
            "constant float *p = nullptr; x = p;",
            "assigning 'const constant float *' to 'device float4 *' changes address space",
        ),
    ],
)
def test_nothing_is_said_of_this_packages_own_names(device: Device, statement: str, message: str) -> None:
    found = errors(device, body(statement))
    assert len(found) == 1, found
    assert found[0].message.startswith(message)
    assert "_metal" not in found[0].message


def test_all_errors_of_a_file_come_back(device: Device) -> None:
    lines = "\n".join(f"    x[i] = unknown_{n};" for n in range(40))
    found = errors(device, body(lines.strip()))
    assert [d.line for d in found] == list(range(4, 44))


def test_address_spaces_have_metals_names(device: Device) -> None:
    (error,) = errors(device, body("threadgroup float4 *t = x;"))
    assert "threadgroup float4 *" in error.message
    assert "device float4 *" in error.message
    assert "__" not in error.message


def test_apples_rules_and_clangs_errors_come_together(device: Device) -> None:
    source = HEADER + (
        "kernel void k(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]])\n"
        "    [[max_total_threads_per_threadgroup(64)]] {\n    x[i] = nothing;\n}\n"
    )
    found = errors(device, source)
    assert any(d.line in (3, 4) and "max_total_threads_per_threadgroup" in d.message for d in found), found


def test_warnings_do_not_refuse(device: Device) -> None:
    library = device.compile(body("float unused = 1; 5 + 3; x[i] = 2;"))
    assert [(w.severity, w.line) for w in library.warnings] == [(Severity.WARNING, 4)]
    assert list(library.kernels) == ["k"]


def test_without_the_standard_library_its_names_are_unknown(device: Device) -> None:
    (first, *_) = errors(device, "kernel void k(device float4 *x [[buffer(0)]]) { x[0] = 1; }")
    assert first.line == 1


@pytest.mark.parametrize("source", ["\0\0;}", "kernel void", "}", "/*", '"', "template <", "\xff\ud800"])
def test_a_broken_file_without_kernels(device: Device, source: str) -> None:
    assert errors(device, source)


@pytest.mark.parametrize("source", ["", "   \n", "// nothing", HEADER + "float f() { return 1; }"])
def test_a_file_without_kernels_is_an_empty_library(device: Device, source: str) -> None:
    assert not device.compile(source).kernels


def test_code_that_would_run_when_loaded_is_refused(device: Device) -> None:
    source = "constexpr int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\nconstant int v = f(60);\n"
    found = errors(device, HEADER + source + "kernel void k(device int *x [[buffer(0)]]) { x[0] = v; }")
    assert "constant expression" in found[0].message
