from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from metalsci.devices.buffer_plan import lay_out
from metalsci.devices.program import Host, Kernels, Program, Symbol, fit_threadgroup, trace
from metalsci.msl.language.parse import parse

STEP = """
kernel void step(device const float *u_in, device float *u_out, constant uint &N, uint i [[thread_position_in_grid]]) {
    u_out[i] = u_in[i] + float(N);
}
"""


def chain(steps: int, elements: int = 8) -> Program:
    def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        u = inputs["u"]
        for _ in range(steps):
            (u,) = kernels.step(
                u, elements, threads=(elements, 1, 1), threadgroup=(4, 1, 1), outputs=[(u.shape, u.dtype)]
            )
        return [u]

    return trace(host, {"u": np.zeros(elements, np.float32)}, parse(STEP).kernels)


def test_host_code_becomes_calls_with_typed_scalars() -> None:
    program = chain(3)
    assert [c.kernel for c in program.calls] == ["step"] * 3
    first, second = program.calls[:2]
    assert second.arguments[0] == first.outputs[0]
    assert isinstance(first.arguments[1], np.uint32)
    assert first.arguments[1] == 8
    assert program.results == program.calls[-1].outputs


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (lambda i, k: k.stepp(), "only step"),
        (lambda i, k: k.step(i["u"], threads=(1, 1, 1), threadgroup=(1, 1, 1), outputs=[((8,), "f4")]), "2 arguments"),
        (lambda i, k: k.step(i["u"], 8, threads=(1, 1, 1), threadgroup=(1, 1, 1), outputs=[]), "1 outputs"),
        (lambda i, k: k.step(8, 8, threads=(1, 1, 1), threadgroup=(1, 1, 1), outputs=[((8,), "f4")]), "u_in"),
    ],
)
def test_host_code_that_does_not_fit_the_signature_is_refused(host: Host, message: str) -> None:
    with pytest.raises((TypeError, AttributeError), match=message):
        trace(host, {"u": np.zeros(8, np.float32)}, parse(STEP).kernels)


def test_a_chain_of_steps_needs_two_buffers_beside_its_input() -> None:
    layout = lay_out(chain(100))
    assert layout.inputs == 1
    assert layout.sizes == (32, 32, 32)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_no_call_writes_what_it_reads_and_inputs_stay(steps: int) -> None:
    program = chain(steps)
    layout = lay_out(program)
    for call in program.calls:
        read = {layout.buffer_of[a.id] for a in call.arguments if isinstance(a, Symbol)}
        written = {layout.buffer_of[o.id] for o in call.outputs}
        assert not read & written
        assert not written & set(range(layout.inputs))


def test_a_result_is_kept_while_later_calls_reuse_buffers() -> None:
    def host(inputs: Mapping[str, Symbol], kernels: Kernels) -> Sequence[Symbol]:
        def step(u: Symbol) -> Symbol:
            return kernels.step(u, 8, threads=(8, 1, 1), threadgroup=(4, 1, 1), outputs=[(u.shape, u.dtype)])[0]

        early = step(inputs["u"])
        u = early
        for _ in range(5):
            u = step(u)
        return [early, u]

    program = trace(host, {"u": np.zeros(8, np.float32)}, parse(STEP).kernels)
    layout = lay_out(program)
    kept = layout.buffer_of[program.results[0].id]
    assert all(layout.buffer_of[c.outputs[0].id] != kept for c in program.calls[1:])


@pytest.mark.parametrize(
    ("group", "limit", "want"),
    [
        ((256, 1, 1), None, (256, 1, 1)),
        ((256, 1, 1), 64, (64, 1, 1)),
        ((16, 16, 1), 256, (16, 16, 1)),
        ((16, 16, 1), 128, (16, 8, 1)),
        ((16, 16, 1), 8, (8, 1, 1)),
        ((8, 8, 4), 64, (8, 8, 1)),
    ],
)
def test_the_host_shrinks_a_group_to_the_declared_limit(
    group: tuple[int, int, int], limit: int | None, want: tuple[int, int, int]
) -> None:
    assert fit_threadgroup(group, limit) == want
