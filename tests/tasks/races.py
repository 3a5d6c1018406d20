"""One candidate with a race for each task, made from its seed kernel, that is wrong however its threads are scheduled.

Many races are right by chance on a machine that runs few threads at a time, or all threads of a group in step. These
are not, for one of two reasons:

in place   A thread reads cells that its neighbours write, from the output instead of the input. Before a candidate is
           verified its outputs are filled with NaN (integers: with all bits set). Among the threads that write the
           cells that others read, one is the first to write, and it had read before: a cell that nobody had written.
lost       Two threads or more read a place that they share, wait for each other, and write it back, each with a change
           of its own. The first write is lost.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

IN_PLACE, LOST = "in place", "lost"


@dataclass(frozen=True)
class Race:
    """A race. kind: the reason why it is wrong in any order. made: from the seed kernel's text."""

    kind: str
    made: Callable[[str], str]


def edited(*edits: tuple[str, str]) -> Callable[[str], str]:
    def made(text: str) -> str:
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        return text

    return made


def reading(old: str, **names: str) -> Callable[[str], str]:
    """Read other arrays in `old`: names, as input=output."""
    new = old
    for name, other in names.items():
        new = new.replace(name, other)
    assert new != old
    return edited((old, new))


WAIT = "threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);"

# Each of a pair of threads adds half of y to both elements of the pair.
SAXPY = f"""const uint j = i ^ 1;
    out[i] = a * x[i];
    {WAIT}
    const float mine = out[i];
    const float other = j < N ? out[j] : 0.0f;
    {WAIT}
    out[i] = mine + 0.5f * y[i];
    if (j < N) out[j] = other + 0.5f * y[j];"""

# The counters of two chains are read and written back together.
HMC = f"""accept_out[chain_idx] = accept_in[chain_idx];
    {WAIT}
    const uint pair = chain_idx ^ 1;
    const uint mine = accept_out[chain_idx];
    const uint other = pair < K ? accept_out[pair] : 0;
    {WAIT}
    accept_out[chain_idx] = mine + (accepted ? 1 : 0);
    if (pair < K) accept_out[pair] = other;"""

# A counter for the particles of a cell, incremented by a load and a store.
LJ = f"""const uint slot = atomic_load_explicit(&cell_count[cell], memory_order_relaxed);
    {WAIT}
    atomic_store_explicit(&cell_count[cell], slot + 1, memory_order_relaxed);"""

# A counter for what a block keeps, the same way.
COMPACT = f"""if (lane == 0) kept[0] = 0;
    {WAIT}
    const uint before = kept[0];
    {WAIT}
    if (i < N && x[i] > threshold) kept[0] = before + 1;
    {WAIT}
    if (lane == 0) count[b] = kept[0];
}}

kernel void compact_scan("""

# One maximum for all threads, raised by a load and a store. It comes out right where the thread that has the maximum
# writes last, which would have to be so in every step.
GRADSHAF = f"""if (tid == 0) highest[0] = top;
    {WAIT}
    const float before = highest[0];
    {WAIT}
    highest[0] = max(before, top);
    {WAIT}
    if (tid == 0) psi_axis[0] = highest[0];
}}

kernel void gradshaf_step("""

# A butterfly has two threads, one for the real parts and one for the imaginary ones, which write both back.
FFT3D = f"""{{
            const uint t = i % (N / 2);
            const uint k = t & (half_length - 1);
            const uint a = 2 * (t - k) + k;
            const uint b = a + half_length;
            const float angle = -M_PI_F * float(k) / float(half_length);
            const float2 w = float2(cos(angle), sin(angle));
            const float2 odd = float2(w.x * line[b].x - w.y * line[b].y, w.x * line[b].y + w.y * line[b].x);
            float2 sum = line[a], difference = line[a];
            {WAIT}
            if (i < N / 2) {{
                sum.x += odd.x;
                difference.x -= odd.x;
            }} else {{
                sum.y += odd.y;
                difference.y -= odd.y;
            }}
            line[a] = sum;
            line[b] = difference;
        }}
        threadgroup_barrier"""


def adi3d(text: str) -> str:
    """Share the array of the forward sweep in a group, so that all its lines get the backward sweep of one."""
    sweep = f"""static void solve(device const float *u, device float *v, uint first, uint stride, uint n, float mu,
                  threadgroup float *d, bool face) {{
    float c[MAX_LINE];
    c[0] = 0.0f;
    d[0] = u[first];
    for (uint i = 1; i < n - 1; ++i) {{
        const float pivot = 1.0f + 2.0f * mu + mu * c[i - 1];
        c[i] = -mu / pivot;
        d[i] = (u[first + i * stride] + mu * d[i - 1]) / pivot;
    }}
    {WAIT}
    v[first] = u[first];
    v[first + (n - 1) * stride] = u[first + (n - 1) * stride];
    for (uint i = n - 2; i > 0; --i) {{
        v[first + i * stride] = face ? u[first + i * stride] : d[i] - c[i] * v[first + (i + 1) * stride];
    }}
}}

"""
    text, functions = re.subn(r"static void solve\(.*?(?=kernel void adi_x)", sweep, text, flags=re.DOTALL)
    call = r"if \(([^\n]*)\) copy\((.*?)\);\s*else solve\((.*?)\);"
    text, calls = re.subn(call, r"threadgroup float d[MAX_LINE];\n    solve(\3, d, \1);", text)
    assert (functions, calls) == (1, 3)
    return text


def up_to(start: str, end: str, new: str) -> Callable[[str], str]:
    def made(text: str) -> str:
        a = text.index(start)
        return text[:a] + new + text[text.index(end, a) + len(end) :]

    return made


RACES = {
    "adi3d": Race(LOST, adi3d),
    "compact": Race(LOST, up_to("kept[lane] = ", "kernel void compact_scan(", COMPACT)),
    "fft3d": Race(LOST, up_to("if (i < N / 2) {", "        threadgroup_barrier", FFT3D)),
    "gradshaf": Race(LOST, up_to("highest[tid] = top;", "kernel void gradshaf_step(", GRADSHAF)),
    "heat2d": Race(IN_PLACE, reading("u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX]", u_in="u_out")),
    "hmc": Race(LOST, edited(("accept_out[chain_idx] = accept_in[chain_idx] + (accepted ? 1 : 0);", HMC))),
    "ising": Race(
        IN_PLACE,
        reading("spins_in[left] + spins_in[right] + spins_in[down] + spins_in[up]", spins_in="spins_out"),
    ),
    "lbm": Race(IN_PLACE, edited(("= f_in[", "= (k == 0 ? f_in : (device const float *)f_out)["))),
    "lj": Race(
        LOST,
        edited(
            ("const uint slot = atomic_fetch_add_explicit(&cell_count[cell], 1u, memory_order_relaxed);", LJ),
        ),
    ),
    "mgvcycle": Race(
        IN_PLACE,
        edited(
            (
                "four_minus_neighbours(u_in, c, row)) / 4.0f",
                "(4.0f * u - u_out[c - 1] - u_out[c + 1] - u_out[c - row] - u_out[c + row])) / 4.0f",
            )
        ),
    ),
    "morton": Race(IN_PLACE, edited(("u_in[encode(", "u_out[encode("))),
    "nbody": Race(IN_PLACE, edited(("pos_in[j].xyz", "(j == i ? pos_in[j] : float4(pos_out[j])).xyz"))),
    "qsim": Race(
        IN_PLACE,
        edited(
            ("zero = in[", "zero = (b ? (device const float2 *)out : in)["),
            ("one = in[", "one = (b ? in : (device const float2 *)out)["),
        ),
    ),
    "saxpy": Race(LOST, edited(("out[i] = a * x[i] + y[i];", SAXPY))),
    "spmv": Race(IN_PLACE, reading("value[e] * x[column[e]]", x="y")),
    "wave3d": Race(
        IN_PLACE,
        reading(
            "u_curr[c - 1] + u_curr[c + 1] + u_curr[c - NX] + u_curr[c + NX]\n"
            "                       + u_curr[c - plane] + u_curr[c + plane]",
            u_curr="u_next",
        ),
    ),
}
