"""The device: compiles Metal source, holds buffers, and runs command buffers in a process of its own."""

import os
import threading
import time
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.compile.architecture import Architecture
from metalsci.cpu_metal.compile.compiler import CheckedKernel, Compiler, CountedKernel
from metalsci.cpu_metal.compile.kernel_cache import Cache, default_folder
from metalsci.cpu_metal.compile.library import MAX_THREADS_PER_THREADGROUP, FileKernels, Kernel, Library
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.errors import DeviceCrash, DeviceTimeout, DispatchError
from metalsci.cpu_metal.execute.buffer import Buffer, SharedRegion
from metalsci.cpu_metal.execute.clock import RunTime, WorkerClock, worker_clock
from metalsci.cpu_metal.execute.commands import CommandBuffer, Dispatch
from metalsci.cpu_metal.execute.crash_report import crash, timed_out
from metalsci.cpu_metal.execute.host import processors, shared_memory, shared_with
from metalsci.cpu_metal.execute.placement import Placement, placement_of
from metalsci.cpu_metal.execute.process import DeviceProcess, ProcessDied, ProcessTimeout
from metalsci.cpu_metal.execute.worker import Operation
from metalsci.cpu_metal.profiler.counters import Profile
from metalsci.cpu_metal.profiler.profiled import ProfiledDispatch
from metalsci.cpu_metal.profiler.profiler import Profiler
from metalsci.cpu_metal.sanitizer.checked_commands import CheckedCommands
from metalsci.cpu_metal.sanitizer.group_sample import Groups
from metalsci.cpu_metal.sanitizer.undefined_reads import WritableMemory, settled
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import KernelSignature

_TIMEOUT = 30.0  # seconds for what takes no time
# Of a process, its kernels' entries and its mappings: see CommandBuffer.resolve.
_Resolve = Callable[[object, Callable[[Kernel], int], Callable[[SharedRegion, bool], int]], int]


class Device:
    """A Metal device in software. A context manager; `close` ends its process.

    The process starts with the first run and again after a crash or a timeout; buffers and libraries outlive it.

    threads: workers, one a processor by default.
    max_threads_per_threadgroup: limit of every kernel. A GPU has fewer than 1,024 threads for a kernel that needs many
        registers (an M1 down to 384), which this device does not know: set it to try such a host.
    architecture: the target of kernels, as Clang's -march names it; METALSCI_ARCHITECTURE or this processor by default.

    Raises ArchitectureError for an architecture that is unknown, or that this processor cannot run.
    """

    def __init__(
        self,
        threads: int | None = None,
        *,
        architecture: str | None = None,
        max_threads_per_threadgroup: int = MAX_THREADS_PER_THREADGROUP,
        cache: Cache | None = None,
        toolchain: Toolchain | None = None,
    ) -> None:
        if not 1 <= max_threads_per_threadgroup <= MAX_THREADS_PER_THREADGROUP:
            raise ValueError(
                f"max_threads_per_threadgroup={max_threads_per_threadgroup}: 1 to {MAX_THREADS_PER_THREADGROUP}"
            )
        self._most_threads = max_threads_per_threadgroup
        self.threads = threads or processors()
        toolchain = toolchain or Architecture.chosen(architecture).toolchain()
        self._compiler = Compiler(cache or Cache(default_folder()), toolchain)
        self._session: _Session | None = None
        self._checked: weakref.WeakKeyDictionary[Kernel, CheckedKernel] = weakref.WeakKeyDictionary()
        self._counted: weakref.WeakKeyDictionary[Kernel, CountedKernel] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    def compile(
        self,
        source: str | Unit,
        math_mode: MathMode | str = MathMode.fast,
        *,
        interface: Sequence[KernelSignature] = (),
    ) -> Library:
        """Compile a `.metal` file: every kernel of a few, and of many those of the interface.

        Others are compiled when they are first asked for, which raises CompileError too.

        source: its text, or the unit that `parse` made of it. interface: kernels that it must have, with these
            arguments.
        Raises CompileError.
        """
        compiled, later, warnings = self._compiler.compile(source, MathMode(math_mode), interface)
        return Library(FileKernels(compiled, later, self._most_threads), warnings)

    def prepare_checks(self, source: str | Unit, math_mode: MathMode | str, names: Sequence[str]) -> None:
        """Instrument kernels for checked runs, into the cache, from any thread. Raises CompileError."""
        self._compiler.prepare_check(source, MathMode(math_mode), names)

    def instrument(self, kernels: Collection[Kernel]) -> None:
        """Instrument kernels for checked runs, those of one source together. Raises CompileError."""
        self._checked_kernels(kernels)

    def start(self) -> None:
        """Start the process ahead of its first run, without waiting for it."""
        with self._lock:
            self._started()

    def buffer(self, array: npt.ArrayLike) -> Buffer:
        """Make a buffer that starts as a copy of `array`, row-major."""
        values: npt.NDArray[Any] = np.asarray(array)
        buffer = Buffer(values.shape, values.dtype)
        buffer.array[...] = values
        return buffer

    def empty(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Buffer:
        """Make a buffer of zeros, which count as undefined for `run(…, check=True)`."""
        return Buffer(tuple(shape), dtype)

    def encode(self, dispatches: Sequence[Dispatch]) -> CommandBuffer:
        """Make a command buffer, to be run often. Raises PipelineError and ValueError."""
        return CommandBuffer(dispatches, self.threads)

    def run(
        self,
        commands: CommandBuffer | Sequence[Dispatch],
        timeout: float | None = 60.0,
        *,
        check: bool = False,
        groups: Groups | None = None,
    ) -> RunTime:
        """Run dispatches in order and return how long that took.

        check: under the sanitizer, on one worker and many times slower. Raises DispatchError with all its findings,
            after the last dispatch.
        groups: of each dispatch, for a checked run; all by default.

        Raises DeviceTimeout after `timeout` seconds and DeviceCrash, both DispatchErrors.
        """
        if not isinstance(commands, CommandBuffer):
            commands = self.encode(commands)
        if not commands:
            return RunTime(0.0, 0.0)
        try:
            if check:
                return self._check(commands, timeout, groups)
            return self._submit(Operation.RUN, commands, commands.resolve, timeout)
        finally:
            for binding in commands.bindings:
                if binding.buffer is not None and binding.argument.writable:
                    binding.buffer.initialised = True

    def profile(self, dispatches: Sequence[Dispatch], timeout: float | None = 60.0) -> Profile:
        """Count a GPU's work in dispatches: see profiler/. Buffers that they write hold anything afterwards.

        timeout: of each run of the device process. Raises DispatchError, DeviceTimeout and DeviceCrash among them.
        """
        self.encode(dispatches)  # for its exceptions
        profiler = Profiler(
            count=self._counted_kernel,
            # by one worker: what atomic operations of several put where is another thing in each run
            run=lambda part: self.run(CommandBuffer(part, 1, in_order=True), timeout),
            submit=lambda run: self._profile(run, timeout),
        )
        return profiler.profile(dispatches)

    def _profile(self, run: ProfiledDispatch, timeout: float | None) -> None:
        self._submit(Operation.PROFILE, run.commands, run.resolve, timeout)

    def _check(self, commands: CommandBuffer, timeout: float | None, groups: Groups | None) -> RunTime:
        kernels = dict.fromkeys(dispatch.kernel for dispatch in commands.dispatches)
        checked = CheckedCommands(commands, self._checked_kernels(kernels), groups)
        memory = WritableMemory(commands)
        before = memory.contents()

        def run() -> RunTime:
            return self._submit(Operation.CHECK, checked.commands, checked.resolve, timeout)

        try:
            elapsed = run()
        except (DeviceCrash, DeviceTimeout) as ended:
            raise type(ended)([*checked.findings(checked.records()), *ended.findings]) from None
        found = checked.findings(settled(checked, memory, before, run))
        if found:
            raise DispatchError(found)
        return elapsed

    def _submit(
        self, operation: Operation, commands: CommandBuffer, resolve: _Resolve, timeout: float | None
    ) -> RunTime:
        """Time the operation on the address that `resolve` returns. Raises DeviceTimeout and DeviceCrash."""
        with self._lock:
            session = self._started()
            try:
                address = resolve(session, session.entry, session.address)
                return session.timed(operation, address, len(commands), timeout)
            except ProcessTimeout:
                self._session = None
                raise timed_out(commands, session.process.status, timeout) from None
            except ProcessDied:
                self._session = None
                raise crash(commands, session.process.status, session.addresses) from None
            except BaseException:
                self.restart()
                raise

    def _checked_kernels(self, kernels: Collection[Kernel]) -> Mapping[Kernel, CheckedKernel]:
        """Instrument kernels, those of one source together."""
        new = defaultdict(list)
        for kernel in kernels:
            if kernel not in self._checked:
                new[id(kernel.origin)].append(kernel)
        for group in new.values():
            places = {signature.name: place for place, signature in enumerate(group[0].origin.unit.kernels)}
            group.sort(key=lambda kernel: places[kernel.name])
            checked = self._compiler.check(group[0].origin, [kernel.name for kernel in group])
            self._checked.update(zip(group, checked, strict=True))
        return {kernel: self._checked[kernel] for kernel in kernels}

    def _counted_kernel(self, kernel: Kernel) -> CountedKernel:
        if kernel not in self._counted:
            self._counted[kernel] = self._compiler.count(kernel.origin, kernel.name)
        return self._counted[kernel]

    def forget(self) -> None:
        """Overwrite what kernels have left on their stacks and in threadgroup memory, which start undefined.

        A kernel that finds its old results there need not compute them. Buffers stay as they are.
        """
        with self._lock:
            if self._session is not None and self._session.process.alive:
                try:
                    self._session.process.ask(Operation.FORGET)
                except ProcessDied:
                    self._session = None

    def release(self) -> None:
        """Let go of the memory of buffers that are gone, which the process would else keep until its next run."""
        with self._lock:
            if self._session is None:
                return
            try:
                self._session.unmap()
            except ProcessDied:
                self._session = None

    def restart(self) -> None:
        """End the process, and with it all memory that a kernel might have left a trace in."""
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                session.process.kill()

    close = restart

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> "_Session":
        if self._session is None or not self._session.process.alive:
            self._session = _Session(DeviceProcess(self._compiler.runtime(), self.threads))
        return self._session


class _Session:
    """One device process, with the memory it has mapped and the kernels it has loaded."""

    def __init__(self, process: DeviceProcess) -> None:
        self.process = process
        self._entries: weakref.WeakKeyDictionary[Kernel, int] = weakref.WeakKeyDictionary()
        self._mapped: weakref.WeakKeyDictionary[SharedRegion, dict[bool, int]] = weakref.WeakKeyDictionary()
        self._released: deque[tuple[int, int]] = deque()
        self._clock: WorkerClock | None = None
        self._placement: Placement | None = None
        self._has_run = False
        weakref.finalize(self, process.kill)

    def timed(self, operation: Operation, address: int, count: int, timeout: float | None) -> RunTime:
        """Ask the process, which has answered before: all its workers have started."""
        if not self._has_run:
            self._has_run = True
            self._placement = placement_of(self.process.pid, self.process.workers)
            self._clock = worker_clock(self.process.pid)
            if self._clock is not None:
                weakref.finalize(self, self._clock.close)
        if self._placement is not None:
            self.process.set_patience(self._placement.choose())
        before = self._clock.read() if self._clock else ()
        started = time.perf_counter()
        self.process.ask(operation, address, count, timeout=timeout)
        wall = time.perf_counter() - started
        try:
            return RunTime(self._clock.since(before) if self._clock else wall, wall)
        except ProcessLookupError:  # it answered and died
            raise ProcessDied from None

    def entry(self, kernel: Kernel) -> int:
        """Return the address of the kernel, loaded at first use."""
        if kernel not in self._entries:
            descriptor = shared_memory("metal-code", len(kernel.code))
            try:
                os.write(descriptor, kernel.code)
                self._entries[kernel] = self.process.ask(Operation.LOAD, descriptors=[descriptor], timeout=_TIMEOUT)
            finally:
                os.close(descriptor)
        return self._entries[kernel]

    def address(self, region: SharedRegion, writable: bool) -> int:
        """Return the process's address of the region, mapped at first use.

        Regions no longer used are unmapped before.
        """
        self.unmap()
        addresses = self._mapped.setdefault(region, {})
        if writable not in addresses:
            with shared_with(region.descriptor, writable=writable) as descriptor:
                address = self.process.ask(
                    Operation.MAP, region.size, writable, descriptors=[descriptor], timeout=_TIMEOUT
                )
            addresses[writable] = address
            weakref.finalize(region, self._released.append, (address, region.size))
        return addresses[writable]

    def unmap(self) -> None:
        """Unmap regions that are no longer used."""
        while self._released:
            self.process.ask(Operation.UNMAP, *self._released.popleft(), timeout=_TIMEOUT)

    def addresses(self, region: SharedRegion) -> Sequence[int]:
        return tuple(self._mapped.get(region, {}).values())
