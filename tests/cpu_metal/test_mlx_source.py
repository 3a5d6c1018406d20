"""The source that `metal_kernel` builds is MLX's, byte for byte: asked of MLX's own generator."""

import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings

from metalsci.cpu_metal import metal_kernel
from metalsci.cpu_metal.mlx.arrays import strided
from metalsci.cpu_metal.mlx.dtypes import element_type
from metalsci.cpu_metal.mlx.emitted_source import Input, KernelWriter, template_argument
from metalsci.msl.language.attributes import BUILT_IN
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import lower
from metalsci.msl.mlx.mlx_names import INPUT_SUFFIXES

Template = Sequence[tuple[str, Any]] | None
Call = tuple[dict[str, Any], Sequence[Any], Sequence[mx.Dtype], Template]

DTYPES = (
    mx.bool_, mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.int8, mx.int16, mx.int32, mx.int64,
    mx.float16, mx.bfloat16, mx.float32, mx.complex64,
)  # fmt: skip
ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("tasks/*/seed.metal"), *ROOT.glob("tests/msl/kernels/*.metal")])
NAMES = st.text(string.ascii_letters, min_size=1, max_size=3)
ARRAYS = st.builds(
    lambda shape, dtype: mx.zeros(shape, dtype),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(DTYPES),
)
NUMBERS = st.booleans() | st.integers(-(2**40), 2**40) | st.floats(width=32) | st.complex_numbers(width=64)
TEMPLATE_VALUES = st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.sampled_from(DTYPES)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Draw options of `metal_kernel`, and its inputs, dtypes of outputs and template, of any combination."""
    names = draw(st.lists(NAMES, unique=True, min_size=1, max_size=6))
    at = draw(st.integers(0, len(names) - 1))
    words = [*sorted(BUILT_IN), *(name + suffix for name in names for suffix in INPUT_SUFFIXES)]
    options: dict[str, Any] = {
        "name": draw(NAMES),
        "input_names": names[:at],
        "output_names": names[at:],
        "source": draw(st.lists(st.sampled_from(words) | st.text(max_size=5), max_size=5).map(" ".join)),
        "header": draw(st.sampled_from(["", "#define A 1\n", "// é", "thread_position_in_grid\n"])),
        "atomic_outputs": draw(st.booleans()),
    }
    inputs = [draw(ARRAYS | NUMBERS) for _ in options["input_names"]]
    outputs = [draw(st.sampled_from(DTYPES)) for _ in options["output_names"]]
    template = draw(st.none() | st.lists(st.tuples(NAMES, TEMPLATE_VALUES), max_size=3))
    return options, inputs, outputs, template


def of_mlx(
    options: dict[str, Any], inputs: Sequence[Any], outputs: Sequence[mx.Dtype], template: Template
) -> tuple[str, str]:
    """Return name and source from MLX's generator, which runs without a GPU while it is traced."""
    found: list[Any] = []
    kernel: Any = mx.fast.metal_kernel(**options)
    mx.export_function(
        lambda event: found.append(event.get("arguments")) if event.get("name") == "CustomKernel" else None,
        lambda: kernel(
            inputs=inputs,
            output_shapes=[(1,) for _ in outputs],
            output_dtypes=outputs,
            template=template,
            grid=(1, 1, 1),
            threadgroup=(1, 1, 1),
        ),
    )
    return tuple(found[0][:2])


def of_ours(
    options: dict[str, Any], inputs: Sequence[Any], outputs: Sequence[mx.Dtype], template: Template
) -> tuple[str, str]:
    writer = KernelWriter(
        options["name"],
        tuple(options["input_names"]),
        tuple(options["output_names"]),
        options["source"],
        options["header"],
        options["atomic_outputs"],
    )
    arrays = [strided(value) for value in inputs]
    generated = writer.write(
        [Input(a.type, a.values.ndim, a.values.size) for a in arrays],
        [element_type(dtype) for dtype in outputs],
        [template_argument(*argument) for argument in template or ()],
    )
    return generated.name, generated.source


@given(calls())
@settings(max_examples=400, deadline=None)
def test_any_signature(call: Call) -> None:
    assert of_ours(*call) == of_mlx(*call)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_whole_files_as_they_are_lowered(path: Path) -> None:
    """The test device runs our text of it, a Mac MLX's."""
    for kernel in lower(parse(path.read_text())).values():
        options = {
            "name": kernel.name,
            "input_names": list(kernel.input_names),
            "output_names": list(kernel.output_names),
            "source": kernel.source,
            "header": kernel.header,
            "atomic_outputs": False,
        }
        inputs = [mx.zeros(() if b.scalar else (64,), getattr(mx, b.dtype)) for b in kernel.inputs]
        call = options, inputs, [getattr(mx, b.dtype) for b in kernel.outputs], None
        assert of_ours(*call) == of_mlx(*call)


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "complex128", "int64", "bool"])
def test_numpys_arrays_become_the_type_that_mlx_makes_of_them(name: str) -> None:
    options: dict[str, Any] = {"name": "f", "input_names": ["x"], "output_names": ["y"], "source": "", "header": ""}
    call = {**options, "atomic_outputs": False}, [np.zeros((3, 3), name)], [mx.float32], None
    assert of_ours(*call) == of_mlx(*call)


def raised(act: Callable[[], object]) -> tuple[type[BaseException], str]:
    with pytest.raises((ValueError, TypeError)) as caught:
        act()
    return caught.type, str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"output_names": []},
        {"compile_options": 3},
        {"compile_options": {"math_mode": "precise"}},
        {"compile_options": {"fast": "yes"}},
    ],
)
def test_options_are_refused_in_mlxs_words(options: dict[str, Any]) -> None:
    given = {"name": "f", "input_names": [], "output_names": ["y"], "source": "", **options}
    assert raised(lambda: metal_kernel(**given)) == raised(lambda: mx.fast.metal_kernel(**given))


@pytest.mark.parametrize(
    "call",
    [
        {"inputs": []},
        {"inputs": [mx.zeros(3), mx.zeros(3)]},
        {"inputs": [mx.zeros((2,), mx.float64)]},
        {"output_shapes": []},
        {"output_dtypes": [mx.int8, mx.int8]},
        {"output_dtypes": [mx.float64]},
        {"template": [("T", 2**31)]},
        {"template": [("T", 1.5)]},
        {"template": [("T", np.int32(1))]},
    ],
)
def test_calls_are_refused_in_mlxs_words(call: dict[str, Any]) -> None:
    options: dict[str, Any] = {"name": "f", "input_names": ["x"], "output_names": ["y"], "source": "y[0] = x[0];"}
    plain = {"inputs": [mx.zeros(3)], "output_shapes": [(1,)], "output_dtypes": [mx.float32]}
    given = {**plain, "grid": (1, 1, 1), "threadgroup": (1, 1, 1), **call}
    generator: Any = mx.fast.metal_kernel
    ours = raised(lambda: metal_kernel(**options)(**given))
    assert ours == raised(lambda: mx.export_function(print, lambda: generator(**options)(**given)))
