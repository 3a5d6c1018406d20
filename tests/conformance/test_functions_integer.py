"""Integer functions and operators against Python's integers: every type, scalars and vectors, extremes included."""

from collections.abc import Callable

import numpy as np
import pytest
from integers import FUNCTIONS, KINDS, OPERATORS, Field, IntegerFunction, Kind
from probes import Probe, evaluate, sized
from scope import Scope, scopes

from metalsci.cpu_metal import Device

CASES = {"functions": FUNCTIONS, "operators": OPERATORS}


def columns(kind: Kind, count: int) -> list[np.ndarray]:
    """Return extremes and numbers of all magnitudes; the second column also has too large shift counts."""
    rng = np.random.default_rng(kind.bits)
    ends = [kind.least, kind.least + 1, -1, 0, 1, 2, kind.bits - 1, kind.bits, kind.greatest - 1, kind.greatest]
    sharp = [kind.wrapped(v) for v in ends]
    bits, shifts = rng.integers(-(2**63), 2**63 - 1, count), rng.integers(0, 64, count)
    wide = [kind.wrapped(int(v) >> int(s)) for v, s in zip(bits, shifts, strict=True)]
    pairs = [(a, b) for a in sharp for b in sharp]
    first = [a for a, _ in pairs] + wide
    second = [b for _, b in pairs] + [int(v) for v in rng.permutation(np.array(wide, dtype=object))]
    third = [int(v) for v in rng.permutation(np.array(first, dtype=object))]
    return [np.array(column, dtype=kind.dtype) for column in (first, second, third)]


def width_of(function: IntegerFunction, kind: Kind, lanes: int) -> Kind:
    """Return the type in which an operator works: scalars of fewer bits are promoted to int."""
    return Kind("int", 32, True) if function.promoted and lanes == 1 and kind.bits < 32 else kind


@pytest.mark.parametrize("scope", scopes(100, 3000))
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_integers(device: Device, kind: Kind, case: str, scope: Scope) -> None:
    functions = [function for function in CASES[case] if kind in function.kinds]
    given = columns(kind, scope.rows)
    tried = [(function, lanes) for i, function in enumerate(functions) for lanes in scope.lanes(i)]
    probes = [
        Probe(f.text(), (sized(kind.name, lanes),) * f.arity, sized(f.result(kind).name, lanes)) for f, lanes in tried
    ]
    for (function, lanes), found in zip(tried, evaluate(device, probes, given, together=48), strict=True):
        worked, result = width_of(function, kind, lanes), function.result(kind)
        rows = list(zip(*(column[found.at].tolist() for column in given[: function.arity]), strict=True))
        wrong = [
            (row, got)
            for row, got in zip(rows, found.got.tolist(), strict=True)
            if function.defined(worked, *row) and got != result.wrapped(function.value(worked, *row))
        ]
        assert not wrong, f"{function.name} of {kind.name}, {lanes} lanes: {wrong[:3]}"


@pytest.mark.parametrize("scope", scopes(60, 3000))
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_fields_of_bits(device: Device, kind: Kind, scope: Scope) -> None:
    x, y, _ = columns(kind, scope.rows)
    places = [(o, w) for o in (0, 3, kind.bits // 2, kind.bits - 1) for w in (0, 1, 5, kind.bits) if o + w <= kind.bits]
    tried = [(Field(*place), lanes) for i, place in enumerate(places) for lanes in scope.lanes(i)[-1:]]
    probes = [
        Probe(call.format(f"{field.offset}u, {field.width}u"), (sized(kind.name, lanes),) * 2, sized(kind.name, lanes))
        for call in ("extract_bits(x, {})", "insert_bits(x, y, {})")
        for field, lanes in tried
    ]
    found = evaluate(device, probes, (x, y), together=48)
    for (field, _), extracted, inserted in zip(tried, found, found[len(tried) :], strict=False):
        at = extracted.at
        want = [field.extracted(kind, int(v)) for v in x[at]]
        assert extracted.got.tolist() == want, field
        want = [kind.wrapped(field.inserted(kind, int(v), int(w))) for v, w in zip(x[at], y[at], strict=True)]
        assert inserted.got.tolist() == want, field


@pytest.mark.parametrize("kind", ["int", "long"])
def test_signed_overflow_wraps_for_comparisons_too(device: Device, kind: str) -> None:
    """A compiler that takes overflow as impossible says that x + 1 > x always holds."""
    k = next(each for each in KINDS if each.name == kind)
    ends = [k.least, k.least // 2 - 1, -1, 0, 1, -(k.least // 2), k.greatest]
    calls: dict[str, Callable[[int], bool]] = {
        "x + 1 > x": lambda v: v != k.greatest,
        "x - 1 < x": lambda v: v != k.least,
        "x * 2 / 2 == x": lambda v: k.wrapped(2 * v) == 2 * v,
        "-x < 0": lambda v: v > 0 or v == k.least,
    }
    probes = [Probe(call, (kind,), "bool") for call in calls]
    for (call, want), found in zip(calls.items(), evaluate(device, probes, (np.array(ends, k.dtype),)), strict=True):
        assert found.got.tolist() == [want(v) for v in ends], call
