"""A kernel vectorised over threads gives the same results as thread by thread.

The same random kernel runs twice: as it is, so that LLVM vectorises it, and behind a barrier, so that each of its
threads has a stack of its own and nothing is vectorised.
"""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalsci.cpu_metal import Device, Dispatch

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
KERNEL = """kernel void k(device const int *s, device int *o, constant uint &NX, constant uint &NY,
              uint2 gid [[thread_position_in_grid]]) {{
    {barrier}
    const uint i = gid.x, j = gid.y;
    if (i >= NX || j >= NY) return;
    int a = int(i), b = int(j), c = 1;
{body}
    o[j * NX + i] = a + 31 * b + 977 * c;
}}
"""
WIDTH, HEIGHT = 37, 19

# Uniform along x, varying, and mixed operands: where they meet under conditions is where lanes get confused.
leaves = st.sampled_from(["a", "b", "c", "int(i)", "int(j)", "int(NX)", "int(NY)", "3", "7", "-2"])


def join(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    index = children.map(lambda e: f"s[uint({e}) % (NX * NY)]")
    row = children.map(lambda e: f"s[(uint({e}) % NY) * NX + i]")
    binary = st.tuples(children, st.sampled_from(["+", "-", "*", "/", "%", "&", "^", "<", "=="]), children)
    chosen = st.tuples(children, children, children).map(lambda t: f"({t[0]} > {t[1]} ? {t[2]} : {t[0]})")
    return index | row | chosen | binary.map(lambda t: f"int({t[0]} {t[1]} {t[2]})")


expressions = st.recursive(leaves, join, max_leaves=6)
assignments = st.tuples(st.sampled_from("abc"), expressions).map(lambda t: f"{t[0]} = {t[1]};")


def nest(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    both = st.tuples(expressions, children, children).map(lambda t: f"if ({t[0]} & 1) {{ {t[1]} }} else {{ {t[2]} }}")
    some = st.tuples(expressions, children).map(lambda t: f"if ({t[0]} > 2) {{ {t[1]} }}")
    loop = st.tuples(st.integers(2, 4), children).map(
        lambda t: f"for (int q = 0; q < {t[0]}; ++q) {{ {t[1]} c += q; }}"
    )
    leave = expressions.map(lambda e: f"if ({e} == 5) {{ o[j * NX + i] = a; return; }}")
    return both | some | loop | leave | st.lists(children, min_size=2, max_size=3).map(" ".join)


bodies = st.lists(st.recursive(assignments, nest, max_leaves=4), min_size=1, max_size=4).map("\n    ".join)


def run(device: Device, body: str, barrier: str) -> np.ndarray:
    kernel = device.compile(HEADER + KERNEL.format(body="    " + body, barrier=barrier), math_mode="safe").kernels["k"]
    s = np.random.default_rng(3).integers(-50, 50, (HEIGHT, WIDTH)).astype(np.int32)
    out = device.empty((HEIGHT, WIDTH), np.int32)
    bound = {0: device.buffer(s), 1: out, 2: WIDTH, 3: HEIGHT}
    device.run([Dispatch(kernel, bound, threads=(WIDTH, HEIGHT), threadgroup=(16, 16))], timeout=20)
    return np.array(out.array)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(body=bodies)
def test_lanes_and_threads_agree(device: Device, body: str) -> None:
    vectorised = run(device, body, "")
    threads = run(device, body, "threadgroup_barrier(mem_flags::mem_none);")
    np.testing.assert_array_equal(vectorised, threads)
