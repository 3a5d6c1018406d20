"""Programs staged on the software device, and candidates bound to them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import numpy as np

from metalsci import cpu_metal
from metalsci.cpu_metal.profiler.counters import Profile
from metalsci.cpu_metal.sanitizer.group_sample import Groups
from metalsci.devices.buffer_plan import lay_out
from metalsci.devices.cpu.own_kernels import OwnKernels
from metalsci.devices.errors import Crash, PipelineFailure, TimeLimit, Uncounted
from metalsci.devices.program import Array, Call, Extent, Program, Symbol, fit_threadgroup
from metalsci.devices.protocol import Elapsed, Module
from metalsci.msl.diagnostics import CompileError, Diagnostic

_GUARD = 0xA5  # what pads buffers


_OF_A_KIND = 2  # calls of a kernel on the same grid that are timed by themselves


@contextmanager
def _typed_failures() -> Iterator[None]:
    """Translate cpu_metal's errors into those of all devices."""
    try:
        yield
    except cpu_metal.PipelineError as error:
        raise PipelineFailure(str(error)) from error
    except cpu_metal.DeviceTimeout as error:
        raise TimeLimit(str(error)) from error
    except cpu_metal.DispatchError as error:
        raise Crash(str(error)) from error


class CpuModule:
    def __init__(self, device: cpu_metal.Device, library: cpu_metal.Library) -> None:
        self._device = device
        self.library = library

    @property
    def warnings(self) -> Sequence[Diagnostic]:
        return self.library.warnings

    @property
    def remarks(self) -> Sequence[str]:
        return [f"{kernel.name}: {_execution(kernel)}" for kernel in self.library.kernels.compiled]

    @cached_property
    def code(self) -> str:
        digest = hashlib.sha256()
        for kernel in sorted(self.library.kernels.compiled, key=lambda kernel: kernel.name):
            digest.update(
                f"{kernel.name} {kernel.max_total_threads_per_threadgroup} {kernel.threadgroup_memory} ".encode()
            )
            digest.update(hashlib.sha256(kernel.code).digest())
        return digest.hexdigest()[:32]

    def close(self) -> None:
        """End the device process, so that nothing a candidate left in its memory reaches the next one."""
        self._device.restart()


class CpuStage:
    """Inputs and outputs in shared memory; a run is one command buffer. See `devices.protocol.Holding`."""

    def __init__(self, device: cpu_metal.Device, own: OwnKernels, program: Program, time_limit: float) -> None:
        self._device = device
        self._own = own
        self._time_limit = time_limit
        self._layout = lay_out(program)
        self._buffers = [_holding(device, array) for _, array in program.inputs]
        self.inputs = tuple(_only_read(buffer) for buffer in self._buffers)
        pairs = zip(program.inputs, self.inputs, strict=True)
        self._program = replace(program, inputs=tuple((symbol, array) for (symbol, _), array in pairs))
        self._buffers += [device.empty([nbytes], np.uint8) for nbytes in self._layout.sizes[self._layout.inputs :]]

    def bind(self, module: Module) -> "CpuExecution":
        if not isinstance(module, CpuModule):
            raise TypeError(f"a stage runs modules of its own device, not {type(module).__name__}")
        return CpuExecution(self, self._encoded(module, range(len(self._program.calls))), module)

    def kernel_seconds(self, module: "CpuModule") -> Mapping[str, float]:
        """Run calls in order, each in a command buffer of its own. Return the seconds of each kernel in a whole run.

        A call takes as long as others of its kernel on its grid, of which the first ones run: a program of a hundred
        steps is known from two of them.
        """
        alike = Counter((call.kernel, call.threads) for call in self._program.calls)
        least: dict[tuple[str, Extent], float] = {}
        left = {kind: min(count, _OF_A_KIND) for kind, count in alike.items()}
        for index, call in enumerate(self._program.calls):
            if not any(left.values()):
                break
            kind = call.kernel, call.threads
            elapsed = self.submit(self._encoded(module, [index])).seconds
            least[kind] = min(elapsed, least.get(kind, elapsed))
            left[kind] = max(0, left[kind] - 1)
        seconds: dict[str, float] = {}
        for (kernel, grid), count in alike.items():
            seconds[kernel] = seconds.get(kernel, 0.0) + count * least[kernel, grid]
        return seconds

    def run_calls(self, module: "CpuModule", calls: Iterable[int]) -> None:
        """Run some of the program's calls, by their indices."""
        self.submit(self._encoded(module, calls))

    def submit(self, commands: cpu_metal.CommandBuffer) -> Elapsed:
        with _typed_failures():
            time = self._device.run(commands, timeout=self._time_limit)
        return Elapsed(time.seconds, time.wall)

    def profile(self, commands: cpu_metal.CommandBuffer) -> Profile:
        """Count the work of a GPU. Leaves anything in the outputs."""
        with _typed_failures():
            try:
                return self._device.profile(commands.dispatches, timeout=self._time_limit)
            except (cpu_metal.DeviceCrash, cpu_metal.DeviceTimeout):
                raise
            except (cpu_metal.DispatchError, CompileError) as error:
                raise Uncounted(str(error)) from error

    def check(
        self, module: "CpuModule", calls: Sequence[int], groups: Groups | None = None
    ) -> tuple[Sequence[cpu_metal.Finding], bool]:
        """Check some of the program's calls. Return the sanitizer's findings, and True if the check ended in time.

        Everything that the calls write counts as undefined before. Raises CompileError for a kernel that cannot be
        built so.
        """
        fills = [d for call in calls for d in self._fills(self._program.calls[call])]
        for call in calls:
            for output in self._program.calls[call].outputs:
                self._buffers[self._layout.buffer_of[output.id]].initialised = False
        checked = [self._dispatch(module, self._program.calls[call]) for call in calls]
        try:
            with _typed_failures():
                if fills and len(calls) == 1:
                    self.submit(self._device.encode(fills))  # the host's own kernels need no check
                else:
                    checked = list(self._dispatches(module, calls))
                commands = self._device.encode(checked)
            self._device.run(commands, timeout=self._time_limit, check=True, groups=groups)
        except cpu_metal.DeviceTimeout as late:
            return late.findings[:-1], False  # the last one says that it was late
        except cpu_metal.DispatchError as error:
            return error.findings, True
        return (), True

    def _encoded(self, module: "CpuModule", calls: Iterable[int]) -> cpu_metal.CommandBuffer:
        with _typed_failures():
            return self._device.encode(list(self._dispatches(module, calls)))

    def _dispatches(self, module: "CpuModule", calls: Iterable[int]) -> Iterator[cpu_metal.Dispatch]:
        for call in (self._program.calls[index] for index in calls):
            yield from self._fills(call)
            yield self._dispatch(module, call)

    @cached_property
    def empty_chain(self) -> cpu_metal.CommandBuffer:
        """A command buffer with the program's dispatches, of a kernel that does nothing."""
        kernel = self._own.empty
        grids = [(call.threads, call.threadgroup) for call in self._program.calls]
        return self._device.encode(
            [cpu_metal.Dispatch(kernel, {}, threads=threads, threadgroup=group) for threads, group in grids]
        )

    def _dispatch(self, module: CpuModule, call: Call) -> cpu_metal.Dispatch:
        kernel = module.library.kernels[call.kernel]
        buffers = [a for a in kernel.arguments if a.kind == "buffer"]
        readable = (a.index for a in buffers if not a.writable)
        writable = (a.index for a in buffers if a.writable)
        bound = {index: self._bound(value) for index, value in zip(readable, call.arguments, strict=True)}
        bound |= {index: self._bound(value) for index, value in zip(writable, call.outputs, strict=True)}
        group = fit_threadgroup(call.threadgroup, kernel.max_total_threads_per_threadgroup, call.shrink)
        return cpu_metal.Dispatch(kernel, bound, threads=call.threads, threadgroup=group)

    def _fills(self, call: Call) -> Iterator[cpu_metal.Dispatch]:
        """Yield a dispatch for every output that starts from a value, as MLX does it."""
        if call.init is None:
            return
        for output in call.outputs:
            pattern = output.dtype.type(call.init).view(f"u{output.dtype.itemsize}")
            kernel = self._own.fill(output.dtype.itemsize)
            count = output.nbytes // output.dtype.itemsize
            yield cpu_metal.Dispatch(
                kernel, {0: self._bound(output), 1: pattern}, threads=(count, 1, 1), threadgroup=(256, 1, 1)
            )

    def _bound(self, value: Symbol | np.generic) -> "cpu_metal.Buffer | np.generic":
        if isinstance(value, Symbol):
            return self._buffers[self._layout.buffer_of[value.id]]
        return value

    def poison(self, pattern: int = 0xFF) -> None:
        for buffer in self._buffers[self._layout.inputs :]:
            buffer.array.view(np.uint8).fill(pattern)
        for buffer in self._buffers:
            for padding in buffer.padding:
                padding.fill(_GUARD)
        self._device.forget()

    def damage(self) -> str:
        """Return nothing: the device process maps inputs for reading only, and a write to one ends it."""
        if any((padding != _GUARD).any() for buffer in self._buffers for padding in buffer.padding):
            return "bytes next to a buffer, which belong to none, were written"
        return ""

    def outputs(self) -> tuple[Array, ...]:
        return tuple(
            self._buffers[self._layout.buffer_of[s.id]].array.view(s.dtype).reshape(s.shape)
            for s in self._program.results
        )

    def close(self) -> None:
        self._buffers.clear()  # shared memory is freed with the last reference, the device process's among them
        self._device.release()


def _holding(device: cpu_metal.Device, array: Array) -> cpu_metal.Buffer:
    """Return a buffer with the array's values: the one that the array lies in, if there is one, or a copy.

    No kernel can write to it: it is mapped for reading only, and so may be shared by stages and by devices.
    """
    return cpu_metal.Buffer.of(array) or device.buffer(array)


def _only_read(buffer: cpu_metal.Buffer) -> Array:
    view = buffer.array.view()
    view.flags.writeable = False
    return view


class CpuExecution:
    def __init__(self, stage: CpuStage, commands: cpu_metal.CommandBuffer, module: CpuModule) -> None:
        self._stage = stage
        self._commands = commands
        self._module = module

    def run(self) -> Elapsed:
        return self._stage.submit(self._commands)

    def profile(self) -> Profile:
        return self._stage.profile(self._commands)

    def kernel_seconds(self) -> Mapping[str, float]:
        return self._stage.kernel_seconds(self._module)

    def launch_cost(self) -> Elapsed:
        return self._stage.submit(self._stage.empty_chain)


def _execution(kernel: cpu_metal.Kernel) -> str:
    """Describe in words how the software device runs a kernel."""
    how = kernel.how
    if kernel.why:
        how += f" (not in the lanes of vectors: {kernel.why})"
    if kernel.remark:
        how += f"; {kernel.remark}"
    memory = kernel.threadgroup_memory
    return how + (f"; {memory:,} bytes of threadgroup memory" if memory else "")
