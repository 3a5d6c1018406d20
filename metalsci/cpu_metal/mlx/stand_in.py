"""`metal_kernel`: a stand-in for `mx.fast.metal_kernel` on any machine."""

import operator
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.compile.library import Kernel
from metalsci.cpu_metal.device import Device
from metalsci.cpu_metal.errors import DispatchError, PipelineError
from metalsci.cpu_metal.execute.buffer import Buffer, BufferSlice
from metalsci.cpu_metal.execute.commands import Dispatch, check_threadgroup
from metalsci.cpu_metal.mlx.arrays import StridedArray, is_mlx, mlx_array, strided, without_derivatives
from metalsci.cpu_metal.mlx.dtypes import ElementType, element_type
from metalsci.cpu_metal.mlx.emitted_source import GeneratedKernel, Input, KernelWriter, template_argument
from metalsci.cpu_metal.mlx.preamble import Preamble, installed_preamble
from metalsci.cpu_metal.profiler.counters import Profile
from metalsci.msl.diagnostics import CompileError, Finding
from metalsci.msl.language.math_mode import MathMode

Extent = tuple[int, int, int]

# `relaxed` keeps infinities and NaNs, as this device's fast arithmetic does.
_MATH_MODES = {"safe": MathMode.safe, "relaxed": MathMode.fast, "fast": MathMode.fast}


def metal_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    atomic_outputs: bool = False,
    compile_options: Mapping[str, str] | None = None,
    *,
    device: Device | None = None,
    check: bool = False,
    profile: bool = False,
) -> "MetalKernel":
    """Make a kernel of the body `source`, called as one of `mx.fast.metal_kernel`.

    device: runs the kernel; by default a device that all kernels of this process share and that ends with it.
    check: every call runs under the sanitizer and raises DispatchError for its findings, by lines of `source` and
        `header`.
    profile: every call also counts the work of a GPU, which `MetalKernel.profile` then holds, by lines of `source`.

    Raises ValueError as MLX does.
    """
    if not output_names:
        raise ValueError("[metal_kernel] Must specify at least one output.")
    return MetalKernel(
        KernelWriter(name, tuple(input_names), tuple(output_names), source, header, atomic_outputs),
        ensure_row_contiguous,
        _math_mode(compile_options),
        device,
        check,
        profile,
    )


class MetalKernel:
    """A kernel that compiles itself for the types of each call. Made by `metal_kernel`."""

    def __init__(
        self,
        writer: KernelWriter,
        ensure_row_contiguous: bool,
        math_mode: MathMode,
        device: Device | None,
        check: bool,
        count: bool,
    ) -> None:
        self._writer = writer
        self._ensure_row_contiguous = ensure_row_contiguous
        self._math_mode = math_mode
        self._given_device = device
        self._check = check
        self._count = count
        self.profile: Profile | None = None
        """Profile of the last call, if the kernel was made with `profile=True`."""
        self._compiled: dict[GeneratedKernel, Kernel] = {}

    def __call__(
        self,
        *,
        inputs: Sequence[Any],
        output_shapes: Sequence[Sequence[int]],
        output_dtypes: Sequence[Any],
        grid: Sequence[int],
        threadgroup: Sequence[int],
        template: Sequence[tuple[str, Any]] | None = None,
        init_value: float | None = None,
        verbose: bool = False,
        stream: object = None,
    ) -> list[Any]:
        """Run the kernel and return its outputs: `mx.array`s if an input or a dtype is MLX's, else NumPy's arrays.

        grid, threadgroup: threads per grid and per threadgroup; the latter is cut down to the former.
        template: dtypes, `bool`s and 32-bit `int`s by name.
        init_value: initial value of outputs; without it, NaN (all bits set), since MLX leaves old contents there.
        verbose: print the source.
        stream: not used.

        MLX's errors at evaluation are raised here at once, in its words: RuntimeError for source that does not compile,
        ValueError for a threadgroup that is too large. Raises DispatchError for the kernel's faults.
        """
        _check_sizes(self._writer, inputs, output_shapes, output_dtypes)
        arrays = [strided(value) for value in inputs]
        kinds = [element_type(dtype) for dtype in output_dtypes]
        generated = self._writer.write(
            [Input(array.type, array.values.ndim, array.values.size) for array in arrays],
            kinds,
            [template_argument(*argument) for argument in template or ()],
        )
        if verbose:
            sys.stdout.write(f"Generated source code for `{self._writer.name}`:\n```\n{generated.source}\n```\n")
        kernel = self._kernel(generated)
        made = [_output(tuple(shape), kind, init_value) for shape, kind in zip(output_shapes, kinds, strict=True)]
        dispatched = kernel, [*self._bound(arrays), *made], _extent(grid, "grid"), _extent(threadgroup, "threadgroup")
        try:
            if self._count:
                self.profile = self._counted(*dispatched, generated)
            self._run(*dispatched)
        except DispatchError as error:
            raise type(error)([self._retold(finding, generated) for finding in error.findings]) from None
        if any(is_mlx(value) for value in (*inputs, *output_dtypes)):
            outputs = [mlx_array(buffer.array, kind) for buffer, kind in zip(made, kinds, strict=True)]
            return without_derivatives([value for value in inputs if is_mlx(value)], outputs)
        return [buffer.array.view(np.dtype(dtype)) for buffer, dtype in zip(made, output_dtypes, strict=True)]

    @property
    def _device(self) -> Device:
        return self._given_device or _shared_device(os.getpid())

    def _kernel(self, generated: GeneratedKernel) -> Kernel:
        if generated not in self._compiled:
            preamble = installed_preamble()
            source = preamble.compiled + generated.source
            try:
                library = self._device.compile(source, self._math_mode)
            except CompileError as error:
                log = _log(error, preamble, source)
                raise RuntimeError(f"[metal::Device] Unable to build metal library from source\n{log}\n") from error
            self._compiled[generated] = library.kernels[generated.name]
        return self._compiled[generated]

    def _bound(self, arrays: Sequence[StridedArray]) -> list[Any]:
        """Return the kernel's input buffers, by buffer index."""
        bound: list[Any] = []
        for name, given in zip(self._writer.input_names, arrays, strict=True):
            if self._ensure_row_contiguous:
                array = given.row_contiguous()
            else:
                array = given
            bound.append(_buffer(array))
            if array.values.ndim:
                layout: dict[str, npt.NDArray[Any]] = {
                    "_shape": np.array(array.values.shape, np.int32),
                    "_strides": np.array(array.strides, np.int64),
                    "_ndim": np.array(array.values.ndim, np.int32),
                }
                bound += [layout[suffix].tobytes() for suffix in self._writer.layout(name)]
        return bound

    def _run(self, kernel: Kernel, bound: Sequence[Any], grid: Extent, threadgroup: Extent) -> None:
        try:
            check_threadgroup(kernel, threadgroup)
        except PipelineError as error:
            raise ValueError(str(error)) from error
        group = [min(pair) for pair in zip(threadgroup, grid, strict=True)]
        try:
            self._device.run([Dispatch(kernel, dict(enumerate(bound)), grid, group)], check=self._check)
        except PipelineError as error:  # too much threadgroup memory
            raise RuntimeError(f"[metal::Device] Unable to load kernel {kernel.name}\n{error}\n") from error

    def _counted(
        self, kernel: Kernel, bound: Sequence[Any], grid: Extent, threadgroup: Extent, generated: GeneratedKernel
    ) -> Profile:
        """Count before the kernel runs: counting puts back what it changes."""
        group = [min(pair) for pair in zip(threadgroup, grid, strict=True)]
        counted = self._device.profile([Dispatch(kernel, dict(enumerate(bound)), grid, group)])
        before = self._lines_before(generated)
        placed = [
            replace(each, lines=tuple(replace(line, line=max(0, line.line - before)) for line in each.lines))
            for each in counted.dispatches
        ]
        return replace(counted, dispatches=tuple(placed))

    def _lines_before(self, generated: GeneratedKernel) -> int:
        """Count the lines of the whole text before those of `source`."""
        before = installed_preamble().compiled.count("\n")
        return before + generated.source.count("\n", 0, generated.source.rindex(self._writer.body))

    def _retold(self, finding: Finding, generated: GeneratedKernel) -> Finding:
        """Place a finding at the lines of `source` and `header` instead of those of the whole text."""
        before = installed_preamble().compiled.count("\n")
        body = self._lines_before(generated)

        def place(number: str) -> tuple[str, int]:
            line = int(number)
            if line > body:
                return ("line", line - body)
            return ("header line", max(line - before, 0))

        if not finding.line:
            return finding
        sentence = re.sub(r"\bline (\d+)", lambda found: "{} {}".format(*place(found[1])), finding.text)
        return Finding(sentence, finding.kind, place(str(finding.line))[1], undefined=finding.undefined)


@cache
def _shared_device(process: int) -> Device:
    """Return one device for each process: a forked child has its own, and no lock that was held at the fork."""
    return Device()


def _math_mode(options: Mapping[str, str] | None) -> MathMode:
    if options is None:
        return MathMode.safe
    if not isinstance(options, dict):
        raise ValueError("[metal_kernel] Expected `compile_options` to be a dict.")
    for key in options:
        if key != "math_mode":
            raise ValueError(f"[metal_kernel] Unknown compile option `{key}`.")
    chosen = options.get("math_mode", "safe")
    if chosen not in _MATH_MODES:
        raise ValueError("[metal_kernel] Expected math_mode to be 'safe', 'relaxed', or 'fast'.")
    return _MATH_MODES[chosen]


def _check_sizes(
    writer: KernelWriter, inputs: Sequence[Any], output_shapes: Sequence[Any], output_dtypes: Sequence[Any]
) -> None:
    for name, given, names in (
        ("inputs", inputs, writer.input_names),
        ("output_shapes", output_shapes, writer.output_names),
        ("output_dtypes", output_dtypes, writer.output_names),
    ):
        if len(given) != len(names):
            raise ValueError(f"[metal_kernel] Expected `{name}` to have size {len(names)} but got size {len(given)}.\n")


def _extent(given: Sequence[int], name: str) -> Extent:
    if len(given) != 3:
        raise TypeError(f"`{name}` must be three numbers, got {given}")
    return cast(Extent, tuple(map(operator.index, given)))


def _buffer(array: StridedArray) -> Buffer | BufferSlice:
    if not array.values.flags.c_contiguous:
        flat, offset = array.span()
    else:
        flat, offset = (array.values, 0)
    buffer = Buffer(flat.shape, flat.dtype)
    buffer.array[...] = flat
    return buffer.at(offset)


def _output(shape: tuple[int, ...], kind: ElementType, initial: float | None) -> Buffer:
    buffer = Buffer(shape, kind.storage)
    if initial is not None:
        buffer.array[...] = kind.encoded(initial)
    elif kind.name == "bool":
        buffer.array[...] = True
    else:
        buffer.array.reshape(-1).view(np.uint8)[...] = 0xFF
    buffer.initialised = initial is not None
    return buffer


def _log(error: CompileError, preamble: Preamble, source: str) -> str:
    """Format the compiler's messages as Apple's writes them, each with its line and a caret."""
    lines = source.split("\n")
    parts: list[str] = []
    for d in error.diagnostics:
        file, number = preamble.place(d.line)
        parts.append(f"{file}:{number}:{d.column}: {d.severity}: {d.message}")
        if 0 < d.line <= len(lines):
            parts += [lines[d.line - 1], " " * (d.column - 1) + "^"]
    return "\n".join(parts)
