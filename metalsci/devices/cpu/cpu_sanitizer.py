"""A second opinion on a candidate, whatever device judges it: a search for use of undefined behaviour."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from metalsci import cpu_metal
from metalsci.cpu_metal.sanitizer.group_sample import random_groups
from metalsci.devices.cpu.cpu_device import CpuModule, CpuStage
from metalsci.devices.errors import KernelFailure
from metalsci.devices.program import Program
from metalsci.msl.diagnostics import Finding
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit

_ALL_GROUPS = 1 << 31
_SAMPLE = 2, 16  # groups of a dispatch, if not all are checked: some, and at most as many in a second look
_LITTLE = 0.06  # seconds that the second look should take


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


class CpuSanitizer:
    """cpu_metal's sanitizer, on a device process of its own. It stops after `seconds`.

    The process stays for all looks at one source.
    """

    def __init__(
        self,
        *,
        architecture: str | None = None,
        math_mode: MathMode = MathMode.fast,
        seconds: float = 5.0,
        fresh: Callable[[], np.random.Generator] = np.random.default_rng,
    ) -> None:
        self._device = cpu_metal.Device(threads=1, architecture=architecture)
        self._math_mode = math_mode
        self._seconds = seconds
        self._fresh = fresh
        self._last: tuple[str | Unit, CpuModule] | None = None

    def check(self, source: str | Unit, program: Program) -> Findings:
        def whole(module: CpuModule, stage: CpuStage) -> Findings:
            groups = random_groups(self._fresh(), _ALL_GROUPS)
            return _findings(*stage.check(module, range(len(program.calls)), groups))

        return self._look(source, program, whole)

    def sample(self, source: str | Unit, program: Program) -> Findings:
        def parts(module: CpuModule, stage: CpuStage) -> Findings:
            rng = self._fresh()
            done, found = 0, Findings()
            for call in _one_of_each_kernel(program, rng):
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
        module = self._module(source)
        stage = CpuStage(self._device, program, self._seconds)
        try:
            yield module, stage
        finally:
            stage.close()

    def _module(self, source: str | Unit) -> CpuModule:
        if self._last is None or self._last[0] is not source:
            self.close()
            self._last = source, CpuModule(self._device, self._device.compile(source, self._math_mode))
        return self._last[1]

    def close(self) -> None:
        """End the process. Nothing of the source is left for the next one."""
        self._last = None
        self._device.close()


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


def _one_of_each_kernel(program: Program, rng: np.random.Generator) -> list[int]:
    """Draw a call of each kernel, in the order of the program: a kernel may depend on its step."""
    calls: defaultdict[str, list[int]] = defaultdict(list)
    for index, call in enumerate(program.calls):
        calls[call.kernel].append(index)
    return sorted(int(rng.choice(indices)) for indices in calls.values())


def _findings(found: Sequence[Finding], finished: bool) -> Findings:
    undefined = tuple(finding for finding in found if finding.undefined)
    others = tuple(finding for finding in found if not finding.undefined)
    return Findings(undefined, others, unfinished=not finished)
