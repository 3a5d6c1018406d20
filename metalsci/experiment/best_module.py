"""`best.py`: the winner as a module that a user pastes into an MLX project, or runs to check it."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import indent

import numpy as np

from metalsci.devices.program import Symbol, fit_threadgroup
from metalsci.experiment.host_code import HostCode, HostCodeError, host_code
from metalsci.msl.diagnostics import CompileError, render
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import LoweredKernel, lower
from metalsci.msl.mlx.python_export import CallExample, export_python, function_name, shape_names
from metalsci.task.definition import Size
from metalsci.task.loader import Problem
from metalsci.tracking.summary import Summary

# Host code is quoted from the task with its annotations, whose names are not defined here.
_IMPORTS = "from __future__ import annotations\n\nimport mlx.core as mx\n"

_HOST = '''

# By name of the kernel: its function, the shapes that this takes, and the most threads of a threadgroup.
_FUNCTIONS = {{
{functions}
}}

# The host code of the task: which kernel runs on which arrays, over how many threads, how often.
{definitions}

class Host:
    def __init__(self, physics):
        self.physics = physics

{methods}


class _Kernels:
    """The functions above as the host code calls them."""

    def __getattr__(self, name):
        function, shapes, limit = _FUNCTIONS[name]

        def call(*arguments, threads, threadgroup, outputs, init=None, shrink=True):
            given = {{shape: output[0] for shape, output in zip(shapes, outputs)}}
            if init is not None:
                given["init_value"] = init
            results = function(*arguments, **given, grid=threads, threadgroup=_fitted(threadgroup, limit))
            return (results,) if len(shapes) == 1 else results

        return call


def _fitted(threadgroup, limit):
    x, y, z = threadgroup
    if limit is None:
        return x, y, z
    while x * y * z > limit and z > 1:
        z //= 2
    while x * y * z > limit and y > 1:
        y //= 2
    return min(x, limit), y, z


PHYSICS = {physics}
SIZE = SimpleNamespace({extents})


def run(inputs, size=SIZE, physics=PHYSICS):
    """Run the whole program of the task and return its results, as `mlx.core` arrays.

    size: extents as attributes. physics: constants by name. inputs: arrays by name, of these shapes at SIZE:

{shapes}
    """
    return list(Host(physics).program(size, inputs, _Kernels()))


if __name__ == "__main__":
    import sys

    if not mx.metal.is_available():
        sys.exit(
            "best.py needs an Apple GPU, and MLX reports none here. To check the kernels on this machine: "
            "python -m metalsci.evaluate task={task} kernel=best.metal"
        )
    try:
        from metalsci.experiment.best_check import report
    except ImportError:
        sys.exit("The check against the reference needs metalsci, and `run` does not: pip install metalsci")
    sys.exit(report(__file__, "{task}", run))
'''


def facts(summary: Summary, run: Path) -> dict[str, str]:
    """Return the lines of the module's docstring about a run and its folder, label by label."""
    return {
        "task": summary.task,
        "written by": _author(summary),
        _speedup_of(summary): f"{summary.self_speedup:.2f} on {summary.device}",
        **({"on a GPU that was not there": str(summary.predicted)} if summary.predicted and summary.measured else {}),
        "score": f"{summary.best_score:.4f} (seed kernel {summary.seed_score:.4f})",
        "held-out gate": _gate(summary),
        "run": "/".join(run.resolve().parts[-3:]),
    }


def _author(summary: Summary) -> str:
    if summary.best_iteration:
        return f"{summary.model}, iteration {summary.best_iteration}"
    if summary.duels:
        return "the one who gave the start of the run"
    return "the author of the seed kernel"


def best_py(problem: Problem, source: str, facts: Mapping[str, str], math_mode: MathMode) -> str:
    """Write one Python function for each kernel of `source`, through `mx.fast.metal_kernel`, and the task's host code.

    If MLX cannot run a kernel that the software device could, the module says so when it is imported.
    """
    try:
        kernels = lower(parse(source), {s.name for s in problem.task.signatures})
    except CompileError as error:
        reasons = render(error.diagnostics)
        return f"raise ImportError({f'mx.fast.metal_kernel cannot run best.metal: {reasons}'!r})\n"
    title = f"The winner of a metalsci run on {problem.task.name}."
    usage = _usage(problem)
    for name, kernel in kernels.items():
        limit = kernel.max_total_threads_per_threadgroup
        known = usage.get(name)
        if known and known.threadgroup:
            group = fit_threadgroup(known.threadgroup, limit)
            usage[name] = CallExample(group, known.grid, known.shapes)
    module = export_python(kernels.values(), title=title, facts=facts, usage=usage, math_mode=math_mode)
    try:
        host = host_code(problem.task)
    except HostCodeError as error:
        return f"{module}\n\n# The task's host code is not part of this module: {error}.\n"
    imports = [_IMPORTS, "from types import SimpleNamespace\n", *(f"{line}\n" for line in host.imports)]
    return module.replace("import mlx.core as mx\n", "".join(imports), 1) + _host(problem, host, kernels)


def _host(problem: Problem, host: HostCode, kernels: Mapping[str, LoweredKernel]) -> str:
    task, size = problem.task, problem.sizes[0]
    functions = [
        f'    "{name}": ({function_name(kernel)}, {shape_names(kernel)!r}, {kernel.max_total_threads_per_threadgroup}),'
        for name, kernel in kernels.items()
    ]
    return _HOST.format(
        definitions="".join(f"\n\n{definition}\n" for definition in host.definitions),
        methods="\n\n".join(host.methods),
        functions="\n".join(functions),
        physics=dict(task.physics),
        extents=", ".join(f"{name}={value!r}" for name, value in size.extents.items()),
        shapes=indent("\n".join(_shapes(problem, size)), "    "),
        task=task.name,
    )


def _shapes(problem: Problem, size: Size) -> list[str]:
    inputs = problem.task.inputs(size, np.random.default_rng(0))
    return [f"{name}: {array.dtype} of shape {array.shape}" for name, array in inputs.items()]


def _speedup_of(summary: Summary) -> str:
    """Name the speedup for what it is."""
    if summary.measured:
        return "self-speedup"
    return "predicted self-speedup"


def _gate(summary: Summary) -> str:
    gate = summary.gate
    if gate.heldout_speedup:
        speedup = f", {gate.heldout_speedup:.2f}x at {gate.size}"
    else:
        speedup = f" at {gate.size}"
    if not summary.measured:
        return f"{gate.verdict}, predicted{speedup}"
    predicted = f"; {gate.transfer}" if gate.transfer else ""
    return f"{gate.verdict}{speedup}{predicted}"


def _usage(problem: Problem) -> dict[str, CallExample]:
    """Return an example call of each kernel, taken from the task's program at the smallest size."""
    task, size = problem.task, problem.sizes[0]
    program = task.trace(size, task.inputs(size, np.random.default_rng(0)))
    usage: dict[str, CallExample] = {}
    for call in program.calls:
        if call.kernel in usage:
            continue
        (signature,) = (s for s in task.signatures if s.name == call.kernel)
        readable = [p.name for p in signature.buffers if not p.writable]
        writable = [p.name for p in signature.buffers if p.writable]
        arrays = [*zip(readable, call.arguments, strict=True), *zip(writable, call.outputs, strict=True)]
        shapes = {name: f"of shape {a.shape} at {size.label}" for name, a in arrays if isinstance(a, Symbol)}
        usage[call.kernel] = CallExample(
            call.threadgroup, f"threads in x, y and z: {call.threads} at {size.label}", shapes
        )
    return usage
