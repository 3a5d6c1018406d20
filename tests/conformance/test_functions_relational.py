"""Tests of numbers, comparisons and selection against NumPy: every type, scalars and vectors, in each math mode."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from floating import special
from integers import KINDS
from probes import DTYPES, Array, Probe, evaluate, sized
from scope import Scope, scopes

from metalsci.cpu_metal import Device

FLOATS = ["float", "half", "bfloat"]
TESTS: dict[str, Callable[..., Any]] = {
    "isfinite(x)": lambda x, y: np.isfinite(x),
    "isinf(x)": lambda x, y: np.isinf(x),
    "isnan(x)": lambda x, y: np.isnan(x),
    "signbit(x)": lambda x, y: np.signbit(x),
    "isordered(x, y)": lambda x, y: ~(np.isnan(x) | np.isnan(y)),
    "isunordered(x, y)": lambda x, y: np.isnan(x) | np.isnan(y),
    "x < y": np.less,
    "x <= y": np.less_equal,
    "x > y": np.greater,
    "x >= y": np.greater_equal,
    "x == y": np.equal,
    "x != y": np.not_equal,
}


def floats(kind: str, rows: int) -> tuple[Array, Array, Array, Array]:
    """Return two columns as the device reads them, and the same as numbers."""
    dtype = np.float32 if kind == "bfloat" else DTYPES[kind]
    sharp = special(dtype)
    bits = (
        np.random.default_rng(4)
        .integers(0, 2 ** (8 * np.dtype(dtype).itemsize), rows)
        .astype(f"u{np.dtype(dtype).itemsize}")
    )
    x, y = (grid.ravel() for grid in np.meshgrid(sharp[::4], sharp[::4]))
    x, y = np.concatenate([x, bits.view(dtype)]), np.concatenate([y, bits[::-1].view(dtype)])
    if kind != "bfloat":
        return x, y, x, y
    truncated = [(column.view(np.uint32) >> 16).astype(np.uint16) for column in (x, y)]
    numbers = [(column.astype(np.uint32) << 16).view(np.float32) for column in truncated]
    return truncated[0], truncated[1], numbers[0], numbers[1]


@pytest.mark.parametrize("scope", scopes(200, 100_000))
@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("kind", FLOATS)
def test_tests_and_comparisons(device: Device, kind: str, mode: str, scope: Scope) -> None:
    *columns, x, y = floats(kind, scope.rows)
    tried = [(test, lanes) for i, test in enumerate(TESTS) for lanes in scope.lanes(i)]
    probes = [Probe(test, (sized(kind, lanes),) * 2, sized("bool", lanes)) for test, lanes in tried]
    tiny = 0.0 if kind == "half" else float(np.finfo(np.float32).tiny)
    with np.errstate(invalid="ignore"):
        subnormal = (np.abs(x) < tiny) | (np.abs(y) < tiny)  # is zero to a comparison that flushes
        for (test, lanes), found in zip(tried, evaluate(device, probes, columns, mode, together=24), strict=True):
            want = TESTS[test](x, y)[found.at]
            fine = (found.got == want) | (subnormal[found.at] if test[0] == "x" else False)
            assert fine.all(), f"{test} of {kind}, {lanes} lanes in {mode} math: {x[found.at][~fine][:4]}"


@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("kind", FLOATS)
def test_normal_numbers(device: Device, kind: str, mode: str) -> None:
    column, _, x, _ = floats(kind, 200)
    least = 2.0**-14 if kind == "half" else 2.0**-126
    probes = [Probe("isnormal(x)", (sized(kind, lanes),), sized("bool", lanes)) for lanes in (1, 2, 3, 4)]
    for found in evaluate(device, probes, (column,), mode):
        with np.errstate(invalid="ignore"):
            assert (found.got == (np.isfinite(x) & (np.abs(x.astype(np.float64)) >= least))[found.at]).all()


@pytest.mark.parametrize("scope", scopes(64, 1000))
def test_selection_by_truth_values(device: Device, scope: Scope) -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(scope.rows) < 0.5
    kinds = ["bool", *(kind.name for kind in KINDS), *FLOATS]
    for i, kind in enumerate(kinds if scope.every_overload else ["bool", "uchar", "long", "bfloat"]):
        a, b = (rng.integers(0, 2 if kind == "bool" else 100, scope.rows).astype(DTYPES[kind]) for _ in range(2))
        probes = [
            Probe("select(x, y, z)", (sized(kind, lanes),) * 2 + (sized("bool", lanes),), sized(kind, lanes))
            for lanes in scope.lanes(i)
        ]
        for found in evaluate(device, probes, (a, b, truth)):
            np.testing.assert_array_equal(found.got, np.where(truth, b, a)[found.at], kind)


def test_truth_values_together(device: Device) -> None:
    truth = np.random.default_rng(2).random(200) < 0.7
    sizes = (1, 2, 3, 4)
    together = {lanes: np.stack([np.roll(truth, -k) for k in range(lanes)]) for lanes in sizes}
    for name, reduce in (("all", np.all), ("any", np.any)):
        probes = [Probe(f"{name}(x)", (sized("bool", lanes),), "bool") for lanes in sizes]
        for lanes, found in zip(sizes, evaluate(device, probes, (truth,)), strict=True):
            assert (found.got == reduce(together[lanes], axis=0)).all(), (name, lanes)
    probes = [
        Probe(call, (sized("bool", lanes),), sized("bool", lanes)) for lanes in sizes for call in ("not(x)", "!x")
    ]
    for found in evaluate(device, probes, (truth,)):
        assert (found.got == ~truth[found.at]).all()
