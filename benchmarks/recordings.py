"""The public recordings of github.com/vicgalle/metal-sci-kernels, counted on this machine.

What was counted is kept in a folder, a file a candidate.
"""

import json
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from recorded_hosts import dispatches

from metalsci import cpu_metal
from metalsci.cpu_metal.compile.architecture import Architecture
from metalsci.cpu_metal.profiler.counters import Profile

# Not looked at while constants were chosen: three tasks, and one model's candidates of every task.
HELD_OUT_TASKS = frozenset(("gradshaf", "ising", "lj"))
HELD_OUT_MODEL = "gpt-5.5"
SIZE_OF_CPU_TIME = 1
_RUNS = 2  # by the processor's clock, of which the shorter counts


@dataclass(frozen=True)
class Recording:
    """A recorded candidate at one size.

    seconds: on the M1 Pro; at held-out sizes in units of the seed kernel's.
    profile: counted here.
    cpu: seconds of this machine's processors, all of them together, at the middle size.
    """

    task: str
    run: str
    size: int
    seconds: float
    profile: Profile
    cpu: float | None = None

    @property
    def held_out(self) -> bool:
        return self.task in HELD_OUT_TASKS or HELD_OUT_MODEL in self.run


@dataclass(frozen=True)
class Counted:
    """A kernel as counted at one size. cpu: see `Recording`."""

    profile: Profile
    cpu: float | None = None


def read_recordings(
    recorded: Path, counts: Path | None, tasks: Sequence[str], *, timed: bool = False, kept: bool = False
) -> Iterator[Recording]:
    """Read every candidate that was right on the M1 Pro and that this machine can run, at three sizes.

    timed: whether to time them on this machine, which is kept with the counts too. kept: leave out what is not there.
    """
    with patient_device(kept) as device:
        for task in tasks:
            for result in sorted((recorded / "results").glob(f"{task}_*/[0-9][0-9]_result.json")):
                yield from _one(task, result, counts, device, timed=timed)


@contextmanager
def patient_device(kept: bool) -> Iterator[cpu_metal.Device | None]:
    """Open a device for candidates that unroll everything, which take more than a minute to compile.

    None if nothing is to be counted.
    """
    if kept:
        yield None
        return
    toolchain = replace(Architecture.chosen(None).toolchain(), timeout=600.0, patience=1200.0)
    with cpu_metal.Device(toolchain=toolchain) as device:
        yield device


def _one(
    task: str, result: Path, counts: Path | None, device: cpu_metal.Device | None, *, timed: bool
) -> Iterator[Recording]:
    source = result.with_name(f"{result.name[:2]}_candidate.metal")
    told = json.loads(result.read_text())
    if not told.get("correct") or not source.exists():
        return
    run = f"{result.parent.name}/{result.name[:2]}"
    seconds = {size["label"]: float(size["gpu_seconds"]) for size in told["sizes"]}
    found = counted_at(task, source.read_text(), list(seconds), run, counts, device, timed=timed)
    for size, (label, counted) in enumerate(zip(seconds, found, strict=False)):
        yield Recording(task, run, size, seconds[label], counted.profile, counted.cpu)


def counted_at(
    task: str,
    source: str,
    labels: Sequence[str],
    run: str,
    counts: Path | None,
    device: cpu_metal.Device | None,
    *,
    timed: bool = False,
) -> list[Counted]:
    """Count at each of the sizes; of a candidate that this machine cannot run, none."""
    kept = counts / f"{run.replace('/', '__')}.pkl" if counts else None
    if kept and kept.exists():
        known = [Counted(*each) for each in pickle.loads(kept.read_bytes()).values()]
        if device is None or not timed or known[SIZE_OF_CPU_TIME].cpu is not None:
            return known
    if device is None:
        return []
    try:
        kernels = device.compile(source).kernels
        found = {
            label: _at_size(task, device, kernels, label, timed=timed and size == SIZE_OF_CPU_TIME)
            for size, label in enumerate(labels)
        }
    except (cpu_metal.CompileError, cpu_metal.DispatchError) as error:
        sys.stderr.write(f"{run}: {str(error).splitlines()[0]}\n")
        return []
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps({label: (each.profile, each.cpu) for label, each in found.items()}))
    return list(found.values())


def _at_size(
    task: str, device: cpu_metal.Device, kernels: Mapping[str, cpu_metal.Kernel], label: str, *, timed: bool
) -> Counted:
    profile = device.profile(dispatches(task, device, kernels, label))
    if not timed:
        return Counted(profile)
    commands = device.encode(dispatches(task, device, kernels, label))
    return Counted(profile, min(device.run(commands).seconds for _ in range(_RUNS)))
