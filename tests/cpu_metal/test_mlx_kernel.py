"""Kernels written for `mx.fast.metal_kernel`, run by `metal_kernel`: against MLX's own operations."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
import numpy as np
import psutil
import pytest

from metalsci.cpu_metal import Device, DeviceCrash, metal_kernel
from metalsci.cpu_metal.mlx.preamble import fallback_preamble, installed_preamble
from metalsci.cpu_metal.mlx.stand_in import MetalKernel
from metalsci.msl.mlx.mlx_names import PREAMBLE

ELEMENT = "uint i = thread_position_in_grid.x;\n"


Make = Callable[..., MetalKernel]  # of a source, names and options of `metal_kernel`


@pytest.fixture
def make(device: Device) -> Make:
    """Return `metal_kernel` on the tests' own device, with default names for most kernels."""

    def make(
        source: str, inputs: Sequence[str] = ("x",), outputs: Sequence[str] = ("y",), **options: Any
    ) -> MetalKernel:
        given = {"name": "f", "input_names": inputs, "output_names": outputs, **options}
        return metal_kernel(source=ELEMENT + source, **given, device=device)

    return make


def elementwise(
    kernel: MetalKernel, *inputs: Any, dtype: Any = None, shape: Sequence[int] | None = None, **call: Any
) -> Any:
    """Call a kernel with one output, by default of the first input's shape and type; a thread an element."""
    shape = inputs[0].shape if shape is None else shape
    dtype = inputs[0].dtype if dtype is None else dtype
    given = {"grid": (math.prod(shape), 1, 1), "threadgroup": (256, 1, 1), **call}
    (made,) = kernel(inputs=list(inputs), output_shapes=[shape], output_dtypes=[dtype], **given)
    return made


def arange(dtype: mx.Dtype, *shape: int) -> mx.array:
    return mx.arange(math.prod(shape)).reshape(shape).astype(dtype)


# What MLX's documentation shows.

EXP = {
    True: "y[i] = metal::exp(T(x[i]));",
    False: "y[i] = metal::exp(T(x[elem_to_loc(int64_t(i), x_shape, x_strides, x_ndim)]));",
}  # by ensure_row_contiguous


@pytest.mark.parametrize("dtype", [mx.float16, mx.float32, mx.bfloat16])
def test_exponential_of_each_element(make: Make, dtype: mx.Dtype) -> None:
    x = mx.random.normal(shape=(4, 16), key=mx.random.key(1)).astype(dtype)
    exp = make("T value = x[i];\ny[i] = T(metal::exp(float(value)));")
    made = elementwise(exp, x, template=[("T", dtype)])
    assert made.dtype == dtype
    assert mx.allclose(made.astype(mx.float32), mx.exp(x).astype(mx.float32), rtol=1e-2)


VIEWS = {
    "rows skipped": lambda x: x[::2],
    "transposed": lambda x: x.T,
    "broadcast": lambda x: mx.broadcast_to(x[0], (3, x.shape[1])),
    "reversed": lambda x: x[::-1, ::-3],
    "from the middle": lambda x: x[1:3, 5:9],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("contiguous", [True, False])
def test_exponential_of_views(make: Make, view: Callable[[mx.array], mx.array], contiguous: bool) -> None:
    x = view(mx.random.normal(shape=(4, 16), key=mx.random.key(2)))
    exp = make(EXP[contiguous], ensure_row_contiguous=contiguous)
    assert mx.allclose(elementwise(exp, x, template=[("T", mx.float32)]), mx.exp(x))


BILINEAR = """
int H = x_shape[1], W = x_shape[2], C = x_shape[3];
int channel = i % C;
int image = i / C / points_shape[1] / points_shape[2] * H * W * C;
float px = ((points[i / C * 2] + 1) * W - 1) / 2;
float py = ((points[i / C * 2 + 1] + 1) * H - 1) / 2;
T total = 0;
for (int corner = 0; corner < 4; ++corner) {
    int cx = int(floor(px)) + corner % 2, cy = int(floor(py)) + corner / 2;
    bool inside = cx >= 0 && cx < W && cy >= 0 && cy < H;
    T weight = (1 - abs(px - cx)) * (1 - abs(py - cy));
    total += inside ? weight * x[image + (cy * W + cx) * C + channel] : 0;
}
y[i] = total;
"""


def bilinear(x: mx.array, points: mx.array) -> mx.array:
    """Compute the same by MLX's operations."""
    count, height, width, _ = x.shape
    px, py = (((points[..., axis] + 1) * size - 1) / 2 for axis, size in ((0, width), (1, height)))
    total = mx.zeros((*points.shape[:3], x.shape[3]))
    for dx in (0, 1):
        for dy in (0, 1):
            cx, cy = mx.floor(px) + dx, mx.floor(py) + dy
            inside = (cx >= 0) & (cx < width) & (cy >= 0) & (cy < height)
            weight = (1 - mx.abs(px - cx)) * (1 - mx.abs(py - cy)) * inside
            column, row = (mx.clip(c, 0, size - 1).astype(mx.int32) for c, size in ((cx, width), (cy, height)))
            value = x[mx.arange(count)[:, None, None], mx.stop_gradient(row), mx.stop_gradient(column)]
            total = total + weight[..., None] * value
    return total


@pytest.fixture
def images() -> tuple[mx.array, mx.array, mx.array]:
    """Return images, points to sample them at (some outside), and a cotangent of the samples."""
    shapes = (2, 6, 5, 40), (2, 3, 4, 2), (2, 3, 4, 40)
    x, points, cotangent = (mx.random.normal(shape=s, key=mx.random.key(i)) for i, s in enumerate(shapes))
    return x, points * 0.6, cotangent


def test_bilinear_samples(make: Make, images: tuple[mx.array, mx.array, mx.array]) -> None:
    x, points, cotangent = images
    sample = make(BILINEAR, ("x", "points"))
    made = elementwise(sample, x, points, shape=cotangent.shape, template=[("T", mx.float32)])
    assert mx.allclose(made, bilinear(x, points), atol=1e-5)


GRADIENT = """
int H = x_shape[1], W = x_shape[2], C = x_shape[3];
int padded = ceildiv(C, threads_per_simdgroup) * threads_per_simdgroup;
int channel = i % padded;
int point = i / padded;
int image = point / points_shape[1] / points_shape[2] * H * W * C;
float px = ((points[point * 2] + 1) * W - 1) / 2;
float py = ((points[point * 2 + 1] + 1) * H - 1) / 2;
float gx = 0, gy = 0;
for (int corner = 0; corner < 4 && channel < C; ++corner) {
    int cx = int(floor(px)) + corner % 2, cy = int(floor(py)) + corner / 2;
    if (cx < 0 || cx >= W || cy < 0 || cy >= H) continue;
    int place = image + (cy * W + cx) * C + channel;
    float wx = 1 - abs(px - cx), wy = 1 - abs(py - cy), g = cotangent[point * C + channel];
    atomic_fetch_add_explicit(&dx[place], wx * wy * g, memory_order_relaxed);
    gx += x[place] * (corner % 2 ? wy : -wy) * g;
    gy += x[place] * (corner / 2 ? wx : -wx) * g;
}
gx = simd_sum(gx);
gy = simd_sum(gy);
if (thread_index_in_simdgroup == 0) {
    atomic_fetch_add_explicit(&dpoints[point * 2], gx * W / 2, memory_order_relaxed);
    atomic_fetch_add_explicit(&dpoints[point * 2 + 1], gy * H / 2, memory_order_relaxed);
}
"""


def test_gradient_of_bilinear_samples_by_atomics(make: Make, images: tuple[mx.array, mx.array, mx.array]) -> None:
    x, points, cotangent = images
    gradient = make(GRADIENT, ("x", "points", "cotangent"), ("dx", "dpoints"), atomic_outputs=True)
    made = gradient(
        inputs=[x, points, cotangent],
        output_shapes=[x.shape, points.shape],
        output_dtypes=[mx.float32] * 2,
        grid=(24 * 64, 1, 1),
        threadgroup=(256, 1, 1),
        init_value=0,
    )
    _, wanted = mx.vjp(bilinear, [x, points], [cotangent])
    assert all(mx.allclose(a, b, atol=1e-3) for a, b in zip(made, wanted, strict=True))


# Types, templates, attributes.


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint32", "int64", "float16", "float32", "complex64"])
def test_elements_of_each_type_arrive_and_leave(make: Make, dtype: str) -> None:
    x = (np.arange(20) % 3).astype(dtype).reshape(4, 5)
    made = elementwise(make("y[i] = x[i];"), x)
    assert isinstance(made, np.ndarray)
    assert made.dtype == x.dtype
    np.testing.assert_array_equal(made, x)


def test_complex_arithmetic(make: Make) -> None:
    x = mx.array([1 + 2j, -3j, 0.5, 4 - 1j] * 3)
    made = elementwise(make("y[i] = x[i] * x[i] / complex64_t(0, 2) - z;", ("x", "z")), x, 1 + 1j)
    assert mx.allclose(made, x * x / mx.array(2j) - (1 + 1j))


def test_bfloat_arithmetic_and_views(make: Make) -> None:
    x = arange(mx.bfloat16, 6, 5)[::2].T
    made = elementwise(make("y[i] = x[elem_to_loc(i, x_shape, x_strides, x_ndim)] * z;", ("x", "z")), x, 2.5)
    assert made.dtype == mx.bfloat16
    assert mx.array_equal(made, x * 2.5)


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
def test_literals_in_a_template_are_floats(make: Make, dtype: mx.Dtype) -> None:
    x = np.random.default_rng(0).standard_normal(1000, np.float32)
    made = elementwise(make("y[i] = T(0.1 * x[i]);"), mx.array(x), template=[("T", dtype)], dtype=dtype)
    assert mx.array_equal(made, mx.array(np.float32(0.1) * x).astype(dtype))


def test_templates_and_small_inputs(make: Make) -> None:
    kernel = make("y[i] = flag ? T(x[1] + a[2]) + N + s : T(0);", ("x", "a", "s"))
    call: dict[str, Any] = {
        "template": [("flag", True), ("N", -3), ("T", mx.float16)],
        "dtype": mx.int32,
        "shape": (6,),
    }
    made = elementwise(kernel, arange(mx.float32, 3, 6), mx.array([1, 2, 5]), 7.6, **call)
    assert made.tolist() == [10] * 6


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("thread_index_in_threadgroup", range(12)),
        ("threads_per_threadgroup", [12] * 12),
        ("dispatch_threads_per_threadgroup", [12] * 12),
        ("threadgroup_position_in_grid", [0] * 12),
    ],
)
def test_the_threadgroup_is_cut_down_to_the_grid(make: Make, name: str, want: Sequence[int]) -> None:
    made = elementwise(make(f"y[i] = uint3({name}).x;"), np.zeros(12, np.uint32), threadgroup=(64, 8, 1))
    assert made.tolist() == list(want)


def test_shape_without_attributes_or_a_second_output(device: Device) -> None:
    kernel = metal_kernel("f", ["x"], ["y"], "y[0] = x_shape[1] * 100 + x_strides[0] * 10 + x_ndim;", device=device)
    assert elementwise(kernel, np.zeros((2, 4, 2), np.int32), shape=(1,), grid=(1, 1, 1)).tolist() == [483]


def test_math_mode(make: Make) -> None:
    source = "y[i] = (x[i] + 1e8f) - 1e8f;"
    x = np.ones(16, np.float32)
    for mode in ("safe", "relaxed", "fast"):
        made = elementwise(make(source, compile_options={"math_mode": mode}), x)
        assert set(made.tolist()) <= ({0.0} if mode == "safe" else {0.0, 1.0})


def test_the_source_is_told_of_the_math_mode(make: Make) -> None:
    source = """
#if defined(__FAST_MATH__) && __FAST_MATH__
    y[i] = 1;
#else
    y[i] = 0;
#endif
"""
    x = np.zeros(4, np.float32)
    made = {mode: elementwise(make(source, compile_options={"math_mode": mode}), x)[0] for mode in ("safe", "fast")}
    assert made == {"safe": 0, "fast": 1}


def test_a_helper_of_the_header(make: Make) -> None:
    header = "template <typename T>\nT twice(T x) { return metal::precise::exp(x) + metal::precise::exp(x); }\n"
    x = mx.random.normal(shape=(3, 5), key=mx.random.key(3))
    assert mx.allclose(elementwise(make("y[i] = twice(x[i]);", header=header), x), 2 * mx.exp(x))


def test_kernels_of_one_name_are_each_what_their_source_says(make: Make) -> None:
    x = arange(mx.float32, 8)
    sources = ("y[i] = x[i] * 2;", "y[i] = x[i] + 100;", "y[i] = x[i] * 2;")
    made = [elementwise(make(source), x) for source in sources]
    assert [mx.array_equal(*pair) for pair in zip(made, (x * 2, x + 100, x * 2), strict=True)] == [True] * 3


def test_one_kernel_of_several_types_and_shapes(make: Make) -> None:
    double = make("y[i] = x[i] + x[i];")
    for x in (arange(mx.float16, 4), arange(mx.float32, 3, 4), arange(mx.int32, 40), arange(mx.float16, 4)):
        made = elementwise(double, x)
        assert made.dtype == x.dtype
        assert mx.array_equal(made, x + x)


def test_a_source_that_does_not_compile_harms_no_other(make: Make) -> None:
    x = arange(mx.float32, 8)
    with pytest.raises(RuntimeError, match="Unable to build metal library"):
        elementwise(make("this is no Metal {"), x)
    assert mx.array_equal(elementwise(make("y[i] = -x[i];"), x), -x)


# Outputs.


@pytest.mark.parametrize(("dtype", "initial"), [(mx.float32, 1.5), (mx.bfloat16, 0.1), (mx.int8, -3), (mx.bool_, 1)])
def test_outputs_start_as_told(make: Make, dtype: mx.Dtype, initial: float) -> None:
    made = elementwise(make("if (i < 2) y[i] = 0;"), arange(dtype, 5), init_value=initial)
    assert mx.array_equal(made, mx.array([0, 0, initial, initial, initial]).astype(dtype))


def test_outputs_that_nobody_writes_are_nothing_to_rely_on(make: Make) -> None:
    made = elementwise(make("if (i < 2) y[i] = 0;"), np.zeros(4, np.float32))
    assert np.isnan(made).tolist() == [False, False, True, True]


def test_arrays_come_back_as_they_went_in(make: Make) -> None:
    kernel = make("y[i] = 2 * x[i];")
    numpy, mlx = np.arange(9, dtype=np.float32), arange(mx.float32, 9)
    assert isinstance(elementwise(kernel, numpy), np.ndarray)
    assert isinstance(elementwise(kernel, mlx), mx.array)
    assert isinstance(elementwise(kernel, numpy, dtype=mx.float32), mx.array)


GRID = np.arange(24, dtype=np.float32).reshape(4, 6)
RECORDS = np.array([(1.5, 2), (3.5, 4)] * 5, [("a", np.float32), ("b", np.int8)])


@pytest.mark.parametrize("x", [GRID[::2], GRID.T, GRID[:, ::-1], GRID[1:, 2:4], RECORDS["a"]])
def test_views_of_numpy(make: Make, x: np.ndarray) -> None:
    kernel = make("y[i] = x[elem_to_loc(int(i), x_shape, x_strides, x_ndim)];", ensure_row_contiguous=False)
    np.testing.assert_array_equal(elementwise(kernel, x), x)


def test_an_unsigned_index_into_reversed_memory_is_found(make: Make) -> None:
    kernel = make("y[i] = x[elem_to_loc(i, x_shape, x_strides, x_ndim)];", ensure_row_contiguous=False)
    with pytest.raises(DeviceCrash, match="beyond the end of buffer 0 'x'"):
        elementwise(kernel, GRID[::-1])


# What goes wrong.


def test_errors_of_the_compiler_are_told_in_mlxs_words_at_apples_lines(make: Make) -> None:
    with pytest.raises(RuntimeError) as caught:
        elementwise(make("y[i] = missing;"), np.zeros(9, np.float32))
    first, second, line, caret = str(caught.value).split("\n")[:4]
    assert first == "[metal::Device] Unable to build metal library from source"
    # MLX's preamble says `#line 1 "…/utils.h"`; four lines of signature and one of the body follow that file.
    place = re.fullmatch(
        r"mlx/backend/metal/kernels/utils.h:(\d+):8: error: use of undeclared identifier 'missing'", second
    )
    utils = installed_preamble().text.split('#line 1 "mlx/backend/metal/kernels/utils.h"\n')[1].count("\n")
    assert place and int(place[1]) == utils + 6
    assert (line, caret) == ("y[i] = missing;", "       ^")


def test_a_threadgroup_larger_than_the_kernel_allows(make: Make) -> None:
    header = "[[max_total_threads_per_threadgroup(64)]]\n"
    message = r"^Thread group size \(128\) is greater than  the maximum allowed threads per threadgroup \(64\)\.$"
    with pytest.raises(ValueError, match=message):  # before it is cut down to the grid
        elementwise(make("y[i] = x[i];", header=header), np.zeros(9, np.float32), threadgroup=(128, 1, 1))


def test_too_much_threadgroup_memory(make: Make) -> None:
    source = "threadgroup float all[9000]; all[i] = x[i]; y[i] = all[i];"
    with pytest.raises(RuntimeError, match=r"^\[metal::Device\] Unable to load kernel custom_kernel_f_float_float\n"):
        elementwise(make(source), np.zeros(9, np.float32))


def test_an_access_beyond_a_strided_input_is_found(make: Make) -> None:
    kernel = make("y[i] = x[i + 100000];", ensure_row_contiguous=False)
    with pytest.raises(DeviceCrash, match="beyond the end of buffer 0 'x'"):
        elementwise(kernel, np.zeros((8, 8), np.float32).T)


def test_the_source_is_printed_as_mlx_prints_it(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    elementwise(make("y[i] = x[i];"), np.zeros(9, np.float32), verbose=True)
    printed = capsys.readouterr().out
    assert printed.startswith("Generated source code for `f`:\n```\n[[kernel]] void custom_kernel_f_float_float(\n")
    assert printed.endswith("y[i] = x[i];\n}\n\n```\n")


# The device that kernels share.

SHARED = """
import os, psutil, numpy as np
from metalsci.cpu_metal import metal_kernel

def devices():
    '''Processes of this one's, after a kernel has run.'''
    k = metal_kernel("f", [], ["y"], "y[0] = 7;")
    (y,) = k(inputs=[], output_shapes=[(1,)], output_dtypes=[np.int8], grid=(1, 1, 1), threadgroup=(1, 1, 1))
    assert y[0] == 7
    return {process.pid for process in psutil.Process().children(recursive=True)}

first = devices()
assert first and devices() == first
child = os.fork()
if child == 0:
    own = devices()
    os._exit(0 if own and not own & first else 1)
assert os.waitpid(child, 0)[1] == 0
assert devices() == first
print(*first)
"""


def test_kernels_of_a_process_share_a_device_that_ends_with_it() -> None:
    done = subprocess.run([sys.executable, "-c", SHARED], env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    alive = [psutil.Process(int(pid)) for pid in done.stdout.split() if psutil.pid_exists(int(pid))]
    assert not psutil.wait_procs(alive, timeout=5)[1]


# The preamble.


def test_the_preamble_defines_what_mlx_defines() -> None:
    text = installed_preamble().text
    assert all(re.search(rf"\b{name}\b", text) for name in PREAMBLE)
    assert "#pragma once" not in text
    assert installed_preamble().place(text.count("\n") + 1)[0] == "mlx/backend/metal/kernels/utils.h"


FALLBACK = """
import sys
sys.modules["mlx"] = None                     # as if it were not installed
import numpy as np
from metalsci.cpu_metal import metal_kernel
k = metal_kernel("f", ["x", "c"], ["y", "d"], '''
    uint i = thread_position_in_grid.x;
    y[i] = T(x[elem_to_loc(i, x_shape, x_strides, x_ndim)] + ceildiv(5, 2));
    d[i] = c[i] * c[i];
''', ensure_row_contiguous=False)
x, c = np.arange(12, dtype=np.float32).reshape(3, 4).T, np.full(12, 1 + 2j, np.complex64)
y, d = k(inputs=[x, c], output_shapes=[(4, 3), (12,)], output_dtypes=[np.float16, np.complex64], grid=(12, 1, 1),
         threadgroup=(12, 1, 1), template=[("T", np.float16)])
assert (y == x + 3).all() and (d == c * c).all()
try:
    metal_kernel("f", [], ["y"], "y[0] = missing;")(inputs=[], output_shapes=[(1,)], output_dtypes=[np.int8],
                                                    grid=(1, 1, 1), threadgroup=(1, 1, 1))
except RuntimeError as error:
    print(error)
"""


def test_without_mlx() -> None:
    done = subprocess.run([sys.executable, "-c", FALLBACK], env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line = fallback_preamble().text.count("\n") + 3
    assert f"\nprogram_source:{line}:8: error: use of undeclared identifier 'missing'\n" in done.stdout


def test_derivatives_are_refused_as_mlx_refuses_those_of_its_kernels(make: Make) -> None:
    double = make("y[i] = 2 * x[i];")
    x = mx.array([1.0, 2.0])
    assert elementwise(double, x).tolist() == [2.0, 4.0]
    with pytest.raises(ValueError, match=r"^\[Primitive::vjp\] Not implemented for CustomKernel\.$"):
        mx.grad(lambda x: elementwise(double, x).sum())(x)
    with pytest.raises(ValueError, match=r"^\[Primitive::jvp\] Not implemented for CustomKernel\.$"):
        mx.jvp(lambda x: elementwise(double, x), [x], [x])
    # what does not pass through the kernel has a derivative
    assert mx.grad(lambda x: (x * elementwise(double, mx.stop_gradient(x))).sum())(x).tolist() == [2.0, 4.0]
