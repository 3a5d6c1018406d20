"""A kernel gives the same results whichever way its threads run: in lanes, in vectorised loops, one stack each.

Random kernels: barriers in uniform loops, threads that part, leave loops or return early, own arrays, vectors, atomics.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metalsci.cpu_metal import Device, Dispatch
from metalsci.cpu_metal.compile.kernel_cache import Cache
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import ThreadExecution

KERNEL = """#include <metal_stdlib>
using namespace metal;
kernel void k(device const int *s, device int *o, constant uint &NX, constant uint &NY, constant int &n,
              device atomic_int *count,
              uint2 gid [[thread_position_in_grid]], uint2 lid [[thread_position_in_threadgroup]],
              uint index [[thread_index_in_threadgroup]], uint2 size [[threads_per_threadgroup]]) {{
    threadgroup int t[256];
    const uint i = gid.x, j = gid.y, threads = size.x * size.y;
    int a = int(i), b = int(j), c = 1;
    int own[8] = {{1, 2, 3, 4, 5, 6, 7, 8}};
    int4 v = int4(a, b, 3, 4);
    t[index] = a;
    {first}
{body}
    o[j * NX + i] = a + 31 * b + 977 * c + own[uint(a) % 8u] + v.x + v.w;
}}
"""
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"
WIDTH, HEIGHT = 37, 19

leaves = st.sampled_from(["a", "b", "c", "int(i)", "int(lid.y)", "int(index)", "n", "3", "-2", "v.x", "v.y"])


def join(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    read = children.map(lambda e: f"s[uint({e}) % (NX * NY)]")
    row = children.map(lambda e: f"s[(uint({e}) % NY) * NX + i]")
    own = children.map(lambda e: f"own[uint({e}) % 8u]")
    vector = children.map(lambda e: f"v[uint({e}) % 4u]")
    binary = st.tuples(children, st.sampled_from(["+", "-", "*", "/", "%", "&", "^", "<", "=="]), children)
    chosen = st.tuples(children, children, children).map(lambda t: f"({t[0]} > {t[1]} ? {t[2]} : {t[0]})")
    return read | row | own | vector | chosen | binary.map(lambda t: f"int({t[0]} {t[1]} {t[2]})")


expressions = st.recursive(leaves, join, max_leaves=5)
uniform = st.sampled_from(["n", "3", "int(NY) % 5", "2", "n / 2"])
assignments = st.one_of(
    st.tuples(st.sampled_from("abc"), expressions).map(lambda t: f"{t[0]} = {t[1]};"),
    st.tuples(expressions, expressions).map(lambda t: f"own[uint({t[0]}) % 8u] = {t[1]};"),
    expressions.map(lambda e: f"v = v.yzwx + int4({e}, 1, 2, a);"),
    expressions.map(lambda e: f"atomic_fetch_add_explicit(&count[uint({e}) % 4u], 1, memory_order_relaxed);"),
)


def nest(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw code that holds no barrier."""
    both = st.tuples(expressions, children, children).map(lambda t: f"if ({t[0]} & 1) {{ {t[1]} }} else {{ {t[2]} }}")
    some = st.tuples(expressions, children).map(lambda t: f"if ({t[0]} > 2) {{ {t[1]} }}")
    loop = st.tuples(uniform, children).map(lambda t: f"for (int q = 0; q < {t[0]}; ++q) {{ {t[1]} c += q; }}")
    own_end = st.tuples(expressions, children, expressions).map(
        lambda t: f"for (int q = 0; q < ({t[0]} & 7); ++q) {{ {t[1]} if ({t[2]} == 3) break; b += q; }}"
    )
    skip = st.tuples(expressions, children).map(
        lambda t: f"for (int q = 0; q < 3; ++q) {{ if (({t[0]} & 3) == 1) continue; {t[1]} }}"
    )
    cases = st.tuples(expressions, children, children).map(
        lambda t: f"switch ({t[0]} & 3) {{ case 0: {t[1]} break; case 1: {t[2]} default: a += 5; }}"
    )
    return both | some | loop | own_end | skip | cases | st.lists(children, min_size=2, max_size=3).map(" ".join)


apart = st.recursive(assignments, nest, max_leaves=4)
leave = expressions.map(lambda e: f"if ({e} == 5) {{ o[j * NX + i] = a; return; }}")
share = st.tuples(st.sampled_from("abc"), st.integers(1, 9)).map(
    lambda t: f"{BARRIER} t[index] = {t[0]}; {BARRIER} {t[0]} += t[(index + {t[1]}) % threads];"
)


def nest_together(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw code with barriers, to which all threads come."""
    loop = st.tuples(uniform, children).map(lambda t: f"for (int q = 0; q < {t[0]}; ++q) {{ {t[1]} c -= q; }}")
    choice = st.tuples(uniform, children, apart).map(lambda t: f"if ({t[0]} > 2) {{ {t[1]} }} else {{ {t[2]} }}")
    return loop | choice | st.lists(children, min_size=2, max_size=3).map(" ".join)


together = st.recursive(share | apart, nest_together, max_leaves=4)
bodies = st.lists(together | leave, min_size=1, max_size=4).map("\n    ".join)


@pytest.fixture(scope="module")
def devices(cache: Cache) -> Iterator[dict[ThreadExecution, Device]]:
    with ExitStack() as stack:
        found = {}
        for way in (ThreadExecution.STACKS, ThreadExecution.LANES, ThreadExecution.LOOPS, ThreadExecution.FASTEST):
            found[way] = stack.enter_context(Device(cache=cache, toolchain=Toolchain(execution=way)))
        yield found


def run(device: Device, body: str, first: str, group: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    source = KERNEL.format(body="    " + body, first=first)
    kernel = device.compile(source, math_mode="safe").kernels["k"]
    s = np.random.default_rng(3).integers(-50, 50, (HEIGHT, WIDTH)).astype(np.int32)
    out, count = device.buffer(np.zeros((HEIGHT, WIDTH), np.int32)), device.buffer(np.zeros(4, np.int32))
    bound = {0: device.buffer(s), 1: out, 2: WIDTH, 3: HEIGHT, 4: 3, 5: count}
    device.run([Dispatch(kernel, bound, threads=(WIDTH, HEIGHT), threadgroup=group)], timeout=60)
    return np.array(out.array), np.array(count.array)


@settings(
    max_examples=int(os.environ.get("METALSCI_EXAMPLES", "6")),
    deadline=None,
    derandomize="METALSCI_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(body=bodies, group=st.sampled_from([(16, 16), (8, 4), (5, 3), (37, 1), (24, 2)]))
def test_all_ways_agree(devices: dict[ThreadExecution, Device], body: str, group: tuple[int, int]) -> None:
    want = run(devices[ThreadExecution.STACKS], body, BARRIER, group)
    got = run(devices[ThreadExecution.LANES], body, BARRIER, group)
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])


@settings(
    max_examples=int(os.environ.get("METALSCI_EXAMPLES", "4")),
    deadline=None,
    derandomize="METALSCI_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(body=st.lists(apart | leave, min_size=1, max_size=4).map("\n    ".join))
def test_ways_agree_about_threads_that_never_wait(devices: dict[ThreadExecution, Device], body: str) -> None:
    want = run(devices[ThreadExecution.STACKS], body, "", (16, 16))
    for way in (ThreadExecution.LANES, ThreadExecution.LOOPS):
        got = run(devices[way], body, "", (16, 16))
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(got[1], want[1])
