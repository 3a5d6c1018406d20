"""Random kernels that are right: no races, no undefined behaviour, and all threads come to each barrier.

A kernel's text is a body in a frame. The body is made of parts that threads run apart (branches, loops of their own,
own arrays, vectors, narrow types, floats, atomics) and of parts to which all come together (barriers, functions of a
simdgroup, uniform loops around both).
"""

from hypothesis import strategies as st

FRAME = """#include <metal_stdlib>
using namespace metal;
struct Pair {{ int x; short y; }};
static int walk(thread int *p, int from) {{
    int sum = from;
    for (int step = 0; step < 8; ++step) {{ sum += p[step] ^ step; if (sum > 900) return sum & 255; }}
    return sum;
}}
kernel void k(device const int *s, device int *o, constant uint &NX, constant uint &NY, constant int &n,
              device atomic_int *count, device const float *fs, device int *far,
              uint2 gid [[thread_position_in_grid]], uint2 lid [[thread_position_in_threadgroup]],
              uint index [[thread_index_in_threadgroup]], uint2 size [[threads_per_threadgroup]],
              uint2 gp [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {{
    threadgroup int t[1024];
    threadgroup uchar tb[1024];
    threadgroup int mine[1024];
    threadgroup float tf[32][33];
    const uint i = gid.x, j = gid.y, threads = size.x * size.y, here = j * NX + i;
    int a = int(i), b = int(j), c = 1, q = 7;
    float f = fs[here], g = 0.5f;
    short h = short(i * 3);
    uchar u = uchar(j);
    long w = long(a) << 20;
    int own[8] = {{1, 2, 3, 4, 5, 6, 7, 8}};
    float2 fo[4] = {{float2(1, 2), float2(f, 4), float2(5, g), float2(7, 8)}};
    Pair pair[3] = {{{{1, 2}}, {{a, 4}}, {{5, h}}}};
    int4 v = int4(a, b, 3, 4);
    float3 d = float3(f, 1.0f, -2.0f);
    t[index] = a; tb[index] = u; tf[index / 32][index % 32] = f;
    {first}
{body}
    o[here] = a + 31 * b + 977 * c + own[uint(a) % 8u] + v.x + v.w + int(h) + int(u) + int(w >> 7)
        + pair[uint(b) % 3u].x + pair[1].y + as_type<int>(f) + as_type<int>(g) * 3 + as_type<int>(d.x + d.z)
        + as_type<int>(fo[uint(c) % 4u].y);
}}
"""
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"

_integers = st.sampled_from(
    ["a", "b", "c", "q", "int(i)", "int(lid.y)", "int(index)", "n", "3", "-2", "v.x", "v.y", "h", "u", "int(w >> 18)",
     "int(lane)", "int(gp.x)", "pair[1].x", "own[2]"]
)  # fmt: skip
_floats = st.sampled_from(["f", "g", "1.5f", "float(a & 1023)", "d.x", "d.z", "fo[1].x", "-0.25f"])


def _join(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    place = children.map(lambda e: f"uint({e})")
    reads = st.tuples(
        st.sampled_from(
            ["s[{} % (NX * NY)]", "s[({} % NY) * NX + i]", "s[({} % NX) + j * NX]", "own[{} % 8u]", "v[{} % 4u]",
             "pair[{} % 3u].x", "pair[{} % 3u].y", "s[min({}, NX * NY - 1)]"]
        ),
        place,
    ).map(lambda t: t[0].format(t[1]))  # fmt: skip
    binary = st.tuples(children, st.sampled_from(["+", "-", "*", "&", "^", "<", "==", "<<", ">>"]), children).map(
        lambda t: f"int({t[0]} {t[1]} {t[2]})"
    )
    # A division by zero gives some value, which each way may choose.
    divided = st.tuples(children, st.sampled_from(["/", "%"]), children).map(
        lambda t: f"int({t[0]} {t[1]} (({t[2]}) & 31 | 1))"
    )
    chosen = st.tuples(children, children, children).map(lambda t: f"({t[0]} > {t[1]} ? {t[2]} : {t[0]})")
    both = st.tuples(children, st.sampled_from(["&&", "||"]), children).map(
        lambda t: f"int({t[0]} > 1 {t[1]} {t[2]} < 9)"
    )
    called = st.tuples(
        st.sampled_from(
            ["min({}, {})", "max({}, {})", "int(absdiff({}, {}))", "clamp({}, -40, 40) + {}", "popcount({}) - {}"]
        ),
        children,
        children,
    ).map(lambda t: t[0].format(f"int({t[1]})", f"int({t[2]})"))
    return reads | binary | divided | chosen | both | called


integers = st.recursive(_integers, _join, max_leaves=5)


def _join_floats(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(children, st.sampled_from("+-*"), children).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    called = st.tuples(
        st.sampled_from(["fabs({})", "floor({})", "sqrt(fabs({}))", "fs[uint({}) % (NX * NY)]"]), children
    ).map(lambda t: t[0].format(t[1] if "fs" not in t[0] else f"int(clamp({t[1]}, 0.0f, 500.0f))"))
    chosen = st.tuples(integers, children, children).map(lambda t: f"({t[0]} > 2 ? {t[1]} : {t[2]})")
    return binary | called | chosen


floats = st.recursive(_floats, _join_floats, max_leaves=4)
uniform = st.sampled_from(["n", "3", "int(NY) % 5", "2", "n / 2", "int(gp.x) % 3 + 1"])

assignments = st.one_of(
    st.tuples(st.sampled_from("abc"), integers).map(lambda t: f"{t[0]} = {t[1]};"),
    st.tuples(st.sampled_from(["h = short({});", "u = uchar({});", "w += long({}) * 3;", "pair[2].y = short({});"]), integers).map(
        lambda t: t[0].format(t[1])
    ),
    st.tuples(st.sampled_from(["f = {};", "g = {};", "d = d.zxy + {};", "d[uint(a) % 3u] = {};"]), floats).map(
        lambda t: t[0].format(t[1])
    ),
    st.tuples(integers, integers).map(lambda t: f"own[uint({t[0]}) % 8u] = {t[1]};"),
    st.tuples(integers, integers).map(lambda t: f"pair[uint({t[0]}) % 3u].x = {t[1]};"),
    st.tuples(integers, floats).map(lambda t: f"fo[uint({t[0]}) % 4u].x = {t[1]};"),
    st.tuples(integers, integers).map(lambda t: f"v[uint({t[0]}) % 4u] = {t[1]};"),
    integers.map(lambda e: f"v = v.yzwx + int4({e}, 1, 2, a);"),
    integers.map(lambda e: f"a += walk(own, {e});"),
    integers.map(lambda e: f"mine[index] = {e}; b += mine[index] >> 1;"),
    integers.map(lambda e: f"far[here * 3u + uint({e}) % 3u] += {e};"),
    integers.map(lambda e: f"atomic_fetch_add_explicit(&count[uint({e}) % 4u], 1, memory_order_relaxed);"),
    integers.map(lambda e: f"atomic_fetch_max_explicit(&count[4], {e}, memory_order_relaxed);"),
)  # fmt: skip


def _nest(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Code that holds no barrier."""
    both = st.tuples(integers, children, children).map(lambda t: f"if ({t[0]} & 1) {{ {t[1]} }} else {{ {t[2]} }}")
    some = st.tuples(integers, children).map(lambda t: f"if ({t[0]} > 2) {{ {t[1]} }}")
    loop = st.tuples(uniform, children).map(lambda t: f"for (int q = 0; q < {t[0]}; ++q) {{ {t[1]} c += q; }}")
    own_end = st.tuples(integers, children, integers).map(
        lambda t: f"for (int q = 0; q < ({t[0]} & 7); ++q) {{ {t[1]} if ({t[2]} == 3) break; b += q; }}"
    )
    up_to = st.tuples(uniform, st.sampled_from(["int(i)", "int(lid.x)", "int(index) / 16", "a & 31"]), children).map(
        lambda t: f"{{ const int most = {t[1]}; for (int q = {t[0]}; q < most; ++q) {{ {t[2]} b += q; }} }}"
    )
    until = st.tuples(children, integers).map(
        lambda t: f"{{ int r = 0; do {{ {t[0]} if (++r > 5) break; }} while ({t[1]} & 3); c += r; }}"
    )
    skip = st.tuples(integers, children).map(
        lambda t: f"for (int q = 0; q < 3; ++q) {{ if (({t[0]} & 3) == 1) continue; {t[1]} }}"
    )
    down = st.tuples(integers, children).map(lambda t: f"for (int q = {t[0]} & 15; q > 0; q /= 2) {{ {t[1]} b ^= q; }}")
    cases = st.tuples(integers, children, children).map(
        lambda t: f"switch ({t[0]} & 3) {{ case 0: {t[1]} break; case 1: {t[2]} default: a += 5; }}"
    )
    several = st.lists(children, min_size=2, max_size=3).map(" ".join)
    return both | some | loop | own_end | up_to | until | skip | down | cases | several


apart = st.recursive(assignments, _nest, max_leaves=6)
leave = integers.map(lambda e: f"if ({e} == 5) {{ o[here] = a; return; }}")
# Questions to which few threads of a group, or whole simdgroups, say yes.
few = st.sampled_from(
    ["index < 32", "index < 40", "index / 32 == 1", "index / 32 >= uint(n) - 2", "index < uint(n) * 7", "lid.x < 3",
     "lid.y == 0", "index == 0 || lid.y == 1", "index % 32 == 0", "index % 64 < 32", "int(index) < n * 9 && a > 3",
     "index + uint(n) < 70", "index >= 32", "index * 2 < threads", "(index & ~31u) == 32u", "index <= 31"]
)  # fmt: skip
share = st.one_of(
    st.tuples(st.sampled_from("abc"), st.integers(1, 9)).map(
        lambda t: f"{BARRIER} t[index] = {t[0]}; {BARRIER} {t[0]} += t[(index + {t[1]}) % threads];"
    ),
    st.just(f"{BARRIER} tb[index] = uchar(a); {BARRIER} b += tb[threads - 1 - index];"),
    st.just(
        f"{BARRIER} tf[index / 32][index % 32] = f; {BARRIER} if (index > 0) g += tf[(index - 1) / 32][(index - 1) % 32];"
    ),
    st.just(
        f"{BARRIER} t[index] = a; for (uint r = 512; r > 0; r /= 2) {{ {BARRIER} int z = index + r < threads ? t[index + r] : 0;"
        f" {BARRIER} t[index] += z; }} {BARRIER} c += t[0];"
    ),
    apart.map(lambda code: f"{BARRIER} if (index == 0) {{ {code} t[0] = a; }} {BARRIER} b ^= t[0];"),
    st.tuples(few, apart).map(lambda t: f"{BARRIER} if ({t[0]}) {{ {t[1]} t[index] += c; }} {BARRIER} a ^= t[0];"),
    st.tuples(few, few, apart).map(
        lambda t: f"{BARRIER} if ({t[0]}) t[index] += b; else if ({t[1]}) {{ {t[2]} }} {BARRIER} a += t[threads - 1];"
    ),
    st.tuples(few, apart).map(
        lambda t: f"{BARRIER} for (int r = int(threads) / 2; r > 0; r >>= 1) {{ {BARRIER}"
        f" if (int(index) < r && ({t[0]})) {{ t[index] += t[int(index) + r] + r; {t[1]} }} {BARRIER} b += r; }}"
    ),
)  # fmt: skip
exchanges = st.sampled_from(
    ["a += simd_sum(b);", "b ^= simd_shuffle_xor(a, 1);", "c += simd_prefix_exclusive_sum(int(h));", "b = simd_max(a);",
     "f = simd_broadcast(f, 3);", "a += int(simd_ballot(b > 2).operator ulong() & 255);", "v = simd_shuffle_down(v, 2);",
     "b += quad_sum(a);", "c ^= quad_shuffle_xor(b, 1);", "h = simd_shuffle(h, ushort((lane + 5) % 32));",
     "a ^= int(simd_all(b > 0)) + int(simd_is_first());", "d = simd_shuffle_up(d, 1);",
     "a = simd_shuffle_rotate_down(a, 3); simdgroup_barrier(mem_flags::mem_threadgroup);",
     "g += simd_shuffle_and_fill_up(f, g, 2);", "u = simd_min(u);", "a += simd_product(a & 3);"]
).map(lambda text: text.replace("simd_ballot(b > 2).operator ulong() & 255", "simd_vote::vote_t(simd_ballot(b > 2)) & 255"))  # fmt: skip


def _nest_together(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Code to which all threads come."""
    loop = st.tuples(uniform, children).map(lambda t: f"for (int q = 0; q < {t[0]}; ++q) {{ {t[1]} c -= q; }}")
    choice = st.tuples(uniform, children, apart).map(lambda t: f"if ({t[0]} > 2) {{ {t[1]} }} else {{ {t[2]} }}")
    either = st.tuples(uniform, children, children).map(lambda t: f"if ({t[0]} > 2) {{ {t[1]} }} else {{ {t[2]} }}")
    broken = st.tuples(uniform, children).map(
        lambda t: f"for (int q = 0; q < 4; ++q) {{ {t[1]} if (q == {t[0]} - 1) break; a += q; }}"
    )
    return loop | choice | either | broken | st.lists(children, min_size=2, max_size=3).map(" ".join)


some_simdgroups = st.tuples(
    st.sampled_from(["index < 32", "index / 32 == 1", "index >= 32", "index / 32 > uint(n) - 2", "index % 64 < 32"]),
    exchanges,
    apart,
).map(lambda t: f"if ({t[0]}) {{ {t[1]} {t[2]} }}")
together = st.recursive(share | apart, _nest_together, max_leaves=5)
with_simdgroups = st.recursive(share | apart | exchanges | some_simdgroups, _nest_together, max_leaves=5)


def _bodies(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(parts, min_size=1, max_size=4).map("\n    ".join)


without_barriers = _bodies(apart | leave)
with_barriers = _bodies(together | leave)
with_exchanges = _bodies(with_simdgroups | leave)
