"""A file checked against the kernels that a host will call."""

import pytest

from metalsci.msl.language.parse import parse
from metalsci.msl.rules.interface import compare

SEED = """
kernel void step(device const float *u_in [[buffer(0)]], device float *u_out [[buffer(1)]],
                 constant uint &N [[buffer(2)]], uint i [[thread_position_in_grid]]) {}
"""


def found(source: str) -> list[str]:
    return [str(d) for d in compare(parse(source), parse(SEED).kernels)]


@pytest.mark.parametrize(
    "parameters",
    [
        "device const float *u_in, device float *u_out, constant uint &N",
        "const device float *a, device float *b, constant unsigned int &c, uint2 gid [[thread_position_in_grid]]",
        "device const real *u_in, device float *u_out, constant uint &N",
        "constant const uint32_t &N [[buffer(2)]], device float *__restrict out [[buffer(1)]], "
        "device const float in[] [[buffer(0)]]",
    ],
)
def test_names_spelling_and_order_are_free(parameters: str) -> None:
    assert found(f"using real = float; kernel void step({parameters}) {{}}\nkernel void another() {{}}") == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            "device float *u_in, device float *u_out, constant uint &N",
            "1:32: error: buffer(0) is 'device float *u_in', expected 'device const float *u_in'",
        ),
        (
            "device const float *u_in, device const float *u_out, constant uint &N",
            "1:64: error: buffer(1) is 'device const float *u_out', expected 'device float *u_out'",
        ),
        (
            "device const float4 *u_in, device float *u_out, constant uint &N",
            "1:39: error: buffer(0) is 'device const float4 *u_in', expected 'device const float *u_in'",
        ),
        (
            "constant float *u_in, device float *u_out, constant uint &N",
            "1:34: error: buffer(0) is 'constant float *u_in', expected 'device const float *u_in'",
        ),
        (
            "device const float *u_in, device float *u_out, constant int &N",
            "1:79: error: buffer(2) is 'constant int &N', expected 'constant uint &N'",
        ),
        (
            "device const float *u_in, device float *u_out, constant uint *N",
            "1:80: error: buffer(2) is 'constant uint *N', expected 'constant uint &N'",
        ),
        (
            "device const float *u_in, device float *u_out",
            "1:13: error: kernel 'step' has no parameter for buffer(2): expected 'constant uint &N'",
        ),
        (
            "device const float *u_in, device float *u_out, constant uint &N, device float *more",
            "1:97: error: buffer(3) is 'device float *more', which the host does not bind: "
            "it binds 'device const float *u_in', 'device float *u_out', 'constant uint &N'",
        ),
        (
            "device const float *u_in, device float *u_out, constant uint &N, threadgroup float *t [[threadgroup(0)]]",
            "1:102: error: threadgroup(0) is 'threadgroup float *t', which the host does not bind: "
            "declare threadgroup arrays inside the kernel",
        ),
    ],
)
def test_buffers_must_agree(parameters: str, message: str) -> None:
    assert found(f"kernel void step({parameters}) {{}}") == [message]


def test_a_missing_kernel_is_named_with_its_signature() -> None:
    (message,) = found("kernel void stepp(device const float *u_in) {}")
    assert message == (
        "1:13: error: kernel 'step' is missing: expected 'kernel void step(device const float *u_in, "
        "device float *u_out, constant uint &N, uint i)'"
    )
