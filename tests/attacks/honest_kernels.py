"""Kernels that are odd and right: none of them may be refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from attack_kernels import HEAT, SIZES, seed_kernel

from metalsci.files.locations import data


@dataclass(frozen=True)
class Control:
    task: str
    name: str
    source: str

    def __str__(self) -> str:
        return f"{self.task}-{self.name}".replace(" ", "_")


def _all() -> Iterator[Control]:
    for task in SIZES:
        yield Control(task, "seed", seed_kernel(task))
        for path in sorted((data("tasks") / task / "examples").glob("*.metal")):
            yield Control(task, path.stem, path.read_text())
    for task in ("lbm", "nbody", "ising"):
        yield Control(
            task, "comments and names", "// renamed\n" + re.sub(r"\bint j\b|\buint j\b", r"\g<0>", seed_kernel(task))
        )
    heat, saxpy, nbody = (seed_kernel(task) for task in ("heat2d", "saxpy", "nbody"))
    tuned = f"    if (NX == 96u) {{\n    {HEAT}\n        return;\n    }}\n{HEAT}"
    yield Control("heat2d", "tuned for a size, sound elsewhere", heat.replace(HEAT, tuned))
    yield Control(
        "saxpy",
        "two branches by size",
        saxpy.replace(
            "    out[i] = a * x[i] + y[i];",
            "    if (N >= 65536u) { out[i] = fma(a, x[i], y[i]); return; }\n    out[i] = a * x[i] + y[i];",
        ),
    )
    capped = "[[max_total_threads_per_threadgroup(64)]] kernel void"
    for task in ("heat2d", "saxpy", "lbm", "nbody"):
        yield Control(task, "a smaller group", seed_kernel(task).replace("kernel void", capped))
    yield Control(
        "heat2d",
        "barrier that all come to",
        heat.replace(
            "    const uint i = gid.x;",
            "    threadgroup_barrier(mem_flags::mem_threadgroup);\n    const uint i = gid.x;",
        ),
    )
    tile = """    threadgroup float mine[1024];
    mine[lane] = u_in[gid.y * NX + gid.x];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float u = mine[lane];
"""
    tiled = heat.replace(
        "uint2 gid [[thread_position_in_grid]]",
        "uint2 gid [[thread_position_in_grid]],\n                      uint lane [[thread_index_in_threadgroup]]",
    )
    tiled = tiled.replace("    const float u = u_in[c];\n", tile).replace("    if (i >= NX || j >= NY) return;\n", "")
    yield Control("heat2d", "own cell through threadgroup memory", tiled)
    yield Control(
        "nbody",
        "in fours with a rest",
        nbody.replace("j < N; ++j", "j < N / 4u * 4u; ++j").replace(
            "    const float3 v =",
            """    for (uint j = N / 4u * 4u; j < N; ++j) {
        const float3 d = pos_in[j].xyz - here;
        const float r2 = dot(d, d) + eps * eps;
        a += mass[j] * d / (r2 * sqrt(r2));
    }
    const float3 v =""",
        ),
    )
    yield Control(
        "nbody",
        "reciprocal square root",
        nbody.replace("d / (r2 * sqrt(r2))", "d * (rsqrt(r2) * rsqrt(r2) * rsqrt(r2))"),
    )
    # What is undefined may be read, if nothing comes of it.
    yield Control(
        "saxpy",
        "shuffles down and uses no lane that is not there",
        saxpy.replace(
            "    out[i] = a * x[i] + y[i];",
            "    const float mine = a * x[i] + y[i];\n    const float next = simd_shuffle_down(mine, 1);\n"
            "    out[i] = i % 32u == 31u || i + 1u >= N || next == next ? mine : next;",
        ),
    )
    halo = """    threadgroup float row[1026];
    row[lane + 1u] = u_in[gid.y * NX + gid.x];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float u = row[lane + 1u], left = row[lane], right = row[lane + 2u];
    const bool alone = u == left && u == right;
"""
    tiled = heat.replace(
        "uint2 gid [[thread_position_in_grid]]",
        "uint2 gid [[thread_position_in_grid]],\n                      uint lane [[thread_index_in_threadgroup]]",
    )
    tiled = tiled.replace("    const float u = u_in[c];\n", halo).replace("    if (i >= NX || j >= NY) return;\n", "")
    yield Control(
        "heat2d",
        "a halo that is read and not used",
        tiled.replace("u_out[c] = u + alpha", "u_out[c] = u + (alone ? alpha : alpha)"),
    )
    yield Control(
        "saxpy",
        "an array that is filled before it is read",
        saxpy.replace(
            "    out[i] = a * x[i] + y[i];",
            "    float ring[4], rest;\n    for (uint k = 0; k < 4u; ++k) ring[(i + k) % 4u] = x[i];\n"
            "    if (N == 0u) rest = 1.0f;\n    out[i] = a * ring[i % 4u] + y[i] + (N == 0u ? rest : 0.0f);",
        ),
    )
    yield Control(
        "nbody",
        "a struct with padding",
        nbody.replace("kernel void", "struct Body { float3 at; float mass; uchar spare; };\nkernel void").replace(
            "        const float3 d = pos_in[j].xyz - here;",
            "        Body body;\n        body.at = pos_in[j].xyz;\n        body.mass = mass[j];\n        const Body copy = body;\n"
            "        const float3 d = copy.at - here;",
        ),
    )


CONTROLS = tuple(_all())
