"""Functions of vectors and matrices, and those that are sums of rounded products, against double precision.

Metal's specification gives no bound for these; a few roundings of the largest term are allowed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from probes import DTYPES, Array, Probe, Values, evaluate, lanes, sized
from scope import Scope, scopes

from metalsci.cpu_metal import Device, Dispatch

ROUNDINGS = 16.0


@dataclass(frozen=True)
class OfVectors:
    """A function of vectors: `V` is the vector's type, `T` its scalar. reference: of arrays (rows, elements).

    scale: the magnitude of the largest term; of the value itself if it is None.
    """

    name: str
    arguments: tuple[str, ...]
    result: str
    reference: Callable[..., Array]
    scale: Callable[..., Array] | None = None
    sizes: tuple[int, ...] = (2, 3, 4)
    positive: bool = False
    call: str = ""


def dot(x: Array, y: Array) -> Array:
    return np.asarray(np.sum(x * y, axis=1, keepdims=True))


def magnitude(*vectors: Array) -> Array:
    product = np.ones((len(vectors[0]), 1))
    for vector in vectors:
        product = product * np.sqrt(dot(vector, vector))
    return product


def either_way(n: Array, i: Array, reference: Array) -> Array:
    """Allow both signs of a result whose sign follows a product that may round to either side of zero."""
    return np.where(np.abs(dot(reference, i)) < 0.01 * magnitude(reference, i), np.inf, np.abs(n))


def normal(x: Array) -> Array:
    return x / magnitude(x)


def refracted(i: Array, n: Array, eta: Array) -> Array:
    d = dot(n, i)
    k = 1 - eta**2 * (1 - d**2)
    return np.where(k < 0, 0.0, eta * i - (eta * d + np.sqrt(np.maximum(k, 0))) * n)


def blend(x: Array, y: Array, a: Array) -> Array:
    return np.asarray(x + (y - x) * a)


def smooth(low: Array, high: Array, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


FUNCTIONS = [
    OfVectors("dot", ("V", "V"), "T", dot, magnitude),
    OfVectors("cross", ("V", "V"), "V", np.cross, magnitude, (3,)),
    OfVectors("length", ("V",), "T", magnitude),
    OfVectors("length_squared", ("V",), "T", lambda x: dot(x, x)),
    OfVectors("distance", ("V", "V"), "T", lambda x, y: magnitude(x - y), lambda x, y: magnitude(x) + magnitude(y)),
    OfVectors(
        "distance_squared", ("V", "V"), "T", lambda x, y: dot(x - y, x - y),
        lambda x, y: (magnitude(x) + magnitude(y)) ** 2,
    ),
    OfVectors("normalize", ("V",), "V", normal, lambda x: np.ones((len(x), 1))),
    OfVectors("faceforward", ("V", "V", "V"), "V", lambda n, i, r: np.where(dot(r, i) < 0, n, -n), either_way),
    OfVectors(
        "reflect", ("V", "V"), "V", lambda i, n: i - 2 * dot(normal(n), i) * normal(n), lambda i, n: 3 * magnitude(i),
        call="reflect(x, normalize(y))",
    ),
    OfVectors("mix", ("V", "V", "V"), "V", blend, lambda x, y, a: np.abs(x) + np.abs(y), (1, 2, 3, 4), True),
    OfVectors("mix", ("V", "V", "T"), "V", blend, lambda x, y, a: np.abs(x) + np.abs(y), (2, 3, 4), True),
    OfVectors(
        "smoothstep", ("V", "V", "V"), "V", lambda x, y, z: smooth(x, x + y, z), lambda x, y, z: 8 * (1 + x / y),
        (1, 2, 3, 4), True, call="smoothstep(x, x + y, z)",
    ),
    OfVectors(
        "clamp", ("V", "T", "T"), "V", lambda x, y, z: np.clip(x, y, y + z), None,
        (2, 3, 4), True, call="clamp(x, y, y + z)",
    ),
]  # fmt: skip


def rows_of(columns: list[Array], types: tuple[str, ...]) -> list[Array]:
    """Build vectors of columns as `evaluate` does, in double precision."""
    return [
        np.stack([np.roll(column, -k) for k in range(lanes(kind))], axis=1).astype(np.float64)
        for column, kind in zip(columns, types, strict=False)
    ]


def check(found: Values, want: Array, scale: Array, name: str) -> None:
    rows = np.arange(len(found.got))
    element = rows % want.shape[1]
    wanted, allowed = want[rows, element], np.broadcast_to(scale, want.shape)[rows, element]
    unit = float(np.finfo(found.got.dtype).eps)
    bound = ROUNDINGS * unit * allowed + float(np.finfo(found.got.dtype).tiny)
    wrong = np.flatnonzero(~(np.abs(found.got - wanted) <= bound))
    assert not wrong.size, f"{name}: {[(found.got[i], wanted[i], bound[i]) for i in wrong[:4]]}"


def spelt(function: OfVectors, kind: str, size: int, spelling: str = "") -> Probe:
    types = {"V": sized(kind, size), "T": kind}
    call = function.call or f"{function.name}({', '.join('xyz'[: len(function.arguments)])})"
    return Probe(
        call.replace(function.name, spelling + function.name),
        tuple(types[a] for a in function.arguments),
        types[function.result],
    )


@pytest.mark.parametrize("scope", scopes(300, 20_000))
@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize("kind", ["float", "half"])
def test_functions_of_vectors(device: Device, kind: str, mode: str, scope: Scope) -> None:
    rng = np.random.default_rng(6)
    signed = [rng.uniform(-4, 4, scope.rows).astype(DTYPES[kind]) for _ in range(3)]
    tried = [
        (function, size, spelling)
        for function in FUNCTIONS
        for size in function.sizes
        for spelling in (
            ("", "precise::" if mode == "fast" else "fast::") if scope.every_overload or size < 3 else ("",)
        )
    ]
    for positive in (False, True):
        chosen = [each for each in tried if each[0].positive == positive]
        columns = [np.abs(column) + DTYPES[kind](0.125) for column in signed] if positive else signed
        if positive:
            columns[2] /= DTYPES[kind](5)  # the weight of a mixture
        probes = [spelt(function, kind, size, spelling) for function, size, spelling in chosen]
        for (function, size, spelling), probe, found in zip(
            chosen, probes, evaluate(device, probes, columns, mode, together=20), strict=True
        ):
            vectors = rows_of(columns, probe.arguments)
            want = function.reference(*vectors)
            scale = np.abs(want) if function.scale is None else function.scale(*vectors)
            check(found, want, scale, f"{spelling}{function.name}({kind}{size}) in {mode} math")


@pytest.mark.parametrize("kind", ["float", "half"])
@pytest.mark.parametrize("mode", ["fast", "safe"])
def test_refraction(device: Device, kind: str, mode: str) -> None:
    """Refract unit vectors, on either side of total reflection."""
    rng = np.random.default_rng(8)
    columns = [rng.uniform(-1, 1, 400).astype(DTYPES[kind]) for _ in range(2)] + [
        rng.uniform(0.5, 1.6, 400).astype(DTYPES[kind])
    ]
    for size in (2, 3, 4):
        vector = f"{kind}{size}"
        probe = Probe("refract(normalize(x), normalize(y), z)", (vector, vector, kind), vector)
        (found,) = evaluate(device, [probe], columns, mode)
        i, n, eta = rows_of(columns, probe.arguments)
        d = dot(normal(n), normal(i))
        k = 1 - eta**2 * (1 - d**2)
        # Near total reflection the square root magnifies what was rounded before.
        scale = np.where(np.abs(k) < 64 * np.finfo(DTYPES[kind]).eps, np.inf, 4 * eta**2 / np.sqrt(np.abs(k)) + 4)
        check(found, refracted(normal(i), normal(n), eta), scale, f"refract({vector})")


MATRICES = [(columns, rows) for columns in (2, 3, 4) for rows in (2, 3, 4)]


@pytest.mark.parametrize("kind", ["float", pytest.param("half", marks=pytest.mark.conformance)])
def test_matrices(device: Device, kind: str) -> None:
    """Operators, transposition and determinants of every shape, element by element."""
    rng = np.random.default_rng(2)
    values = rng.uniform(-2, 2, 4 * 4).astype(DTYPES[kind])
    others = rng.uniform(-2, 2, 4 * 4).astype(DTYPES[kind])
    wants = [_matrix_values(kind, *shape, values, others) for shape in MATRICES]
    bodies = ["\n".join(_matrix_statements(kind, *shape, want)) for shape, want in zip(MATRICES, wants, strict=True)]
    source = "#include <metal_stdlib>\nusing namespace metal;\n" + "".join(
        f"kernel void k{i}(device const {kind} *x, device const {kind} *y, device {kind} *out) {{\n{body}}}\n"
        for i, body in enumerate(bodies)
    )
    kernels = device.compile(source, "safe").kernels
    for i, tried in enumerate(wants):
        want = np.concatenate([value.ravel() for _, _, value in tried])
        out = device.empty(want.shape, DTYPES[kind])
        bound = {0: device.buffer(values), 1: device.buffer(others), 2: out}
        device.run([Dispatch(kernels[f"k{i}"], bound, (1,), (1,))])
        np.testing.assert_allclose(
            out.array.astype(np.float64), want, atol=400 * float(np.finfo(DTYPES[kind]).eps), err_msg=str(MATRICES[i])
        )


def _matrix_values(kind: str, columns: int, rows: int, values: Array, others: Array) -> list[tuple[str, str, Array]]:
    """Return expressions of two matrices a and b, their types and values. Arrays hold a matrix by its columns."""
    name, transposed = f"{kind}{columns}x{rows}", f"{kind}{rows}x{columns}"
    a = values[: columns * rows].reshape(columns, rows).astype(np.float64)
    b = others[: columns * rows].reshape(columns, rows).astype(np.float64)
    tried = [
        (name, "a + b", a + b), (name, "a - b", a - b), (name, "-a", -a),
        (name, f"a * {kind}(3)", 3 * a), (name, f"{kind}(3) * a", 3 * a),
        (transposed, "transpose(a)", a.T), (f"{kind}{columns}x{columns}", "transpose(b) * a", a @ b.T),
        (f"{kind}{rows}", "a * v", a[:, 0] @ a), (f"{kind}{columns}", "w * a", a @ a[0]),
        (kind, f"{kind}(a == a) + 2 * {kind}(a == b) + 4 * {kind}(a != b)", np.array(5.0)),
    ]  # fmt: skip
    if columns == rows:
        tried += [
            (kind, "determinant(a)", np.asarray(np.linalg.det(a))),
            (name, f"{name}({kind}(2))", 2 * np.eye(columns)),
        ]
    return tried


def _matrix_statements(kind: str, columns: int, rows: int, tried: list[tuple[str, str, Array]]) -> Iterator[str]:
    name = f"{kind}{columns}x{rows}"
    yield f"const {name} a = {_load(name, rows, columns, 'x')}, b = {_load(name, rows, columns, 'y')};"
    yield f"{kind}{columns} v; for (int c = 0; c < {columns}; ++c) v[c] = a[c][0];"
    yield f"const {kind}{rows} w = a[0];"
    place = 0
    for result, expression, want in tried:
        yield f"{{ const {result} r = {expression}; {_stores(result, place)} }}"
        place += want.size


def _load(name: str, rows: int, columns: int, pointer: str) -> str:
    return f"{name}({', '.join(f'{pointer}[{i}]' for i in range(rows * columns))})"


def _stores(result: str, place: int) -> str:
    if "x" in result:
        columns, rows = int(result[-3]), int(result[-1])
        return " ".join(f"out[{place + c * rows + r}] = r[{c}][{r}];" for c in range(columns) for r in range(rows))
    width = lanes(result)
    return " ".join(f"out[{place + i}] = r{f'[{i}]' if width > 1 else ''};" for i in range(width))
