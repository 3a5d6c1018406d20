"""Functions that are exact or correctly rounded, against NumPy and rational numbers."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from exact import EXACT_FUNCTIONS, Array, Exact
from floating import special, spread, wrong
from probes import DTYPES, Probe, Values, evaluate, sized
from scope import Scope, scopes

from metalsci.cpu_metal import Device


def arguments(function: Exact, kind: str, count: int) -> tuple[Array, ...]:
    rng = np.random.default_rng(3)
    dtype = DTYPES[kind]
    largest = float(np.finfo(dtype).max)
    sharp = special(dtype)
    drawn = [np.concatenate([spread(rng, count, -50, 50, dtype), spread(rng, count, -largest, largest, dtype)])]
    drawn += [np.concatenate([spread(rng, count, -50, 50, dtype), rng.permutation(drawn[0])[:count]]) for _ in range(2)]
    if function.arity == 1:
        return (np.concatenate([drawn[0], sharp]),)
    corners = np.stack(np.meshgrid(*[sharp[:: 2 if function.arity == 2 else 11]] * function.arity)).reshape(
        function.arity, -1
    )
    columns = [np.concatenate([drawn[k], corners[k]]) for k in range(function.arity)]
    if function.integers:
        exponents = rng.integers(-160, 160, len(columns[1]))
        exponents[:6] = [2**31 - 1, -(2**31), 0, 1, -1, 400]
        columns[1] = exponents.astype(np.int32)
    return tuple(columns)


def probe(function: Exact, kind: str, lanes: int, space: str) -> Probe:
    names = "xyz"[: function.arity]
    types = {"T": sized(kind, lanes), "I": sized("int", lanes)}

    def spelt(text: str) -> str:
        return text.replace("T ", f"{types['T']} ").replace("I ", f"{types['I']} ")

    call = function.call or f"{function.name}({', '.join(names)})"
    given = tuple(types["I" if name in function.integers else "T"] for name in names)
    before = spelt(function.before)
    own = function.name.split(":")[0]
    call, before = (text.replace(f"{own}(", f"{space}{own}(") for text in (call, before))
    return Probe(call, given, types[function.result], before)


Overload = tuple[int, str]


@pytest.fixture(scope="module")
def values(device: Device) -> Callable[[tuple[int, str], str, str, Scope], dict[str, list[tuple[Overload, Values]]]]:
    """Return every function's values by the shape of their arguments, type and math mode."""

    @cache
    def computed(
        shape: tuple[int, str], kind: str, mode: str, scope: Scope
    ) -> dict[str, list[tuple[Overload, Values]]]:
        functions = [f for f in EXACT_FUNCTIONS.values() if (f.arity, f.integers) == shape]
        tried = [(f, overload) for i, f in enumerate(functions) for overload in scope.overloads(i, mode)]
        probes = [probe(f, kind, *overload) for f, overload in tried]
        found = evaluate(device, probes, arguments(functions[0], kind, scope.rows), mode, together=30)
        together: dict[str, list[tuple[Overload, Values]]] = {f.name: [] for f in functions}
        for (f, overload), each in zip(tried, found, strict=True):
            together[f.name].append((overload, each))
        return together

    return computed


@pytest.mark.parametrize("scope", scopes(200, 20_000))
@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("kind", ["float", "half"])
@pytest.mark.parametrize("name", EXACT_FUNCTIONS)
def test_exact(
    values: Callable[[tuple[int, str], str, str, Scope], dict[str, list[tuple[Overload, Values]]]],
    name: str,
    kind: str,
    mode: str,
    scope: Scope,
) -> None:
    function = EXACT_FUNCTIONS[name]
    given = arguments(function, kind, scope.rows)
    for (lanes, space), found in values((function.arity, function.integers), kind, mode, scope)[name]:
        got, at = (found.got.astype(np.float64) if function.result == "I" else found.got), found.at
        columns = tuple(x[at] for x in given)
        if space == "fast::" or (space == "" and mode == "fast"):
            promised = function.fast_domain(*(x.astype(np.float64) for x in columns))
            got, columns = got[promised], tuple(x[promised] for x in columns)
        where = wrong(got, function.reference, columns, function.tolerance)
        shown = [(*(x[i] for x in columns), got[i]) for i in where[:5]]
        assert not where.size, (
            f"{space}{name}({sized(kind, lanes)}) in {mode} math: {where.size} of {got.size}: {shown}"
        )


@pytest.mark.parametrize("kind", ["float", "half"])
def test_nextafter(device: Device, kind: str) -> None:
    dtype = DTYPES[kind]
    x, y = (grid.ravel() for grid in np.meshgrid(special(dtype), special(dtype)))
    probes = [Probe("nextafter(x, y)", (size, size), size) for size in (kind, f"{kind}2", f"{kind}3", f"{kind}4")]
    for found in evaluate(device, probes, (x, y)):
        a, b = x[found.at], y[found.at]
        with np.errstate(all="ignore"):
            want = np.nextafter(a, b)
        # Who counts subnormal numbers as zero goes on from zero.
        flushed = (np.abs(a) < np.finfo(dtype).tiny) | (np.abs(b) < np.finfo(dtype).tiny)
        fine = (found.got == want) | (np.isnan(found.got) & np.isnan(want)) | (flushed & (kind == "float"))
        assert fine.all(), [(a[i], b[i], found.got[i], want[i]) for i in np.flatnonzero(~fine)[:5]]
