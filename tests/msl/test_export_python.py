"""The exported module: imports MLX and nothing else, and makes the calls that the lowered kernel would."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_generator import Emit

from metalsci.cpu_metal import Device, Dispatch
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import LoweredKernel, lower
from metalsci.msl.mlx.python_export import CallExample, export_python

FILES = sorted((Path(__file__).parent / "kernels").glob("*.metal"))
SAXPY = (Path(__file__).parent / "kernels" / "saxpy.metal").read_text()

Shapes = dict[str, tuple[int, ...]]


def load(text: str) -> dict[str, Any]:
    module: dict[str, Any] = {}
    exec(compile(text, "best.py", "exec"), module)
    return module


def export(source: str, **options: Any) -> str:
    return export_python(lower(parse(source)).values(), title="saxpy: a kernel", **options)


def primitives(function: Callable[..., Any], *arrays: mx.array) -> list[dict[str, Any]]:
    """Return the custom-kernel calls that a function makes, as MLX records them."""
    events = []
    mx.export_function(lambda event: events.append(event), function, *arrays)
    return [e for e in events if e["type"] == "primitive" and e["name"] == "CustomKernel"]


def test_module_imports_only_mlx() -> None:
    tree = ast.parse(export(SAXPY))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import mlx.core as mx"]


def test_docstrings_say_what_the_caller_supplied() -> None:
    text = export(
        SAXPY,
        facts={"run": "outputs/7", "score": "0.81 of the ceiling", "gate": "generalizes"},
        usage={"saxpy": CallExample((256, 1, 1), "(N, 1, 1)", {"x": "(N,)", "out": "(N,)"})},
    )
    module = load(text)
    assert module["__doc__"].startswith("saxpy: a kernel\n\n    run    outputs/7\n    score  0.81 of the ceiling\n")
    assert module["saxpy"].__doc__ == (
        """Run the Metal kernel `saxpy`.

    x: float32 (N,)
    y: float32
    a: number (float32)
    N: number (uint32)
    out_shape: shape of the output, float32 (N,)
    grid: (N, 1, 1)
    threadgroup: threads of a group
    init_value: what outputs hold before the kernel runs; undefined without it

    Returns out.
    """
    )
    assert module["saxpy"].__kwdefaults__["threadgroup"] == (256, 1, 1)


def test_function_converts_its_arguments_and_asks_for_the_outputs() -> None:
    saxpy = load(export(SAXPY))["saxpy"]
    (call,) = primitives(
        lambda x: saxpy(x, x, 2, 7, out_shape=(3, 4), grid=(12, 1, 1), threadgroup=(4, 1, 1)), mx.zeros((12,), mx.int32)
    )
    name, _, *dispatch = call["arguments"]
    assert name == "custom_kernel_saxpy_float_float_floats_uint32_ts_float"
    assert dispatch[:6] == [12, 1, 1, 4, 1, 1]
    assert [(shape, dtype) for _, shape, dtype in call["outputs"]] == [((3, 4), mx.float32)]


@pytest.mark.parametrize("mode", MathMode)
def test_math_mode_is_the_runs(mode: MathMode) -> None:
    assert f'compile_options={{"math_mode": "{mode.value}"}}' in export(SAXPY, math_mode=mode)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_source_is_that_of_the_lowered_kernel(path: Path, emitted: Emit) -> None:
    kernels = lower(parse(path.read_text()))
    module = load(export_python(kernels.values(), title=path.stem))
    for kernel in kernels.values():
        inputs = [mx.zeros(() if b.scalar else (8 * b.elements,), getattr(mx, b.dtype)) for b in kernel.inputs]
        shapes: Shapes = {f"{b.parameter.name}_shape": (8 * b.elements,) for b in kernel.outputs}
        if not inputs:
            continue  # MLX exports only functions of arrays

        def run(*arrays: mx.array, kernel: LoweredKernel = kernel, shapes: Shapes = shapes) -> Any:
            return module[kernel.name](*arrays, **shapes, grid=(8, 1, 1), threadgroup=(8, 1, 1))

        (call,) = primitives(run, *inputs)
        want = emitted(
            kernel,
            dict(zip(kernel.input_names, inputs, strict=True)),
            {b.name: ((8 * b.elements,), getattr(mx, b.dtype)) for b in kernel.outputs},
        )
        assert _squeezed(call["arguments"][1]) == _squeezed(want)


def _squeezed(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_it_computes_what_the_file_says() -> None:
    """Only the last step is replaced: the software device runs the source that MLX would send to Metal."""
    saxpy = load(export(SAXPY))["saxpy"]
    x, y = np.arange(64, dtype=np.float32), np.ones(64, np.float32)
    (call,) = primitives(
        lambda x, y: saxpy(x, y, 2.5, 60, out_shape=(64,), grid=(64, 1, 1), threadgroup=(32, 1, 1)),
        mx.array(x),
        mx.array(y),
    )
    with Device(threads=1) as device:
        kernel = next(iter(device.compile(call["arguments"][1]).kernels.values()))
        out = device.empty((64,), np.float32)
        arguments = {0: device.buffer(x), 1: device.buffer(y), 2: np.float32(2.5), 3: np.uint32(60), 4: out}
        device.run([Dispatch(kernel, arguments, threads=(64,), threadgroup=(32,))])
        assert np.array_equal(out.array, np.where(np.arange(64) < 60, 2.5 * x + y, 0))


def test_names_that_python_or_the_module_has_are_changed() -> None:
    source = """\
kernel void lambda(device const float *in, constant uint &grid, device float *mx, device float *mx_shape) {
    mx[0] = in[grid];
}
"""
    function = load(export(source))["lambda_"]
    assert function.__code__.co_varnames[:6] == ("in_", "grid_", "mx__shape", "mx_shape_shape", "grid", "threadgroup")


def test_atomic_outputs_start_at_zero() -> None:
    module = load(export("kernel void f(device const float *x, device atomic_uint *n) {}"))
    assert module["f"].__kwdefaults__["init_value"] == 0


@pytest.mark.parametrize("comment", ['/* """ */', "/* \\ */", '// "', "/* \\n \\x41 {0} %s */", "// ²"])
def test_any_text_survives(comment: str) -> None:
    source = f"kernel void f(device const float *x, device float *y) {{ y[0] = x[0]; {comment}\n}}"
    tree = ast.parse(export(source))
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert any(comment in text for text in strings)


def test_titles_and_facts_cannot_end_the_docstring() -> None:
    module = load(export_python([], title='a """ b \\', facts={"x": 'y"""'}))
    assert "'''" in module["__doc__"]
