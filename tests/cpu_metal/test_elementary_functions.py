"""Elementary functions against double precision, within the bounds of Metal's specification, in each math mode."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from metalsci.cpu_metal import Device, Dispatch

Array = npt.NDArray[np.float64]
HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
_ENDS = [0.0, 1.0, 0.5, 2.0, 3.0, np.inf, 1e-30, 1e30, 3.4028235e38]
SPECIAL = np.array(
    [*_ENDS, *(-x for x in _ENDS), np.nan, 1.1754944e-38, 88.72, 89.0, -87.3, -103.9, 0.70710677, 1.4142135, 0.9999999],
    np.float32,
)


def samples(low: float, high: float) -> npt.NDArray[np.float32]:
    """Random values of all magnitudes between the bounds, and the special ones."""
    rng = np.random.default_rng(11)
    uniform = rng.uniform(low, high, 6000)
    magnitudes = np.exp(rng.uniform(-80, math.log(max(abs(low), abs(high))), 6000)) * rng.choice([-1, 1], 6000)
    return np.concatenate([uniform, magnitudes[(magnitudes >= low) & (magnitudes <= high)], SPECIAL]).astype(np.float32)


def ulps(got: npt.NDArray[np.float32], want: Array) -> Array:
    """Distance in units in the last place of the wanted value; 0 where both are NaN, one infinity, or subnormal."""
    with np.errstate(all="ignore"):
        rounded = want.astype(np.float32)
        unit = np.spacing(np.maximum(np.abs(rounded), np.float32(1.1754944e-38))).astype(np.float64)
        error = np.abs(got.astype(np.float64) - want) / unit
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        tiny = (np.abs(want) < 1.1754945e-38) & (np.abs(got) <= 1.1754945e-38)
        overflow = np.isinf(got) & (np.abs(want) > 3.4028e38) & (np.sign(got) == np.sign(want))
        result = np.where(same | tiny | overflow, 0, error)
    return np.where(np.isnan(result), np.inf, result)


def evaluate(device: Device, mode: str, expression: str, *columns: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    names = "xyz"[: len(columns)]
    parameters = "".join(f"device const float *{n}s, " for n in names)
    loads = "".join(f"const float {n} = {n}s[i]; " for n in names)
    signature = f"kernel void f({parameters}device float *out, uint i [[thread_position_in_grid]])"
    source = f"{HEADER}{signature} {{ {loads}out[i] = {expression}; }}"
    kernel = device.compile(source, math_mode=mode).kernels["f"]
    out = device.empty(columns[0].shape, np.float32)
    buffers = dict(enumerate([*map(device.buffer, columns), out]))
    device.run([Dispatch(kernel, buffers, (columns[0].size,), (256,))])
    return np.array(out.array)


UNARY: list[tuple[str, Callable[[Array], Array], float, tuple[float, float]]] = [
    ("exp", np.exp, 4, (-110, 95)),
    ("exp2", np.exp2, 4, (-155, 135)),
    ("exp10", lambda x: 10.0**x, 4, (-48, 41)),
    ("log", np.log, 4, (-1, 3e38)),
    ("log2", np.log2, 4, (-1, 3e38)),
    ("log10", np.log10, 4, (-1, 3e38)),
    ("sin", np.sin, 4, (-100, 100)),
    ("cos", np.cos, 4, (-100, 100)),
    ("tan", np.tan, 6, (-100, 100)),
    ("asin", np.arcsin, 4, (-1.1, 1.1)),
    ("acos", np.arccos, 4, (-1.1, 1.1)),
    ("atan", np.arctan, 5, (-1e6, 1e6)),
    ("sinh", np.sinh, 4, (-92, 92)),
    ("cosh", np.cosh, 4, (-92, 92)),
    ("tanh", np.tanh, 5, (-20, 20)),
    ("asinh", np.arcsinh, 4, (-1e6, 1e6)),
    ("acosh", np.arccosh, 4, (0.5, 1e6)),
    ("atanh", np.arctanh, 5, (-1.1, 1.1)),
    ("sqrt", np.sqrt, 1, (-1, 1e30)),
    ("rsqrt", lambda x: 1 / np.sqrt(x), 2, (-1, 1e30)),
    ("sinpi", lambda x: np.sin(np.pi * np.remainder(x, 2.0)), 4, (-3.9, 3.9)),
    ("cospi", lambda x: np.cos(np.pi * np.remainder(x, 2.0)), 4, (-3.9, 3.9)),
    ("floor", np.floor, 0, (-1e9, 1e9)),
    ("ceil", np.ceil, 0, (-1e9, 1e9)),
    ("trunc", np.trunc, 0, (-1e9, 1e9)),
    ("rint", np.rint, 0, (-1e9, 1e9)),
    ("fabs", np.abs, 0, (-1e9, 1e9)),
]


@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize(("name", "reference", "bound", "domain"), UNARY, ids=[row[0] for row in UNARY])
def test_unary(
    device: Device, name: str, reference: Callable[[Array], Array], bound: float, domain: tuple[float, float], mode: str
) -> None:
    x = samples(*domain)
    if name in ("sin", "cos", "tan", "sinpi", "cospi") and mode == "fast":
        x = x[~(np.abs(x) > 1000)]  # beyond, fast math promises nothing
    if name == "rsqrt" and mode == "fast":
        x = x[(x != 0) | ~np.signbit(x)]  # zero has no sign in fast math
    if name in ("sinpi", "cospi"):
        x = x[np.abs(x) < 4]  # numpy's own pi times x is not better
    with np.errstate(all="ignore"):
        want = reference(x.astype(np.float64))
    error = ulps(evaluate(device, mode, f"{name}(x)", x), want)
    if name in ("sin", "cos", "tan", "sinpi", "cospi"):
        error = np.where(np.abs(want) < 2e-7, np.minimum(error, 4), error)  # the references' zeros are not exact
    worst = int(np.argmax(error))
    assert error[worst] <= bound, (x[worst], want[worst], error[worst])


@pytest.mark.parametrize("x", [1e6, 2.0**45, 1e22, 3e38])
def test_sine_of_large_arguments_in_safe_math(device: Device, x: float) -> None:
    value = np.array([x, -x], np.float32)
    for name in ("sin", "cos"):
        want = [getattr(math, name)(float(v)) for v in value]
        assert ulps(evaluate(device, "safe", f"{name}(x)", value), np.array(want)).max() <= 4


BINARY: list[tuple[str, Callable[[Array, Array], Array], float]] = [
    ("pow(x, y)", np.power, 16),
    ("powr(fabs(x), y)", lambda x, y: np.power(np.abs(x), y), 16),
    ("atan2(x, y)", np.arctan2, 6),
    ("fmod(x, y)", np.fmod, 0),
    ("fmin(x, y)", np.fmin, 0),
    ("fmax(x, y)", np.fmax, 0),
    ("copysign(x, y)", np.copysign, 0),
    ("x / y", np.divide, 2.5),
]


@pytest.mark.parametrize("mode", ["fast", "safe"])
@pytest.mark.parametrize(("expression", "reference", "bound"), BINARY, ids=[row[0] for row in BINARY])
def test_binary(
    device: Device, expression: str, reference: Callable[[Array, Array], Array], bound: float, mode: str
) -> None:
    rng = np.random.default_rng(5)
    some = SPECIAL[np.abs(SPECIAL) != np.float32(1.1754944e-38)]
    corners = np.stack(np.meshgrid(some, some)).reshape(2, -1)
    x = np.concatenate([rng.uniform(-20, 20, 8000).astype(np.float32), corners[0]])
    some_whole = np.where(rng.random(8000) < 0.3, rng.integers(-9, 9, 8000), rng.uniform(-9, 9, 8000))
    y = np.concatenate([some_whole, corners[1]]).astype(np.float32)
    if expression.startswith("powr"):  # undefined at 0^0, inf^0 and 1^inf, where pow has values
        keep = ~((np.isinf(x) | (x == 0)) & (y == 0)) & ~((np.abs(x) == 1) & np.isinf(y)) & ~(np.isnan(x) & (y == 0))
        keep &= ~((np.abs(x) == 1) & np.isnan(y))
        x, y = x[keep], y[keep]
    with np.errstate(all="ignore"):
        want = reference(x.astype(np.float64), y.astype(np.float64))
    if expression == "fmod(x, y)":  # exact while the quotient is a double
        keep = ~(np.isfinite(x) & (np.abs(x.astype(np.float64)) > 2.0**50 * np.abs(y.astype(np.float64))))
        x, y, want = x[keep], y[keep], want[keep]
    error = ulps(evaluate(device, mode, expression, x, y), want)
    worst = int(np.argmax(error))
    assert error[worst] <= bound, (x[worst], y[worst], want[worst], error[worst])


@pytest.mark.parametrize("mode", ["fast", "safe"])
def test_vectors_and_halves_agree_with_float(device: Device, mode: str) -> None:
    x = np.linspace(0.1, 3, 64, dtype=np.float32)
    want = evaluate(device, mode, "sin(x) + exp(x) + pow(x, 1.7f)", x)
    as_vector = evaluate(device, mode, "(sin(float3(0, x, 0)) + exp(float3(x)) + pow(float3(x), float3(1.7f))).y", x)
    as_half = evaluate(device, mode, "float(sin(half(x)) + exp(half(x)) + pow(half(x), 1.7h))", x)
    np.testing.assert_array_equal(as_vector, want)
    np.testing.assert_allclose(as_half, want, rtol=4e-3)


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ("ldexp(x, 3)", lambda x: x * 8),
        ("int e; out[i] = frexp(x, e); out[i] = ldexp(out[i], e)", lambda x: x),
        ("float(ilogb(x))", lambda x: np.floor(np.log2(x))),
        ("float w; out[i] = modf(x, w); out[i] += 100 * w", lambda x: x % 1 + 100 * np.floor(x)),
        ("nextafter(x, 1e9f)", lambda x: np.nextafter(x, np.float32(1e9))),
        ("fma(x, x, -1.0f)", lambda x: (x.astype(np.float64) ** 2 - 1).astype(np.float32)),
        ("clamp(x, 0.5f, 2.0f)", lambda x: np.clip(x, 0.5, 2)),
        ("mix(x, 2 * x, 0.25f)", lambda x: 1.25 * x),
        ("smoothstep(0.0f, 4.0f, x)", lambda x: (x / 4) ** 2 * (3 - x / 2)),
        ("step(1.0f, x) + sign(x)", lambda x: (x >= 1) + 1.0),
        ("fract(x)", lambda x: x % 1),
        ("length(float3(x, 2 * x, 2 * x))", lambda x: 3 * x),
        ("dot(normalize(float2(x, x)), float2(1, 0))", lambda x: np.full_like(x, math.sqrt(0.5))),
        ("cross(float3(x, 0, 0), float3(0, x, 0)).z", lambda x: x * x),
        ("float(popcount(uint(x * 1000)))", lambda x: np.array([bin(v).count("1") for v in (x * 1000).astype(int)])),
        ("float(clz(uint(x * 1000)))", lambda x: np.array([32 - int(v).bit_length() for v in (x * 1000).astype(int)])),
        ("float(mulhi(uint(x * 1e9f), 77u))", lambda x: ((x * np.float32(1e9)).astype(np.uint64) * 77) >> 32),
        ("float(abs(int(x * -100)))", lambda x: np.trunc(x * np.float32(100))),
        ("as_type<float>(as_type<uint>(x) ^ 0x80000000u)", lambda x: -x),
        ("float(rotate(uint(x), 4u))", lambda x: np.floor(x) * 16),
        ("float(extract_bits(uint(x * 1000), 4, 6))", lambda x: (x * np.float32(1000)).astype(np.uint32) >> 4 & 63),
    ],
)
def test_the_rest(device: Device, expression: str, want: Callable[[npt.NDArray], npt.NDArray]) -> None:
    x = np.linspace(0.3, 3.9, 200, dtype=np.float32)
    statement = expression if "out[i]" in expression else f"out[i] = {expression}"
    signature = "kernel void f(device const float *xs, device float *out, uint i [[thread_position_in_grid]])"
    source = f"{HEADER}{signature} {{ const float x = xs[i]; {statement}; }}"
    out = device.empty(x.shape, np.float32)
    device.run([Dispatch(device.compile(source, "safe").kernels["f"], {0: device.buffer(x), 1: out}, (200,), (64,))])
    np.testing.assert_allclose(out.array, want(x), rtol=2e-6)
