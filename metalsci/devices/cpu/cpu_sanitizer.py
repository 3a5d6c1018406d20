"""A second opinion on a candidate, whatever device judges it: a search for use of undefined behaviour."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import LifoQueue
from threading import Lock
from typing import Protocol, runtime_checkable

import numpy as np

from metalsci import cpu_metal
from metalsci.cpu_metal.execute.host import processors
from metalsci.cpu_metal.sanitizer.group_sample import random_groups
from metalsci.devices.cpu.cpu_stage import CpuModule, CpuStage
from metalsci.devices.cpu.own_kernels import OwnKernels
from metalsci.devices.errors import KernelFailure
from metalsci.devices.program import Program
from metalsci.msl.diagnostics import Finding
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit

_ALL_GROUPS = 1 << 31
_SAMPLE = 2, 16  # groups of a dispatch, if not all are checked: some, and at most as many in a second look
_LITTLE = 0.06  # seconds that the second look should take
_AT_ONCE = 4  # looks: one at small problems, and one at each size of most tasks


@dataclass(frozen=True)
class Findings:
    """Findings of one check. `undefined` ones make a correct result luck; `others` are worth knowing.

    unfinished: time ran out, so finding nothing proves nothing. failed: the reason why nothing was checked; empty if
        something was.
    """

    undefined: tuple[Finding, ...] = ()
    others: tuple[Finding, ...] = ()
    unfinished: bool = False
    failed: str = ""

    @property
    def all(self) -> tuple[Finding, ...]:
        return self.undefined + self.others

    @property
    def clean(self) -> bool:
        """True if there is nothing to report, so that a further check makes sense."""
        return not (self.all or self.unfinished or self.failed)


class Sanitizer(Protocol):
    def check(self, source: str | Unit, program: Program) -> Findings:
        """Run the whole program with every access checked, groups in random order. `source` is one that compiles."""

    def sample(self, source: str | Unit, program: Program) -> Findings:
        """Check a few groups of one call of each kernel, drawn at random. Takes seconds, however large the problem is.

        The unchecked program first brings the data into the state that these groups find.
        """

    def close(self) -> None: ...


@runtime_checkable
class Instrumenting(Protocol):
    """A sanitizer that can do a part of its work ahead, from any thread."""

    def prepare(self, source: str | Unit, names: Sequence[str]) -> None:
        """Get ready for looks at kernels of a source that is being compiled. Raises nothing for a candidate's fault."""


class _Looker:
    """A device process for looks at one source after another, one look at a time."""

    def __init__(self, architecture: str | None) -> None:
        self.device = cpu_metal.Device(threads=1, architecture=architecture)
        self.own = OwnKernels(self.device)
        self._last: CpuModule | None = None

    def module(self, library: cpu_metal.Library, instrumented: Sequence[str]) -> CpuModule:
        """Return a library as a module of this process. instrumented: those of its kernels that were so together."""
        if self._last is None or self._last.library is not library:
            if self._last is not None:
                self.close()
            # a look at one of them would build it alone
            self.device.instrument([library.kernels[name] for name in instrumented if name in library.kernels])
            self._last = CpuModule(self.device, library)
        return self._last

    def renew(self) -> None:
        """Get ready for another source, by a new process, which has started when it is needed."""
        self.close()
        self.device.start()

    def close(self) -> None:
        """End the process. Nothing of the source is left for the next one."""
        self._last = None
        self.device.close()


class CpuSanitizer:
    """cpu_metal's sanitizer, on device processes of its own. It stops after `seconds`.

    As many looks as there are processors, up to some, may be taken at once, by threads of the caller. The processes
    stay for all looks at one source.
    """

    def __init__(
        self,
        *,
        architecture: str | None = None,
        math_mode: MathMode = MathMode.fast,
        seconds: float = 5.0,
        fresh: Callable[[], np.random.Generator] = np.random.default_rng,
    ) -> None:
        self._math_mode = math_mode
        self._seconds = seconds
        self._fresh = fresh
        self._lookers = [_Looker(architecture) for _ in range(min(processors(), _AT_ONCE))]
        self._instrumented: tuple[str | Unit, Sequence[str]] | None = None
        self._compiled: tuple[str | Unit, cpu_metal.Library] | None = None
        self._compiling = Lock()
        self._idle: LifoQueue[_Looker] = LifoQueue()
        for looker in self._lookers:
            self._idle.put(looker)

    def prepare(self, source: str | Unit, names: Sequence[str]) -> None:
        """Instrument kernels into the kernel cache, and start the processes for looks at them. No look may go on."""
        with suppress(cpu_metal.CompileError):  # the look will report it
            self._lookers[0].device.prepare_checks(source, self._math_mode, names)
            self._instrumented = source, names
            for looker in self._lookers:
                looker.renew()

    def check(self, source: str | Unit, program: Program) -> Findings:
        def whole(module: CpuModule, stage: CpuStage) -> Findings:
            groups = random_groups(self._fresh(), _ALL_GROUPS)
            return _findings(*stage.check(module, range(len(program.calls)), groups))

        return self._look(source, program, whole)

    def sample(self, source: str | Unit, program: Program) -> Findings:
        def parts(module: CpuModule, stage: CpuStage) -> Findings:
            rng = self._fresh()
            done, found = 0, Findings()
            for call in one_of_each_kernel(program, rng):
                stage.run_calls(module, range(done, call))
                found = _some_groups(module, stage, program, call, rng)
                if not found.clean:
                    break
                done = call  # it runs again, for the groups that were not looked at
            return found

        return self._look(source, program, parts)

    def _look(self, source: str | Unit, program: Program, look: Callable[[CpuModule, CpuStage], Findings]) -> Findings:
        try:
            with self._staged(source, program) as (module, stage):
                return look(module, stage)
        except cpu_metal.CompileError as error:  # of the checked build, or for a device that takes more than this one
            return Findings(failed=f"it does not compile with every access checked: {error.diagnostics[0].message}")
        except (KernelFailure, cpu_metal.PipelineError) as failure:
            return Findings(failed=str(failure))

    @contextmanager
    def _staged(self, source: str | Unit, program: Program) -> Iterator[tuple[CpuModule, CpuStage]]:
        looker = self._idle.get()
        try:
            module = looker.module(*self._library(source))
            stage = CpuStage(looker.device, looker.own, program, self._seconds)
            try:
                yield module, stage
            finally:
                stage.close()
        finally:
            self._idle.put(looker)

    def _library(self, source: str | Unit) -> tuple[cpu_metal.Library, Sequence[str]]:
        """Return the library of a source, which all looks share, with the names of its kernels that are instrumented.

        Raises CompileError.
        """
        with self._compiling:
            if self._compiled is None or self._compiled[0] is not source:
                self._compiled = source, self._lookers[0].device.compile(source, self._math_mode)
            if self._instrumented is not None and self._instrumented[0] is source:
                return self._compiled[1], self._instrumented[1]
            return self._compiled[1], ()

    def close(self) -> None:
        """End the processes. Nothing of the source is left for the next one."""
        self._compiled = self._instrumented = None
        for looker in self._lookers:
            looker.close()


def _some_groups(module: CpuModule, stage: CpuStage, program: Program, call: int, rng: np.random.Generator) -> Findings:
    """Check some groups of a call, and more if there are any and if those took little time.

    A thread may do thousands of accesses, which take a fifth of a microsecond each.
    """
    few, most = _SAMPLE
    grid = program.calls[call]
    most = min(most, math.prod(-(-n // g) for n, g in zip(grid.threads, grid.threadgroup, strict=True)))

    def check(groups: int) -> Findings:
        return _findings(*stage.check(module, range(call, call + 1), random_groups(rng, groups)))

    begin = time.perf_counter()
    found = check(few)
    more = min(most, int(few * _LITTLE / (time.perf_counter() - begin)))
    if found.clean and more > few:
        return check(more)
    return found


def one_of_each_kernel(program: Program, rng: np.random.Generator) -> list[int]:
    """Draw a call of each kernel, by index and in the order of the program: a kernel may depend on its step.

    Each is as likely as any other of its kernel. All are of one step or nearly, since the calls before it must run.
    """
    calls: defaultdict[str, list[int]] = defaultdict(list)
    for index, call in enumerate(program.calls):
        calls[call.kernel].append(index)
    step = rng.random()
    return sorted(indices[int(step * len(indices))] for indices in calls.values())


def _findings(found: Sequence[Finding], finished: bool) -> Findings:
    undefined = tuple(finding for finding in found if finding.undefined)
    others = tuple(finding for finding in found if not finding.undefined)
    return Findings(undefined, others, unfinished=not finished)
