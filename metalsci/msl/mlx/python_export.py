"""Kernels as a Python module that needs nothing but MLX."""

import json
import keyword
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import indent

from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.mlx.lower import LoweredKernel
from metalsci.msl.mlx.prologue import ArgumentBinding

_OWN_NAMES = frozenset({"grid", "init_value", "mx", "threadgroup", "_scalar"})
_HOST_NAMES = frozenset({"Host", "PHYSICS", "SIZE", "SimpleNamespace", "run"})  # see metalsci.experiment.best_module

_MODULE = '''\
"""{title}
{facts}
Each function runs one Metal kernel on `mlx.core` arrays. Arrays are row-major and contiguous (MLX copies others) and
are converted to the dtype that the kernel reads; scalars may be Python numbers. Outputs are new arrays. `grid` counts
threads, not threadgroups. A read-only array should have at least 8 elements: MLX passes smaller ones to the kernel in
another address space.
"""

import mlx.core as mx


def _scalar(value, dtype):
    return mx.array(value, dtype=dtype).reshape(())
{kernels}'''

_KERNEL = '''

_{constant} = mx.fast.metal_kernel(
    name={name},
    input_names={inputs},
    output_names={outputs},
    header={header},
    source={source},
    compile_options={{"math_mode": "{math_mode}"}},
)


def {function}({signature}):
    """{summary}

{documentation}
    """
    {results} = _{constant}(
        inputs=[{arguments}],
        output_shapes=[{shapes}],
        output_dtypes=[{dtypes}],
        grid=grid,
        threadgroup=threadgroup,
        init_value=init_value,
    )
    return {returned}
'''


@dataclass(frozen=True)
class CallExample:
    """An example call of a kernel, for its docstring and defaults.

    threadgroup: threads of a group, the function's default.
    grid: in words or symbols, as `(NX, NY, 1)`.
    shapes: of the user's parameters by name, in words or symbols.
    """

    threadgroup: tuple[int, int, int] | None = None
    grid: str = "threads in x, y and z"
    shapes: Mapping[str, str] = field(default_factory=dict)


def export_python(
    kernels: Iterable[LoweredKernel],
    *,
    title: str,
    facts: Mapping[str, str] | None = None,
    usage: Mapping[str, CallExample] | None = None,
    math_mode: MathMode = MathMode.fast,
) -> str:
    """Write a module with one function for each kernel. It imports only MLX.

    title: one line, for the module's docstring. facts: its further lines, such as the run, the score and the gate's
        verdict, label by label. usage: by kernel name.
    """
    functions = [_function(kernel, (usage or {}).get(kernel.name, CallExample()), math_mode) for kernel in kernels]
    return _MODULE.format(title=_docstring(title), facts=_facts(facts or {}), kernels="".join(functions))


def _facts(facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    width = max(map(len, facts)) + 2
    lines = (f"    {label.ljust(width)}{_docstring(value)}" for label, value in facts.items())
    return "\n" + "\n".join(lines) + "\n"


def _function(kernel: LoweredKernel, usage: CallExample, math_mode: MathMode) -> str:
    names = _python_names(kernel.bindings)
    shapes = {binding.name: f"{names[binding.name]}_shape" for binding in kernel.outputs}
    atomic = any(binding.atomic for binding in kernel.outputs)
    signature = [names[binding.name] for binding in kernel.inputs]
    signature += ["*", *shapes.values(), "grid"]
    signature.append(f"threadgroup={usage.threadgroup}" if usage.threadgroup else "threadgroup")
    signature.append(f"init_value={'0' if atomic else 'None'}")
    results = [names[binding.name] for binding in kernel.outputs]
    return _KERNEL.format(
        constant=kernel.name,
        name=json.dumps(kernel.name),
        inputs=json.dumps(kernel.input_names),
        outputs=json.dumps(kernel.output_names),
        header=_literal(kernel.header),
        source=_literal(kernel.source),
        math_mode=math_mode.value,
        function=function_name(kernel),
        signature=", ".join(signature),
        summary=_docstring(f"Run the Metal kernel `{kernel.name}`."),
        documentation=indent("\n".join(_documentation(kernel, names, usage)), "    "),
        results=f"({results[0]},)" if len(results) == 1 else ", ".join(results),
        arguments=", ".join(_argument(binding, names[binding.name]) for binding in kernel.inputs),
        shapes=", ".join(shapes.values()),
        dtypes=", ".join(f"mx.{binding.dtype}" for binding in kernel.outputs),
        returned=", ".join(results),
    )


def _documentation(kernel: LoweredKernel, names: Mapping[str, str], usage: CallExample) -> Iterable[str]:
    for binding in kernel.inputs:
        yield f"{names[binding.name]}: {_described(binding, usage)}"
    for binding in kernel.outputs:
        yield f"{names[binding.name]}_shape: shape of the output, {_described(binding, usage)}"
    yield f"grid: {_docstring(usage.grid)}"
    limit = kernel.max_total_threads_per_threadgroup
    yield "threadgroup: threads of a group" + (f", at most {limit} in all" if limit is not None else "")
    if any(binding.atomic for binding in kernel.outputs):
        yield "init_value: what outputs hold before the kernel runs"
    else:
        yield "init_value: what outputs hold before the kernel runs; undefined without it"
    yield ""
    returned = ", ".join(names[binding.name] for binding in kernel.outputs)
    yield f"Returns {returned}."


def _described(binding: ArgumentBinding, usage: CallExample) -> str:
    if binding.scalar:
        return f"number ({binding.dtype})"
    text = binding.dtype
    shape = usage.shapes.get(binding.parameter.name)
    if shape:
        text += f" {_docstring(shape)}"
    if binding.elements > 1:
        text += f", {binding.elements} elements for each {binding.type.name}"
    return text


def _argument(binding: ArgumentBinding, name: str) -> str:
    if binding.scalar:
        return f"_scalar({name}, mx.{binding.dtype})"
    return f"{name}.astype(mx.{binding.dtype})"


def function_name(kernel: LoweredKernel) -> str:
    """Return the name of the kernel's function."""
    if kernel.name in _HOST_NAMES:
        return f"{kernel.name}_"
    return _safe(kernel.name)


def shape_names(kernel: LoweredKernel) -> tuple[str, ...]:
    """Return the names of the arguments that take the outputs' shapes, in the order of the outputs."""
    names = _python_names(kernel.bindings)
    return tuple(f"{names[binding.name]}_shape" for binding in kernel.outputs)


def _python_names(bindings: Sequence[ArgumentBinding]) -> Mapping[str, str]:
    """Return Python's name for each binding: the user's, unless Python or this module has it already."""
    taken = set(_OWN_NAMES)
    names: dict[str, str] = {}
    for binding in bindings:
        name = _safe(binding.parameter.name or binding.name)
        while name in taken or f"{name}_shape" in taken:
            name += "_"
        taken |= {name, f"{name}_shape"}
        names[binding.name] = name
    return names


def _safe(name: str) -> str:
    if keyword.iskeyword(name) or name in _OWN_NAMES:
        return f"{name}_"
    return name


def _literal(text: str) -> str:
    """Spell Metal source as a readable Python literal, if Python has one."""
    if '"""' in text or "\r" in text or "\0" in text or text.endswith(("\\", '"')):
        return repr(text)
    if text:
        return f'r"""\n{text}"""'
    return '""'


def _docstring(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace('"""', "'''").split())
