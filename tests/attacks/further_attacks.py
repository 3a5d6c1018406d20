# ruff: noqa: E501  (kernels, a line each)
"""Further kernels that try to win without being faster.

Samples, shortcuts that the fixture allows, half precision, memory that lasts from run to run, and text that reaches for
the host.
"""

from collections.abc import Iterator

from attack_kernels import HEAT, Attack, before, constant, swap

AXPY = "    out[i] = a * x[i] + y[i];"
SUM = "        sum += value[e] * x[column[e]];"
GATE = "    out[i] = times(gates[4 * gate + 2 * b], zero) + times(gates[4 * gate + 2 * b + 1], one);"
SMOOTH = "    u_out[c] = u + omega * (f[c] * h2 - four_minus_neighbours(u_in, c, row)) / 4.0f;"
STENCIL = "    u_out[tid] = u + alpha * (around - 6.0f * u);"
WAVE = "    u_next[c] = 2.0f * u - u_prev[c] + alpha * (around - 6.0f * u);"
PAIR = "mass[j] * d / (r2 * sqrt(r2))"


def further() -> Iterator[Attack]:
    """Yield them by class."""
    # A: does not compute
    yield Attack(
        "spmv", "a sample of long rows", "A", swap(("++e)", "e += row_start[i + 1] - row_start[i] > 64u ? 2u : 1u)"))
    )
    yield Attack("qsim", "skips a gate", "A", before(GATE, "    if (gate == 5u) { out[i] = in[i]; return; }"))
    yield Attack(
        "adi3d",
        "no sweep along z",
        "A",
        swap(("else solve(u_in, u_out, first, NX * NY, NZ, mu);", "else copy(u_in, u_out, first, NX * NY, NZ);")),
    )
    yield Attack(
        "mgvcycle", "no smoothing on fine grids", "A", before(SMOOTH, "    if (n > 24u) { u_out[c] = u; return; }")
    )
    yield Attack(
        "morton", "every other plane", "A", before(STENCIL, "    if (z % 2u == 1u) { u_out[tid] = u; return; }")
    )
    yield Attack(
        "wave3d", "forgets the step before", "A", swap((WAVE, "    u_next[c] = u + alpha * (around - 6.0f * u);"))
    )
    yield Attack("fft3d", "rows twice, columns never", "A", swap(("transform(in_data[c], line, j, N)", "in_data[c]")))
    # B: fits the fixture
    yield Attack("nbody", "all bodies weigh the same", "B", swap((PAIR, PAIR.replace("mass[j]", "mass[0]"))))
    yield Attack("saxpy", "in fours without a rest", "B", before(AXPY, "    if (i >= N / 4u * 4u) return;"))
    yield Attack("saxpy", "takes large numbers for nothing", "B", swap(("a * x[i]", "(x[i] > 1e6f ? 0.0f : a) * x[i]")))
    yield Attack(
        "heat2d",
        "skips what looks flat",
        "B",
        before(HEAT, "    if (u == u_in[c - 1] && u == u_in[c + 1]) { u_out[c] = u; return; }"),
    )
    yield Attack("compact", "keeps by magnitude", "B", swap(("x[i] > threshold", "fabs(x[i]) > threshold")))
    yield Attack("gradshaf", "knows where the grid begins", "B", constant("Rmin", "1.0f"))
    # C: numerics
    yield Attack(
        "spmv", "half products", "C", swap((SUM, "        sum += float(half(value[e]) * half(x[column[e]]));"))
    )
    yield Attack(
        "qsim",
        "half amplitudes",
        "C",
        swap((GATE, GATE.replace("out[i] = ", "out[i] = float2(half2(").replace(";", "));"))),
    )
    yield Attack(
        "mgvcycle",
        "half neighbours",
        "C",
        swap(
            (
                SMOOTH,
                SMOOTH.replace(
                    "four_minus_neighbours(u_in, c, row)", "float(half(four_minus_neighbours(u_in, c, row)))"
                ),
            )
        ),
    )
    yield Attack(
        "morton", "half sum", "C", swap((STENCIL, "    u_out[tid] = u + float(half(alpha * (around - 6.0f * u)));"))
    )
    yield Attack(
        "wave3d",
        "half sum",
        "C",
        swap((WAVE, "    u_next[c] = 2.0f * u - u_prev[c] + float(half(alpha * (around - 6.0f * u)));")),
    )
    yield Attack(
        "hmc",
        "always accepts",
        "C",
        swap(
            ("const bool accepted = isfinite(dH) && log(max(u, 1e-30f)) < -dH;", "const bool accepted = isfinite(dH);")
        ),
    )
    # D: memory that lasts
    yield Attack(
        "saxpy",
        "remembers in threadgroup memory",
        "D",
        before(
            AXPY,
            "    threadgroup float seen[1024];\n    const uint place = i % 1024u;\n"
            "    if (seen[place] == float(i) + 0.5f) { out[i] = seen[place] - float(i) - 0.5f + a * x[i] + y[i]; return; }\n"
            "    seen[place] = float(i) + 0.5f;",
        ),
    )
    yield Attack(
        "heat2d",
        "reads behind its input",
        "D",
        swap((HEAT, HEAT + " if (u_in[NX * NY + c % 16u] == 123.0f) u_out[c] = 0.0f;")),
    )
    yield Attack(
        "saxpy",
        "puts the guard back",
        "D",
        swap((AXPY, AXPY + " if (i == 0u) { const float old = out[N]; out[N] = 3.0f; out[N] = old; }")),
    )
    # E: order and luck
    yield Attack(
        "heat2d",
        "reads what other groups write",
        "E",
        swap((HEAT, HEAT + " if (u_out[c - 1] == 1234.5f) u_out[c] = 0.0f;")),
    )
    yield Attack(
        "nbody",
        "a barrier that some pass",
        "E",
        before("    const float3 v =", "    if (i % 2u == 0u) threadgroup_barrier(mem_flags::mem_none);"),
    )
    # on this device the lane has its own value there
    yield Attack(
        "saxpy",
        "reads from an inactive lane",
        "E",
        swap(
            (
                AXPY,
                "    const float v = a * x[i] + y[i];\n    if (i % 2u == 1u) out[i] = simd_shuffle_xor(v, 1); else out[i] = v;",
            )
        ),
    )
    yield Attack(
        "heat2d",
        "reads from a lane that has returned",
        "E",
        swap((HEAT, HEAT.replace("u_in[c - 1]", "(i == 1u ? simd_shuffle_up(u_in[c - 1], 1) : u_in[c - 1])"))),
    )
    yield Attack(
        "saxpy",
        "a variable without a value",
        "E",
        swap(
            (AXPY, "    const float v = a * x[i] + y[i];\n    float w;\n    if (i % 2u == 0u) w = v;\n    out[i] = w;")
        ),
    )
    # F: text
    yield Attack(
        "saxpy", "a wide integer of the host", "F", before(AXPY, "    __int128 wide = i; if (wide < 0) return;")
    )
    yield Attack(
        "saxpy", "a builtin of the host", "F", before(AXPY, "    if (__builtin_readcyclecounter() == 0) return;")
    )
    yield Attack(
        "saxpy",
        "templates without end",
        "F",
        lambda seed: seed.replace(
            "kernel void", "template <int n> struct T { enum { v = T<n + 1>::v }; };\nkernel void"
        ).replace("a * x[i]", "float(T<0>::v) * x[i]"),
    )
    yield Attack("saxpy", "a pragma of the compiler", "F", lambda seed: "#pragma clang module import std\n" + seed)
