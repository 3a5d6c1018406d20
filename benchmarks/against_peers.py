"""The seed kernels and the hand-written examples on the software device and on its peers, in turn."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from statistics import geometric_mean
from subprocess import CalledProcessError

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from metal_to_opencl import as_opencl
from peers import (
    AWAKE,
    NATIVE,
    NATIVE_TASKS,
    PLATFORMS,
    PORTS,
    Environment,
    How,
    Peer,
    PeerError,
    native,
    opencl,
    whole_groups,
)

from metalsci.devices.ceilings import GivenCeilings
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.program import Array, Program
from metalsci.experiment.schemas import register
from metalsci.files.locations import data
from metalsci.task.definition import Size
from metalsci.task.loader import Problem

OURS = "ours"
SEED, GPU, FAST = "seed.metal", "examples/gpu.metal", "examples/fast.metal"
# What a translation would have to know types for.
BY_HAND: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("compact", GPU): {", total)": ", &total)"},
    ("lj", GPU): {
        ", s, g)": ", &s, &g)",
        "uint3(inside * (float(M) / L))": "convert_uint3(inside * (float(M) / L))",
    },
    ("lj", FAST): {"uint3(wrapped * (float(M) / L))": "convert_uint3(wrapped * (float(M) / L))"},
}
ENOUGH = 0.02  # seconds of processor time in a sample: a round trip costs some of it
NOT_TRANSLATED = {("fft3d", GPU): "its functions return structs, which OpenCL C writes in another way"}
"""Examples that the translation does not know enough of the language for, with the reason."""


@dataclass(frozen=True)
class Row:
    """Least milliseconds of one run by who ran it, in processor time and by the wall.

    why: the reason of each peer that did not run it.
    """

    task: str
    size: str
    used: Mapping[str, float]
    wall: Mapping[str, float]
    versions: Mapping[str, str]
    why: Mapping[str, str]

    def ratio(self, name: str, by: str = "used") -> float:
        """Return how many times faster we are. name: a peer's, or "best" for the faster of them."""
        times: Mapping[str, float] = getattr(self, by)
        peers = [times[each] for each in times if each in PLATFORMS]
        return (min(peers) if name == "best" else times[name]) / times[OURS]

    def has(self, name: str) -> bool:
        """Return True if there is such a ratio."""
        return name in self.used or (name == "best" and any(each in self.used for each in PLATFORMS))


@dataclass(frozen=True)
class Job:
    """A program that peers run too: a task's, with the kernels of a file in its folder. folder: for what peers need."""

    task: str
    kernels: str
    program: Program
    folder: Path


def load(task: str) -> Problem:
    register()
    with initialize_config_dir(str(data("conf")), version_base="1.3"):
        problem: Problem = instantiate(compose("config", overrides=[f"task={task}"]).task)
    return problem


def rows(tasks: Sequence[str], environment: Environment | None, rounds: int, kernels: str = SEED) -> Iterator[Row]:
    """Yield each task's figures. kernels: the file of a task's folder that is run."""
    for task in tasks:
        yield _row(task, kernels, environment, rounds)


def _row(name: str, kernels: str, environment: Environment | None, rounds: int) -> Row:
    problem = load(name)
    task, size = problem.task, problem.sizes[len(problem.sizes) // 2]
    versions: dict[str, str] = {}
    why: dict[str, str] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program, want, ours = staged(stack, problem, size, data("tasks") / name / kernels)
        runs = {OURS: ours}
        for how in _peers(Job(name, kernels, program, folder), environment, why):
            try:
                found = stack.enter_context(Peer(how, program, task.signatures, folder / how.name.replace(" ", "_")))
                found.run()
                check = task.check(size, found.results(), want)
                if not check.correct:
                    raise PeerError(f"wrong: {check.detail}")
            except PeerError as error:
                why[how.name] = str(error)
            else:
                runs[how.name] = found.run
                versions[how.name] = f"{found.version['platform']} {found.version['driver']}".strip()
        used, wall = least(runs, rounds)
    return Row(name, size.label, used, wall, versions, why)


def staged(
    stack: ExitStack, problem: Problem, size: Size, kernels: Path
) -> tuple[Program, Sequence[Array], Callable[[], tuple[float, float]]]:
    """Stage a task's program on our device and run it once.

    Return the program, its expected results, and what runs it and returns its seconds: by the wall, and of all threads.
    """
    task = problem.task
    inputs = task.inputs(size, np.random.default_rng(1))
    program, want = task.trace(size, inputs), task.reference(size, inputs)
    device = CpuDevice(time_limit=600.0, ceilings=GivenCeilings(bandwidth=1.0, fp32=1.0))
    stack.callback(device.close)
    stage = device.stage(program)
    execution = stage.bind(device.compile(kernels.read_text(), task.signatures))
    execution.run()
    check = task.check(size, stage.outputs(), want)
    assert check.correct, f"{kernels}: {check.detail}"
    clock = (~stage._device._started().process.pid << 3) | 2  # of another process, as Linux numbers them

    def ours() -> tuple[float, float]:
        used, wall = time.clock_gettime(clock), time.perf_counter()
        execution.run()
        return time.perf_counter() - wall, time.clock_gettime(clock) - used

    return program, want, ours


def _peers(job: Job, environment: Environment | None, why: dict[str, str]) -> Iterator[How]:
    """Yield the ways in which peers run a job. why: takes the reasons of those that do not."""
    if environment is not None:
        source, is_translated, named = PORTS / f"{job.task}.cl", job.kernels != SEED, (job.task, job.kernels)
        if named in NOT_TRANSLATED:
            why |= dict.fromkeys(PLATFORMS, NOT_TRANSLATED[named])
            return
        if is_translated:
            metal = (data("tasks") / job.task / job.kernels).read_text(encoding="utf-8")
            source = job.folder / f"{job.task}.cl"
            cut = {call.kernel for call in job.program.calls if whole_groups(call) != list(call.threads)}
            source.write_text(as_opencl(metal, BY_HAND.get(named, {}), cut), encoding="utf-8")
        for name in PLATFORMS:
            yield replace(opencl(environment, name, source), takes_grid=is_translated)
    if job.task in NATIVE_TASKS and job.kernels == SEED:
        try:
            yield from native(job.folder)
        except (CalledProcessError, FileNotFoundError) as error:
            why[NATIVE] = str(error)


def least(runs: Mapping[str, Callable[[], tuple[float, float]]], rounds: int) -> tuple[dict[str, float], ...]:
    """Return the least milliseconds of a run by name: in processor time, and by the wall."""
    times = {name: max(1, round(ENOUGH / max(run()[1], 1e-5))) for name, run in runs.items()}
    used, wall = dict.fromkeys(runs, inf), dict.fromkeys(runs, inf)
    for turn in range(rounds):
        for name in list(runs)[:: 1 if turn % 2 == 0 else -1]:
            taken = [runs[name]() for _ in range(times[name])]
            used[name] = min(used[name], 1e3 * sum(each[1] for each in taken) / len(taken))
            wall[name] = min(wall[name], 1e3 * min(each[0] for each in taken))
    return used, wall


def report_native(found: Sequence[Row]) -> Iterator[str]:
    yield "| task | size | native C / ours, processor time | by wall | goal |"
    yield "|---|---|---|---|---|"
    for row in found:
        if NATIVE in row.used:
            wall = min(row.ratio(name, "wall") for name in (NATIVE, AWAKE) if name in row.wall)
            yield f"| {row.task} | {row.size} | {row.ratio(NATIVE):.2f} | {wall:.2f} | 0.9 |"


def report(found: Sequence[Row]) -> Iterator[str]:
    """Yield the table in Markdown."""
    yield "| task | size | ours, ms | PoCL / ours | Intel / ours | better of both / ours | the same by wall |"
    yield "|---|---|---|---|---|---|---|"
    columns = [*((each, "used") for each in PLATFORMS), ("best", "used"), ("best", "wall")]
    for row in found:
        ratios = [f"{row.ratio(name, by):.2f}" if row.has(name) else "–" for name, by in columns]
        yield f"| {' | '.join([row.task, row.size, f'{row.used[OURS]:.3g}', *ratios])} |"
    means = [mean(found, name, by) for name, by in columns]
    yield f"| geometric mean | | | {' | '.join(f'**{each}**' for each in means)} |"
    for row in found:
        for peer, reason in row.why.items():
            yield f"\n{peer} did not run {row.task}: {reason}"


def mean(found: Sequence[Row], name: str, by: str = "used") -> str:
    """Return the geometric mean of a ratio over the rows that have it, as text."""
    known = [row.ratio(name, by) for row in found if row.has(name)]
    return f"{geometric_mean(known):.2f}" if known else "–"
