"""Refusals in signatures and attributes: message, line and column.

Apple's wording was taken from messages of Apple's compiler about recorded candidates, or from its published messages;
positions are those of its carets.
"""

from pathlib import Path

import pytest

from metalsci.msl.diagnostics import Severity
from metalsci.msl.language.parse import parse
from metalsci.msl.rules.metal_rules import check

ROOT = Path(__file__).parents[2]
ACCEPTED = [*sorted((Path(__file__).parent / "kernels").glob("*.metal")), *sorted(ROOT.glob("tasks/*/seed.metal"))]


def found(source: str) -> list[str]:
    return [str(d) for d in check(parse(source))]


def in_kernel(parameters: str) -> list[str]:
    """Return messages about a kernel with these parameters, which begin at 1:15."""
    return found(f"kernel void f({parameters}) {{}}")


@pytest.mark.parametrize("path", ACCEPTED, ids=[f"{path.parent.name}-{path.stem}" for path in ACCEPTED])
def test_nothing_is_said_of_good_files(path: Path) -> None:
    unit = parse(path.read_text())
    assert check(unit, unit.kernels) == ()


APPLIED_TO_TYPES = "'max_total_threads_per_threadgroup' attribute cannot be applied to types"


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        (
            "kernel void f(uint i [[thread_position_in_grid]]) [[max_total_threads_per_threadgroup(64)]] {}",
            [f"1:53: error: {APPLIED_TO_TYPES}"],
        ),
        (
            "kernel void f(uint i [[thread_position_in_grid]])\n  [[max_total_threads_per_threadgroup(64)]]\n{}",
            [f"2:5: error: {APPLIED_TO_TYPES}"],
        ),
        ("kernel void [[max_total_threads_per_threadgroup(64)]] f() {}", [f"1:15: error: {APPLIED_TO_TYPES}"]),
        (
            "kernel\n[[max_total_threads_per_threadgroup(64)]]\nvoid f() {}",
            ["2:1: error: an attribute list cannot appear here"],
        ),
        (
            "kernel __attribute__((max_total_threads_per_threadgroup(64))) void f() {}",
            ["1:23: warning: unknown attribute 'max_total_threads_per_threadgroup' ignored"],
        ),
        ("[[max_threads(64)]] kernel void f() {}", ["1:3: warning: unknown attribute 'max_threads' ignored"]),
        ("[[buffer(0)]] kernel void f() {}", ["1:3: error: 'buffer' attribute only applies to parameters"]),
        ("kernel int f() { return 0; }", ["1:12: error: invalid return type 'int' for kernel function"]),
        (
            "kernel float4 f() { return 0; }",
            ["1:15: error: invalid return type 'float4' (vector of 4 'float' values) for kernel function"],
        ),
        (
            "kernel void f(device float *x, ...) {}",
            ["1:13: error: invalid prototype; variadic arguments are not allowed in Metal qualified functions"],
        ),
    ],
)
def test_attributes_and_shape_of_a_kernel(source: str, messages: list[str]) -> None:
    assert found(source) == messages


@pytest.mark.parametrize(
    ("parameters", "messages"),
    [
        (
            "uint n",
            ["1:15: error: invalid type 'uint' (aka 'unsigned int') for input declaration in a kernel function"],
        ),
        ("int n", ["1:15: error: invalid type 'int' for input declaration in a kernel function"]),
        ("Params p", ["1:15: error: invalid type 'Params' for input declaration in a kernel function"]),
        (
            "uint n [[threadgroup_size_in_threadgroup]]",
            [
                "1:24: warning: unknown attribute 'threadgroup_size_in_threadgroup' ignored",
                "1:15: error: invalid type 'uint' (aka 'unsigned int') for input declaration in a kernel function",
            ],
        ),
        ("device float *x [[bufer(0)]]", ["1:33: warning: unknown attribute 'bufer' ignored"]),
        (
            "uint i [[thread_position_in_grid, max_total_threads_per_threadgroup(64)]]",
            ["1:49: error: 'max_total_threads_per_threadgroup' attribute only applies to functions"],
        ),
        (
            "uint v [[vertex_id]]",
            ["1:24: error: invalid 'vertex_id' attribute for input declaration in a kernel function"],
        ),
        ("constant uint n", ["1:29: error: parameter may not be qualified with an address space"]),
        ("float *x", ["1:21: error: pointer type must have explicit address space qualifier"]),
        ("device float *&x, device float **y", []),
        ("device float *x, [[maybe_unused]] uint i [[thread_position_in_grid]]", []),
        ("const uint &n", ["1:26: error: reference type must have explicit address space qualifier"]),
        (
            "threadgroup float *x [[buffer(0)]]",
            [
                "1:34: error: invalid address space qualification for buffer pointee type 'threadgroup float'",
                "1:34: note: valid address space qualifications are device and constant",
            ],
        ),
        (
            "uint n [[buffer(0)]]",
            ["1:24: error: type 'uint' (aka 'unsigned int') is not valid for attribute 'buffer'"],
        ),
        ("int g [[threadgroup(0)]]", ["1:23: error: type 'int' is not valid for attribute 'threadgroup'"]),
        (
            "int i [[thread_position_in_grid]]",
            ["1:23: error: type 'int' is not valid for attribute 'thread_position_in_grid'"],
        ),
        (
            "uint4 i [[thread_position_in_grid]]",
            [
                "1:25: error: type 'uint4' (vector of 4 'unsigned int' values) is not valid for attribute "
                "'thread_position_in_grid'"
            ],
        ),
        (
            "uint2 lane [[thread_index_in_simdgroup]]",
            [
                "1:28: error: type 'uint2' (vector of 2 'unsigned int' values) is not valid for attribute "
                "'thread_index_in_simdgroup'"
            ],
        ),
        (
            "constant uint &s [[thread_position_in_grid]]",
            ["1:34: error: type 'const constant uint &' is not valid for attribute 'thread_position_in_grid'"],
        ),
        ("device float *x [[buffer]]", ["1:33: error: 'buffer' attribute takes one argument"]),
        (
            "device float *x [[buffer(31)]]",
            ["1:33: error: 'buffer' attribute parameter is out of bounds: must be between 0 and 30"],
        ),
        (
            "device float *x [[buffer(-1)]]",
            ["1:33: error: 'buffer' attribute parameter is out of bounds: must be between 0 and 30"],
        ),
        ("device double *x", ["1:15: error: 'double' is not supported in Metal"]),
        (
            "device float *x [[buffer(1)]], device float *y [[buffer(1)]]",
            ["1:60: error: cannot reserve 'buffer' resource location at index 1"],
        ),
    ],
)
def test_parameters(parameters: str, messages: list[str]) -> None:
    assert in_kernel(parameters) == messages


def test_positions_have_one_width() -> None:
    source = """\
kernel void f(device float *x,
              uint i [[thread_position_in_grid]],
              uint lane [[thread_index_in_simdgroup]],
              uint3 n [[threads_per_threadgroup]]) {}
"""
    assert found(source) == [
        "1:13: error: expecting input declarations with either all scalar types or all vector types with the same "
        "number of elements",
        "2:20: note: declaration with attribute 'thread_position_in_grid' of type 'uint' (aka 'unsigned int') here",
        "4:21: note: declaration with attribute 'threads_per_threadgroup' of type 'uint3' "
        "(vector of 3 'unsigned int' values) here",
    ]


def test_a_position_is_told_once() -> None:
    assert in_kernel("uint i [[thread_position_in_grid]], uint j [[thread_position_in_grid]]") == [
        "1:60: error: declaration with attribute 'thread_position_in_grid' already specified",
        "1:24: note: previous declaration with attribute 'thread_position_in_grid' here",
    ]


def test_positions_of_one_width_may_differ_in_type() -> None:
    assert in_kernel("uint2 i [[thread_position_in_grid]], ushort2 t [[thread_position_in_threadgroup]]") == []


def test_the_width_of_a_simdgroup_has_two_names_of_which_one_may_be_used() -> None:
    messages = in_kernel("uint a [[thread_execution_width]], uint b [[threads_per_simdgroup]]")
    assert messages == [
        "1:13: error: kernel function cannot have input declarations with 'thread_execution_width' and "
        "'threads_per_simdgroup' attributes",
        "1:20: note: conflicting declaration with 'thread_execution_width' attribute here",
        "1:55: note: conflicting declaration with 'threads_per_simdgroup' attribute here",
    ]


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        (
            "kernel void f(device const float * restrict x,\n  device float * restrict y) {}",
            ["1:45: error: expected ')'", "1:14: note: to match this '('"],
        ),
        (
            "inline void g(device float *restrict x) {}",
            ["1:38: error: expected ')'", "1:14: note: to match this '('"],
        ),
        (
            "inline void g(device float *x) { device float *restrict y = x; }",
            ["1:56: error: expected ';' at end of declaration"],
        ),
        ("#define restrict __restrict\nkernel void f(device float *restrict x) {}", []),
        ("// restrict\nkernel void f(device float *__restrict x) {}", []),
    ],
)
def test_restrict(source: str, messages: list[str]) -> None:
    assert found(source) == messages


def test_positions_of_what_a_macro_wrote_are_those_of_its_use() -> None:
    source = "#define INDEX(n) [[buffer(n)]]\nkernel void f(device float *x INDEX(40)) {}"
    assert found(source) == ["2:31: error: 'buffer' attribute parameter is out of bounds: must be between 0 and 30"]


def test_findings_of_the_parser_are_among_them() -> None:
    assert found("kernel void f() {}\nkernel void f() {}") == ["2:13: error: redefinition of 'f'"]


def test_what_is_ignored_is_only_a_warning() -> None:
    (warning,) = check(parse("[[nodiscart]] kernel void f() {}"))
    assert warning.severity is Severity.WARNING
