"""`best.py`: the winner as a module that a user pastes into an MLX project."""

from pathlib import Path

import numpy as np

from metalsci.devices.program import Symbol, fit_threadgroup
from metalsci.msl.diagnostics import CompileError, render
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import parse
from metalsci.msl.mlx.lower import lower
from metalsci.msl.mlx.python_export import CallExample, export_python
from metalsci.task.loader import Problem
from metalsci.tracking.summary import Summary


def best_py(problem: Problem, source: str, summary: Summary, run: Path, math_mode: MathMode) -> str:
    """Write one Python function for each kernel of `source`, through `mx.fast.metal_kernel`.

    Where MLX cannot run a kernel that the software device could, the module says so when it is imported.
    """
    facts = {
        "task": summary.task,
        "written by": f"{summary.model}, iteration {summary.best_iteration}",
        "self-speedup": f"{summary.self_speedup:.2f} on {summary.device}",
        "score": f"{summary.best_score:.4f} (seed kernel {summary.seed_score:.4f})",
        "held-out gate": _gate(summary),
        "run": "/".join(run.resolve().parts[-3:]),
    }
    try:
        kernels = lower(parse(source), {s.name for s in problem.task.signatures})
    except CompileError as error:
        reasons = render(error.diagnostics)
        return f"raise ImportError({f'mx.fast.metal_kernel cannot run best.metal: {reasons}'!r})\n"
    title = f"The winner of a metalsci run on {summary.task}."
    usage = _usage(problem)
    for name, kernel in kernels.items():
        limit = kernel.max_total_threads_per_threadgroup
        if (known := usage.get(name)) and known.threadgroup:
            group = fit_threadgroup(known.threadgroup, limit)
            usage[name] = CallExample(group, known.grid, known.shapes)
    return export_python(kernels.values(), title=title, facts=facts, usage=usage, math_mode=math_mode)


def _gate(summary: Summary) -> str:
    gate = summary.gate
    speedup = f", {gate.heldout_speedup:.2f}x at {gate.size}" if gate.heldout_speedup else f" at {gate.size}"
    return f"{gate.verdict}{speedup}"


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
