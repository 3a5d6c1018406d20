"""Simdgroup and quad functions of every type against a model of each lane, divergent flow and partial groups too."""

from collections.abc import Iterator

import numpy as np
import pytest
from lanes import FUNCTIONS, SIMD_ONLY, Group, LaneFunction
from probes import DTYPES, Array, sized
from scope import Scope, scopes

from metalsci.cpu_metal import Device, Dispatch

WIDTHS = {"simd": 32, "quad": 4}
SIGNED = ["char", "short", "int", "half", "float", "long"]
KINDS = [*SIGNED, "uchar", "ushort", "uint", "ulong"]
THREADGROUP = 84  # the third simdgroup is a partial one


def functions(group: str, kind: str) -> list[LaneFunction]:
    table = FUNCTIONS + (SIMD_ONLY if group == "simd" else [])
    return [f for f in table if not (f.bits and kind in ("half", "float"))]


def source(group: str, kind: str, lanes: int) -> str:
    """Write one kernel: half of the lanes, as `mask` has it, go through all functions, then the others.

    Of a vector, each lane stores one element.
    """
    vector, element = sized(kind, lanes), f"[place % {lanes}]" if lanes > 1 else ""
    calls = [f.call.replace("G_", f"{group}_").replace("WIDTH", str(WIDTHS[group])) for f in functions(group, kind)]
    stores = [
        f"votes[{k} * n + i] = {call};" if f.votes else f"values[{k} * n + i] = {call}{element};"
        for k, (f, call) in enumerate(zip(functions(group, kind), calls, strict=True))
    ]
    body = "{\n" + "\n".join(stores) + "\n}"
    return (
        "#include <metal_stdlib>\nusing namespace metal;\n"
        f"kernel void k(device const {kind} *xs, device const {kind} *fills, device const bool *mask,"
        f" device {kind} *values, device uint *votes, constant uint &n, uint i [[thread_position_in_grid]],"
        f" uint lane [[thread_index_in_simdgroup]]) {{ const {vector} x = {vector}(xs[i]), fill = {vector}(fills[i]);"
        f" const bool vote = int(xs[i]) & 1; const uint place = lane % {WIDTHS[group]};\n"
        f" if (mask[i]) {body}\n else {body}\n}}"
    )


def groups(values: Array, fill: Array, mask: Array, width: int) -> Iterator[tuple[int, Group]]:
    """Yield every simdgroup or quad with those of its lanes that take a side of the branch, and its first thread."""
    for start in range(0, len(values), THREADGROUP):
        for first in range(start, min(start + THREADGROUP, len(values)), width):
            end = min(first + width, start + THREADGROUP, len(values))
            empty = [0] * (width - (end - first))
            for side in (True, False):
                active = [bool(m) == side for m in mask[first:end]] + [False] * len(empty)
                if any(active):
                    yield (
                        first,
                        Group([*values[first:end].tolist(), *empty], [*fill[first:end].tolist(), *empty], active),
                    )


@pytest.mark.parametrize("scope", scopes(2 * THREADGROUP + 50, 40 * THREADGROUP + 50))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", WIDTHS)
def test_lanes(device: Device, group: str, kind: str, scope: Scope) -> None:
    if group == "simd" and kind in ("long", "ulong"):
        pytest.skip("Metal has none of these")
    rng = np.random.default_rng(len(kind))
    n, dtype, table = scope.rows, DTYPES[kind], functions(group, kind)
    # Sums and products of these are exact in every type, or wrap.
    values = rng.choice([-1, 1, 2] if kind in SIGNED else [1, 2, 3], n, p=[0.4, 0.4, 0.2]).astype(dtype)
    fill = rng.integers(40, 90, n).astype(dtype)
    mask = rng.random(n) < np.repeat(rng.choice([0.0, 0.5, 0.9, 1.0], -(-n // 16)), 16)[:n]
    sizes = (1, 2, 3, 4) if scope.every_overload else (1, 3) if kind in ("uint", "half") else (1,)
    for lanes in sizes:
        out, votes = device.empty((len(table), n), dtype), device.empty((len(table), n), np.uint32)
        bound = dict(enumerate([*map(device.buffer, (values, fill, mask)), out, votes, n]))
        kernel = device.compile(source(group, kind, lanes)).kernels["k"]
        device.run([Dispatch(kernel, bound, (n,), (THREADGROUP,))])
        for first, g in groups(values, fill, mask, WIDTHS[group]):
            for k, function in enumerate(table):
                got = (votes if function.votes else out).array[k]
                for place in np.flatnonzero(g.active):
                    want = function.model(g, int(place))
                    if want is not None:
                        assert got[first + place] == np.asarray(want).astype(got.dtype), (
                            function.call,
                            lanes,
                            first,
                            place,
                            g,
                        )
