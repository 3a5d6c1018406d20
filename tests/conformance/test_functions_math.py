"""Elementary functions against mpmath, in every spelling and math mode, over random and special arguments."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from elementary import ELEMENTARY, Array, Elementary, nowhere
from floating import SLACK, special, spread, wrong
from probes import DTYPES, Probe, Values, evaluate, sized
from scope import Scope, scopes

from metalsci.cpu_metal import Device


def arguments(function: Elementary, kind: str, count: int) -> tuple[Array, ...]:
    """Draw arguments: random ones, special ones and, of two, special ones against each other."""
    rng = np.random.default_rng(17)
    dtype = DTYPES[kind]
    columns = [spread(rng, count, *function.domain, dtype) for _ in range(function.arity)]
    if function.arity == 1:
        return (np.concatenate([columns[0], special(dtype)]),)
    corners = special(dtype)[:: 3 if count < 1000 else 1]
    whole = np.rint(columns[1][: count // 4])  # powers of negative numbers
    pairs = np.stack(np.meshgrid(corners, corners)).reshape(2, -1)
    return (
        np.concatenate([columns[0], columns[0][: count // 4], pairs[0]]),
        np.concatenate([columns[1], whole, pairs[1]]).astype(dtype),
    )


def check(function: Elementary, kind: str, mode: str, space: str, got: Array, given: tuple[Array, ...]) -> None:
    fast = space == "fast::" or (space == "" and mode == "fast")
    tolerance = function.half if kind == "half" else function.fast if fast else function.precise
    if fast:
        promised = function.fast_domain(*(x.astype(np.float64) for x in given))
        got, given = got[promised], tuple(x[promised] for x in given)
    where = wrong(got, function.reference, given, tolerance)
    shown = [(*(x[i] for x in given), got[i]) for i in where[:5]]
    assert not where.size, f"{space}{function.name}({kind}) in {mode} math: {where.size} of {got.size} {shown}"


Overload = tuple[int, str]


@pytest.fixture(scope="module")
def values(device: Device) -> Callable[[int, str, str, Scope], dict[str, list[tuple[Overload, Values]]]]:
    """Return every function's values by arity, type and math mode: few sources, which compile together."""

    @cache
    def computed(arity: int, kind: str, mode: str, scope: Scope) -> dict[str, list[tuple[Overload, Values]]]:
        functions = [function for function in ELEMENTARY.values() if function.arity == arity]
        tried = [(f, overload) for i, f in enumerate(functions) for overload in scope.overloads(i, mode)]
        probes = [
            Probe(f"{space}{f.name}({', '.join('xy'[:arity])})", (sized(kind, lanes),) * arity, sized(kind, lanes))
            for f, (lanes, space) in tried
        ]
        given = [arguments(f, kind, scope.rows) for f, _ in tried]
        found = evaluate(device, probes, [np.stack(column) for column in zip(*given, strict=True)], mode)
        together: dict[str, list[tuple[Overload, Values]]] = {f.name: [] for f in functions}
        for (f, overload), each in zip(tried, found, strict=True):
            together[f.name].append((overload, each))
        return together

    return computed


@pytest.mark.parametrize("scope", scopes(300, 4000))
@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("kind", ["float", "half"])
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary(
    values: Callable[[int, str, str, Scope], dict[str, list[tuple[Overload, Values]]]],
    name: str,
    kind: str,
    mode: str,
    scope: Scope,
) -> None:
    function = ELEMENTARY[name]
    given = arguments(function, kind, scope.rows)
    for (_, space), found in values(function.arity, kind, mode, scope)[name]:
        check(function, kind, mode, space, found.got, tuple(x[found.at] for x in given))


@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("kind", ["float", "half"])
def test_sincos(device: Device, kind: str, mode: str) -> None:
    given = arguments(ELEMENTARY["sin"], kind, 200)
    overloads = [(1, ""), (2, ""), (3, ""), (4, ""), (1, "fast::"), (1, "precise::")]
    tried = [(name, lanes, space) for name in ("sin", "cos") for lanes, space in overloads]
    probes = []
    for name, lanes, space in tried:
        size = sized(kind, lanes)
        probes.append(Probe(name, (size,), size, f"{size} cos; const {size} sin = {space}sincos(x, cos);"))
    for (name, _, space), found in zip(tried, evaluate(device, probes, given, mode), strict=True):
        check(ELEMENTARY[name], kind, mode, space, found.got, tuple(x[found.at] for x in given))


@pytest.mark.conformance
@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("name", [name for name, function in ELEMENTARY.items() if function.arity == 1])
def test_every_half(device: Device, name: str, mode: str) -> None:
    """All 65,536 of them, against mpmath."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    (found,) = evaluate(device, [Probe(f"{name}(x)", ("half",), "half")], (every,), mode)
    check(ELEMENTARY[name], "half", mode, "", found.got, (every,))


@pytest.mark.conformance
@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("name", ELEMENTARY)
def test_millions_of_floats(device: Device, name: str, mode: str) -> None:
    """Random patterns of bits, and random values of the domain, against NumPy's doubles."""
    function = ELEMENTARY[name]
    rng = np.random.default_rng(29)
    patterns = [rng.integers(0, 2**32, 2_000_000, np.uint32).view(np.float32) for _ in range(function.arity)]
    values = [spread(rng, 2_000_000, *function.domain, np.float32) for _ in range(function.arity)]
    given = tuple(np.concatenate(pair) for pair in zip(patterns, values, strict=True))
    probe = Probe(f"{name}({', '.join('xy'[: function.arity])})", ("float",) * function.arity, "float")
    (found,) = evaluate(device, [probe], given, mode)
    check(replace(function, exact=nowhere), "float", mode, "", found.got, given)


def test_doubles_are_a_reference_for_floats() -> None:
    """NumPy's values, which stand in where there are millions, are mpmath's to a small part of a float's unit."""
    for function in ELEMENTARY.values():
        given = arguments(function, "float", 300)
        with np.errstate(all="ignore"):
            approximate, exact = function.double(*(x.astype(np.float64) for x in given)), function.reference(*given)
            unit = np.spacing(np.clip(np.abs(exact), 2.0**-126, 2.0**127).astype(np.float32)).astype(np.float64)
            beyond = (np.abs(exact) > np.finfo(np.float32).max) & (np.abs(approximate) > np.finfo(np.float32).max)
            fine = (
                (approximate == exact)
                | (np.isnan(approximate) & np.isnan(exact))
                | beyond
                | (np.abs(approximate - exact) < 4 * SLACK * unit)
            )
        assert fine.all(), (function.name, [(*(x[i] for x in given), exact[i]) for i in np.flatnonzero(~fine)[:4]])
