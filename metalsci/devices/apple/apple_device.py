"""The Apple GPU behind the device protocol: every kernel through `mx.fast.metal_kernel`, in a process of its own.

A program becomes one lazily built MLX graph of dependent calls, and `mx.eval` of it is what the clock sees. MLX
compiles a kernel when it first runs, so refusals by Apple's compiler arrive at `run`, not at `compile`; they come back
as CompileFailures all the same, with the lines of the candidate's file.
"""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from metalsci.devices.apple.apple_protocol import DIAGNOSTIC, CallChain, Step
from metalsci.devices.apple.chips import ceilings_of
from metalsci.devices.apple.gpu_machine import describe_gpu
from metalsci.devices.buffer_plan import lay_out
from metalsci.devices.ceilings import Ceilings, GivenCeilings
from metalsci.devices.errors import Crash, DeviceError, KernelFailure, PipelineFailure, TimeLimit
from metalsci.devices.program import Array, Program, fit_threadgroup
from metalsci.devices.protocol import Elapsed, Machine, Module
from metalsci.devices.validation import accept
from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.mlx.lower import LoweredKernel, lower

_WORKER = (sys.executable, "-m", "metalsci.devices.apple.apple_worker")
_NOT_BUILT = "[metal::Device] Unable to build metal library from source"
_START_LIMIT = 60.0  # seconds; the first import of MLX on a cold disk is slow
_KEEP = ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "METALSCI_CACHE")  # and no key


class _Process:
    """The worker process and the exchange with it. The next request restarts it after it was lost."""

    def __init__(self, command: Sequence[str], math_mode: MathMode) -> None:
        self._command = command
        self._math_mode = math_mode
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self.generation = 1  # of processes: what an earlier one was told, this one has not heard

    def ask(self, name: str, *arguments: Any, limit: float = _START_LIMIT) -> Any:
        """Return the worker's answer. Raises TimeLimit, Crash, or _Refused with MLX's message."""
        connection = self._connection or self._start()
        try:
            connection.send((name, arguments))
            if not connection.poll(limit):
                self.kill()
                raise TimeLimit(f"did not finish within {limit:g} s")
            outcome, answer = connection.recv()
        except (EOFError, OSError):
            raise Crash(f"the GPU process ended while it ran the kernel ({self.kill()})") from None
        except KeyboardInterrupt:  # in the middle of an answer that will not be read
            self.kill()
            raise
        if outcome == "failed":
            raise _Refused(answer)
        return answer

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno()), self._math_mode.value],
                pass_fds=[theirs.fileno()],
                env={k: v for k, v in os.environ.items() if k in _KEEP},
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )
        self._connection = Connection(ours.detach())
        return self._connection

    @property
    def pid(self) -> int | None:
        if self._process:
            return self._process.pid
        return None

    def kill(self) -> str:
        """End the process and all it started. Return how it ended, in words."""
        if self._process is None:
            return "it was not running"
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        self._process = None
        self.generation += 1
        if status < 0:
            return f"signal {signal.Signals(-status).name}"
        return f"exit status {status}"


class _Refused(Exception):  # noqa: N818  (a message from the other process, turned into a KernelFailure here)
    """An exception that MLX raised."""


class AppleDevice:
    """An Apple GPU through MLX's mx.fast.metal_kernel.

    - math_mode: fast (as in the published sweeps) or safe.
    - time_limit: seconds for one run of a task's program; a candidate that takes longer is killed.
    - chip: a name such as "M4 Max", for its ceilings; null for the one that MLX reports.
    - gpu_cores: of the chip; null for the number that macOS reports.
    - ceilings: of the roofline, instead of those of the chip's data sheet.
    - command: the worker to start, for tests without Metal.
    """

    def __init__(
        self,
        *,
        math_mode: MathMode = MathMode.fast,
        time_limit: float = 10.0,
        chip: str | None = None,
        gpu_cores: int | None = None,
        ceilings: GivenCeilings = GivenCeilings(),
        command: Sequence[str] = _WORKER,
    ) -> None:
        self._process = _Process(command, math_mode)
        self._time_limit = time_limit
        self._chip = chip
        self._gpu_cores = gpu_cores
        self._given = ceilings
        self._keys = itertools.count()

    @property
    def pid(self) -> int | None:
        """The worker's process id, None while none runs."""
        return self._process.pid

    @cached_property
    def chip(self) -> str:
        if self._chip:
            return self._chip
        info = self._process.ask("info")
        if not info:
            raise DeviceError("MLX reports no Metal device on this machine: use device=cpu, or device=auto")
        return str(info["device_name"])

    @cached_property
    def name(self) -> str:
        return f"{self.chip} through MLX"

    @property
    def gpu_cores(self) -> int | None:
        """As configured, or as macOS reports them; None for a chip that is configured alone."""
        return self._gpu_cores or (None if self._chip else _gpu_cores())

    @cached_property
    def ceilings(self) -> Ceilings:
        return self._given.over(self._data_sheet)

    def _data_sheet(self) -> Ceilings:
        return ceilings_of(self.chip, self.gpu_cores)

    @property
    def machine(self) -> Machine:
        return describe_gpu(self.name, self.ceilings)

    def compile(self, source: str | Unit, signatures: Sequence[KernelSignature]) -> "AppleModule":
        unit, warnings = accept(source, signatures)
        kernels = lower(unit, {s.name for s in signatures})
        return AppleModule(self._process, next(self._keys), kernels, warnings)

    def stage(self, program: Program) -> "AppleStage":
        return AppleStage(self._process, next(self._keys), program, self._time_limit)

    def close(self) -> None:
        self._process.kill()


class AppleModule:
    """Lowered kernels; loaded into the worker when they are bound, and again after it was restarted."""

    def __init__(
        self, process: _Process, key: int, kernels: Mapping[str, LoweredKernel], warnings: Sequence[Diagnostic]
    ) -> None:
        self._process = process
        self._generation = 0
        self.key = key
        self.kernels = kernels
        self.warnings = warnings
        self.remarks: Sequence[str] = ()  # Metal says nothing of how a kernel executes

    def ensure_loaded(self) -> None:
        if self._generation != self._process.generation:
            self._process.ask("load", self.key, dict(self.kernels))
            self._generation = self._process.generation

    def close(self) -> None:
        if self._generation == self._process.generation:
            self._process.ask("drop_module", self.key)


class AppleStage:
    """Inputs as MLX arrays in the worker. Outputs are fresh with every run, as MLX makes them."""

    def __init__(self, process: _Process, key: int, program: Program, time_limit: float) -> None:
        self._process = process
        self._generation = 0
        self._sizes = lay_out(program).sizes
        self.key = key
        self.program = program
        self.time_limit = time_limit

    def ensure_loaded(self) -> None:
        if self._generation != self._process.generation:
            self._process.ask("stage", self.key, {symbol.id: array for symbol, array in self.program.inputs})
            self._generation = self._process.generation

    def bind(self, module: Module) -> "AppleExecution":
        if not isinstance(module, AppleModule):
            raise TypeError(f"a stage runs modules of its own device, not {type(module).__name__}")
        limits = {name: kernel.max_total_threads_per_threadgroup for name, kernel in module.kernels.items()}
        steps = [Step(c, fit_threadgroup(c.threadgroup, limits[c.kernel], c.shrink)) for c in self.program.calls]
        return AppleExecution(self._process, self, module, steps)

    def poison(self, pattern: int = 0xFF) -> None:
        self._process.ask("poison", self._sizes, pattern)

    def damage(self) -> str:
        """Return nothing: MLX has no bytes next to a buffer, and inputs are compared with the host's copies."""
        self.ensure_loaded()
        stored = self._process.ask("inputs", self.key)
        for symbol, array in self.program.inputs:
            if not np.array_equal(stored[symbol.id].view(np.uint8), np.ascontiguousarray(array).view(np.uint8)):
                self._generation = 0  # staged again before the next run
                return "an input was changed"
        return ""

    def outputs(self) -> tuple[Array, ...]:
        return tuple(self._process.ask("fetch"))

    def close(self) -> None:
        if self._generation == self._process.generation:
            self._process.ask("drop_stage", self.key)


class AppleExecution:
    def __init__(self, process: _Process, stage: AppleStage, module: AppleModule, steps: Sequence[Step]) -> None:
        self._process = process
        self._stage = stage
        self._module = module
        self._chain = CallChain(module.key, stage.key, steps, stage.program.results)

    def run(self) -> Elapsed:
        """Run the program.

        Only `mx.eval`, submission and synchronisation are inside the clock; the graph is built before.
        """
        return self._timed("build")

    def launch_cost(self) -> Elapsed:
        """Time as many dependent calls of an empty kernel over the same grids."""
        return self._timed("build_empty")

    def _timed(self, build: str) -> Elapsed:
        self._stage.ensure_loaded()
        self._module.ensure_loaded()
        try:
            self._process.ask(build, self._chain, limit=self._stage.time_limit)
            begin = time.perf_counter()
            self._process.ask("evaluate", limit=self._stage.time_limit)
            wall = time.perf_counter() - begin
            return Elapsed(wall, wall)
        except _Refused as refused:
            raise self._failure(str(refused)) from refused

    def _failure(self, message: str) -> CompileError | KernelFailure:
        """Return MLX's message as the failure it stands for."""
        if _NOT_BUILT in message:
            return CompileError(self._diagnostics(message))
        if "threadgroup" in message.lower() or "thread group" in message.lower():
            return PipelineFailure(message)
        return Crash(message)

    def _diagnostics(self, log: str) -> list[Diagnostic]:
        """Parse the compiler's diagnostics and place them at the lines of the candidate's file.

        MLX does not say for which kernel it called the compiler, so each is tried; a diagnostic that none of them
        explains is about the file as a whole.
        """
        preamble = self._process.ask("preamble_lines")
        sources = self._process.ask("generated", self._chain)
        texts = {step.call.kernel: text for step, text in zip(self._chain.steps, sources, strict=True)}

        def position(line: int, column: int) -> tuple[int, int]:
            found = (self._module.kernels[k].locate(text, line - preamble, column) for k, text in texts.items())
            return next(filter(None, found), (0, 0))

        return [
            Diagnostic(Severity(d["severity"]), *position(int(d["line"]), int(d["column"])), d["message"])
            for d in DIAGNOSTIC.finditer(log)
        ] or [Diagnostic(Severity.ERROR, 0, 0, log.replace(_NOT_BUILT, "").strip())]


def _gpu_cores() -> int | None:
    """Read the number of GPU cores from macOS; None elsewhere, or if it reports none."""
    if sys.platform != "darwin":
        return None
    registry = subprocess.run(["ioreg", "-rc", "IOAccelerator", "-k", "gpu-core-count"], capture_output=True, text=True)
    found = re.search(r'"gpu-core-count" = (\d+)', registry.stdout)
    if found:
        return int(found[1])
    return None
