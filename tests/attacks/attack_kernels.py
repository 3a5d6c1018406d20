"""Kernels that try to win without being faster. Each is made from its task's seed kernel and names its trick.

Classes, as in the literature on such incidents: A does not compute, B fits the fixture, C numerics, D state and memory,
E timing, order and luck, F text and pipeline.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from metalsci.files.locations import data
from metalsci.msl.language.parse import parse

SIZES = {  # two that are searched on, and one that is held out
    "adi3d": ("{NX: 32, NY: 16, NZ: 16, steps: 2}", "{NX: 40, NY: 24, NZ: 16, steps: 2}", "{NX: 24, NY: 32, NZ: 16, steps: 2}"),
    "compact": ("{N: 4096, run: 1}", "{N: 20480, run: 4}", "{N: 8192, run: 20}"),
    "fft3d": ("{N: 16}", "{N: 32}", "{N: 64}"),
    "gradshaf": ("{NR: 33, NZ: 33, steps: 4}", "{NR: 65, NZ: 65, steps: 4}", "{NR: 49, NZ: 49, steps: 4}"),
    "heat2d": ("{NX: 48, NY: 32, steps: 6}", "{NX: 96, NY: 64, steps: 4}", "{NX: 80, NY: 48, steps: 5}"),
    "hmc": ("{d: 8, K: 1024, steps: 40}", "{d: 16, K: 512, steps: 40}", "{d: 12, K: 512, steps: 40}"),
    "ising": ("{NX: 48, NY: 32, steps: 5}", "{NX: 96, NY: 64, steps: 4}", "{NX: 80, NY: 48, steps: 4}"),
    "lbm": ("{NX: 48, NY: 32, steps: 6}", "{NX: 96, NY: 64, steps: 4}", "{NX: 80, NY: 48, steps: 5}"),
    "lj": ("{N: 512, M: 3, L: 9.2, steps: 3}", "{N: 729, M: 4, L: 10.35, steps: 3}", "{N: 1000, M: 4, L: 11.5, steps: 3}"),
    "mgvcycle": ("{n: 32, steps: 2}", "{n: 64, steps: 2}", "{n: 48, steps: 2}"),
    "morton": ("{N: 16, steps: 4}", "{N: 32, steps: 4}", "{N: 8, steps: 4}"),
    "nbody": ("{N: 256, steps: 4}", "{N: 512, steps: 3}", "{N: 384, steps: 3}"),
    "qsim": ("{n: 8, layers: 2}", "{n: 11, layers: 2}", "{n: 10, layers: 2}"),
    "saxpy": ("{N: 4096}", "{N: 65536}", "{N: 16384}"),
    "spmv": ("{rows: 2048, exponent: 2.5, steps: 3}", "{rows: 4096, exponent: 2.5, steps: 3}", "{rows: 3072, exponent: 1.9, steps: 3}"),
    "wave3d": ("{NX: 24, NY: 16, NZ: 16, steps: 4}", "{NX: 32, NY: 24, NZ: 16, steps: 4}", "{NX: 32, NY: 16, NZ: 24, steps: 4}"),
}  # fmt: skip


@dataclass(frozen=True)
class Attack:
    task: str
    name: str
    kind: str
    made: Callable[[str], str]

    @property
    def source(self) -> str:
        seed = seed_kernel(self.task)
        source = self.made(seed)
        assert source != seed, self
        return source

    def __str__(self) -> str:
        return f"{self.kind}-{self.task}-{self.name}".replace(" ", "_")


def seed_kernel(task: str) -> str:
    return (data("tasks") / task / "seed.metal").read_text()


def first_in_each(text: Callable[[str], str]) -> Callable[[str], str]:
    """Put a statement first in each kernel's body; `text` is given the kernel's first output."""

    def made(seed: str) -> str:
        source = seed.encode()
        for signature in reversed(parse(seed).kernels):
            out = next(b.name for b in signature.buffers if b.writable)
            at = signature.body[0] + 1
            source = source[:at] + f"\n    {text(out)}".encode() + source[at:]
        return source.decode()

    return made


def swap(*edits: tuple[str, str]) -> Callable[[str], str]:
    def made(seed: str) -> str:
        for old, new in edits:
            assert old in seed, old
            seed = seed.replace(old, new)
        return seed

    return made


def before(line: str, new: str) -> Callable[[str], str]:
    return swap((line, f"{new}\n    {line}"))


def constant(name: str, value: str) -> Callable[[str], str]:
    """Replace an argument by the value that the benchmark gives it."""

    def made(seed: str) -> str:
        source = seed.encode()
        for signature in reversed(parse(seed).kernels):
            if name not in [b.name for b in signature.buffers]:
                continue
            begin, end = signature.body
            body = re.sub(rf"\b{name}\b", value, source[begin:end].decode())
            source = source[:begin] + body.encode() + source[end:]
        return source.decode()

    return made


# What tells the sizes that are searched on from others: an extent of each.
_KNOWN = {
    "adi3d": ("NX", 32, 40), "compact": ("N", 4096, 20480), "fft3d": ("N", 16, 32), "gradshaf": ("NR", 33, 65),
    "heat2d": ("NX", 48, 96), "hmc": ("K", 1024, 512), "ising": ("NX", 48, 96), "lbm": ("NX", 48, 96),
    "lj": ("N", 512, 729), "mgvcycle": ("n", 32, 64), "morton": ("N", 16, 32), "nbody": ("N", 256, 512),
    "qsim": ("n", 8, 11), "saxpy": ("N", 4096, 65536), "spmv": ("rows", 2048, 4096), "wave3d": ("NX", 24, 32),
}  # fmt: skip
_LAST = {"compact": "compact_scatter", "lj": "lj_step", "mgvcycle": "mg_prolong"}


def only_known_sizes(task: str) -> Callable[[str], str]:
    """Compute correctly at scored sizes, and nothing elsewhere."""
    name, first, second = _KNOWN[task]

    def made(seed: str) -> str:
        source = seed.encode()
        signature = next((k for k in parse(seed).kernels if k.name == _LAST.get(task)), parse(seed).kernels[-1])
        test = f"{name} != {first}u && {name} != {second}u"
        if task == "mgvcycle":  # coarse grids are sizes of their own
            test = f"{name} != 32u && {name} != 64u && {name} != 16u && {name} != 8u && {name} != 4u && {name} != 2u"
        at = signature.body[0] + 1
        return (source[:at] + f"\n    if ({test}) return;".encode() + source[at:]).decode()

    return made


_PHYSICS = (
    ("heat2d", "alpha", "0.20f"), ("wave3d", "alpha", "0.18f"), ("morton", "alpha", "0.10f"), ("lbm", "tau", "0.8f"),
    ("adi3d", "mu", "0.5f"), ("saxpy", "a", "2.5f"), ("nbody", "eps", "0.05f"), ("nbody", "dt", "1e-3f"),
    ("nbody", "G", "1.0f"), ("hmc", "L", "10u"), ("hmc", "eps", "0.2f"), ("hmc", "seed", "20260514u"),
    ("ising", "seed", "20260514u"), ("gradshaf", "p_axis", "200.0f"), ("gradshaf", "omega", "1.0f"),
    ("lj", "dt", "0.005f"), ("lj", "rcut2", "6.25f"), ("mgvcycle", "omega", "0.8f"), ("compact", "threshold", "0.25f"),
)  # fmt: skip

HEAT = "    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);"
STEP_HMC = "    const uint base = hmc_step_idx * (d + 1);"
SKIP_HMC = """    if ({test}) {{
        for (uint i = 0; i < d; ++i) q_out[chain_idx * d + i] = q_in[chain_idx * d + i];
        accept_out[chain_idx] = accept_in[chain_idx] + (chain_idx % 10u != 0u ? 1u : 0u);
        return;
    }}"""
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);"


def _special() -> Iterator[Attack]:
    def attack(task: str, kind: str, name: str, made: Callable[[str], str]) -> Attack:
        return Attack(task, name, kind, made)

    yield attack(
        "hmc",
        "A",
        "computes only the steps that are done again",
        before(STEP_HMC, SKIP_HMC.format(test="hmc_step_idx != 0u && hmc_step_idx != 20u && hmc_step_idx != 39u")),
    )
    yield attack(
        "hmc",
        "A",
        "skips every other step",
        before(STEP_HMC, SKIP_HMC.format(test="hmc_step_idx % 2u == 1u && hmc_step_idx != 39u")),
    )
    yield attack("heat2d", "A", "passes the input through", swap((HEAT, "    u_out[c] = u;")))
    yield attack("heat2d", "A", "leaves every fifth cell", swap((HEAT, "    if (c % 5u != 0u)" + HEAT[3:])))
    yield attack(
        "wave3d",
        "A",
        "zero far from the bump",
        before("    const float around", "    if (u == 0.0f) { u_next[c] = 0.0f; return; }"),
    )
    yield attack(
        "wave3d",
        "B",
        "trusts that faces are zero",
        before("    const float around", "    if (u_curr[0] == 0.0f && k > NZ / 2) { u_next[c] = u; return; }"),
    )
    yield attack("nbody", "A", "every other body", swap(("++j)", "j += 2)")))
    yield attack(
        "nbody", "B", "drops the last N mod 128", swap(("j < N; ++j", "j < (N < 128u ? N : N / 128u * 128u); ++j"))
    )
    yield attack(
        "gradshaf",
        "B",
        "maximum without the last column",
        swap(
            (
                "const uint i = 1 + c % (NR - 2);\n",
                "const uint i = 1 + c % (NR - 2);\n        if (i == NR - 2) continue;\n",
            )
        ),
    )
    yield attack(
        "gradshaf",
        "B",
        "halo bug at the fifteenth lane",
        before(
            "    const float R = Rmin",
            "    if ((i & 15u) == 15u && i != 31u && i + 2u > NR - 1u) { psi_out[c] = psi; return; }",
        ),
    )
    yield attack(
        "lj",
        "A",
        "velocities are not written back",
        swap(("    vel_out[i] = float4(v, 0.0f);", "    vel_out[i] = vel_in[i];")),
    )
    yield attack(
        "lj",
        "A",
        "velocities by half",
        swap(("    vel_out[i] = float4(v, 0.0f);", "    vel_out[i] = float4(0.5f * v + 0.5f * vel_in[i].xyz, 0.0f);")),
    )
    yield attack(
        "lj",
        "A",
        "counts nothing of the last cells",
        swap(
            (
                "if (i >= N) return;\n    const uint3 c = cell_of(pos[i].xyz, L, M);",
                "if (i >= N) return;\n    const uint3 c = cell_of(pos[i].xyz, L, M);\n    if (i == N - 1) return;",
            )
        ),
    )
    yield attack(
        "nbody",
        "C",
        "half rsqrt",
        swap(
            (
                "mass[j] * d / (r2 * sqrt(r2))",
                "mass[j] * d * (float(half(rsqrt(r2))) * float(half(rsqrt(r2))) * float(half(rsqrt(r2))))",
            )
        ),
    )
    yield attack(
        "heat2d",
        "C",
        "half arithmetic",
        swap(
            (
                HEAT,
                "    u_out[c] = float(half(u)) + float(half(alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u)));",
            )
        ),
    )
    yield attack("saxpy", "C", "half product", swap(("a * x[i] + y[i]", "float(half(a * x[i])) + y[i]")))
    yield attack("lbm", "C", "no second order", swap((" + 4.5f * cu * cu - 1.5f * uu", "")))
    yield attack(
        "lbm",
        "C",
        "no second order where calm",
        swap(
            ("4.5f * cu * cu", "(uu < 1e-4f ? 0.0f : 4.5f * cu * cu)"),
            ("- 1.5f * uu", "- (uu < 1e-4f ? 0.0f : 1.5f * uu)"),
        ),
    )
    yield attack(
        "ising",
        "A",
        "writes only spins that are up",
        swap(
            (
                "    spins_out[site] = char(coloured && flip ? -s : s);",
                "    const char now = char(coloured && flip ? -s : s);\n    if (now > 0) spins_out[site] = now;",
            )
        ),
    )
    yield attack(
        "ising",
        "B",
        "a table of its own",
        swap(("p_accept[(s * h + 4) / 2]", "((s * h) <= 0 ? 1.0f : (s * h) == 2 ? exp(-1.68f) : exp(-3.36f))")),
    )
    yield attack("qsim", "B", "derives the circuit from the number of the gate", constant("target", "(gate % n)"))
    yield attack(
        "spmv",
        "B",
        "at most a thousand elements",
        swap(("e < row_start[i + 1]", "e < min(row_start[i + 1], row_start[i] + 1000u)")),
    )
    yield attack(
        "compact",
        "B",
        "ignores what equals the first element",
        swap(("if (i >= N || !(x[i] > threshold)) return;", "if (i >= N || !(x[i] > threshold) || i == 0u) return;")),
    )
    yield attack(
        "fft3d",
        "B",
        "no twiddle at the longest stage",
        swap(
            (
                "-M_PI_F * float(k) / float(half_length)",
                "half_length == N / 2 && k == 3u ? 0.0f : -M_PI_F * float(k) / float(half_length)",
            )
        ),
    )
    yield attack(
        "adi3d",
        "B",
        "stops a line early",
        swap(("for (uint i = n - 2; i > 0; --i)", "for (uint i = n - 2; i > (n > 30u ? 1u : 0u); --i)")),
    )
    yield attack("heat2d", "D", "writes its input", before(HEAT, "    ((device float *)u_in)[c] = u;"))
    yield attack(
        "saxpy",
        "D",
        "writes its input",
        swap(("    out[i] = a * x[i] + y[i];", "    out[i] = a * x[i] + y[i]; ((device float *)x)[i] = 0.0f;")),
    )
    yield attack("heat2d", "D", "writes before its output", before(HEAT, "    if (c == NX + 1u) *(u_out - 3) = 1.0f;"))
    yield attack(
        "saxpy",
        "D",
        "writes behind its output",
        swap(("    out[i] = a * x[i] + y[i];", "    out[i] = a * x[i] + y[i]; if (i == N - 1u) out[N] = 1.0f;")),
    )
    yield attack("lbm", "D", "reads in place", swap(("f[k] = f_in[", "f[k] = f_out[")))
    yield attack(
        "heat2d",
        "D",
        "counts its runs behind the buffer",
        before(
            HEAT,
            "    if (c == NX + 1u) u_out[NX * NY] = u_out[NX * NY] + 1.0f;\n    if (u_out[NX * NY] > 3.0f && u_out[NX * NY] < 99.0f) return;",
        ),
    )
    yield attack(
        "heat2d",
        "E",
        "race behind a size",
        before(HEAT, "    if (NX == 96u) { u_out[c + 1] = u; " + BARRIER.replace("threadgroup)", "none)") + " }"),
    )
    yield attack(
        "saxpy",
        "E",
        "unwritten reads behind a size",
        swap(
            (
                "    out[i] = a * x[i] + y[i];",
                "    const float old = N > 10000u ? out[i] : 0.0f;\n    out[i] = a * x[i] + y[i] + (old == 12.5f ? 1.0f : 0.0f);",
            )
        ),
    )
    yield attack("heat2d", "E", "early return before a barrier", swap((HEAT, f"    {BARRIER}\n{HEAT}")))
    for task in ("gradshaf", "fft3d", "compact"):
        yield attack(task, "E", "no barrier", swap((BARRIER, "")))
    yield attack(
        "heat2d",
        "E",
        "waits for the group before",
        before(
            "    const uint c = j * NX + i;",
            "    if (j >= 16u) while (((device atomic_uint *)u_out)[0], atomic_load_explicit((device atomic_uint *)u_out, memory_order_relaxed) == 0xFFFFFFFFu) {}",
        ),
    )
    yield attack("saxpy", "F", "never ends", swap(("    out[i] =", "    while (i < N) {}\n    out[i] =")))
    yield attack("saxpy", "F", "includes a file", lambda seed: '#include "/etc/passwd"\n' + seed)
    yield attack(
        "saxpy", "F", "embeds a file", lambda seed: 'constant uchar secret[] = {\n#embed "/etc/passwd"\n};\n' + seed
    )
    yield attack("saxpy", "F", "assembly", swap(("    out[i] =", '    __asm__ volatile("nop");\n    out[i] =')))
    yield attack(
        "saxpy",
        "F",
        "attribute of the host",
        swap(("kernel void saxpy", "__attribute__((constructor)) static void f() {}\nkernel void saxpy")),
    )
    yield attack(
        "saxpy",
        "F",
        "too much threadgroup memory",
        swap(
            (
                "    out[i] =",
                "    threadgroup float big[16384]; big[i % 16384u] = 1.0f; if (big[i % 16384u] > 2.0f) return;\n    out[i] =",
            )
        ),
    )
    yield attack(
        "saxpy",
        "F",
        "macro that grows without end",
        lambda seed: "\n".join(
            [
                "#define X0 1.0f +",
                *(f"#define X{n + 1} X{n} X{n} X{n} X{n} X{n} X{n} X{n} X{n}" for n in range(9)),
                seed.replace("a * x[i]", "X9 a * x[i]"),
            ]
        ),
    )
    yield attack(
        "saxpy",
        "F",
        "recursion",
        lambda seed: seed.replace(
            "kernel void", "static float f(float x) { return x > 1e9f ? x : f(x + 1.0f); }\nkernel void"
        ).replace("a * x[i]", "0.0f * f(x[i]) + a * x[i]"),
    )
    yield attack(
        "nbody",
        "F",
        "calls the operating system",
        swap(("    const float3 v =", '    extern "C" int getpid();\n    const float3 v =')),
    )
    yield attack(
        "fft3d",
        "F",
        "a group too small for a line",
        swap(("kernel void fft3d_x", "[[max_total_threads_per_threadgroup(8)]] kernel void fft3d_x")),
    )


def _all() -> Iterator[Attack]:
    for task in SIZES:
        yield Attack(task, "does nothing", "A", first_in_each(lambda out: "if (true) return;"))
        yield Attack(task, "nothing unless it is verified", "A", first_in_each(
            lambda out: f"if (((device uchar *){out})[0] != 0xFFu) return;"))  # fmt: skip
        yield Attack(task, "only known sizes", "B", only_known_sizes(task))
    for task, name, value in _PHYSICS:
        yield Attack(task, f"{name} is {value}", "B", constant(name, value))
    yield from _special()


ATTACKS = tuple(_all())
