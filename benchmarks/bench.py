"""The speed of the software device and of others: `make bench`, or `python benchmarks/bench.py [PART …]`.

Parts:
- peers: PoCL and Intel's OpenCL runtime on ports of the seed kernels, C with OpenMP on five of them, STREAM's triad
- examples: the same runtimes on the hand-written examples, translated to OpenCL C
- threads: what a barrier, a function of a simdgroup or a loop costs a thread
- scaling: time against group size, grid size, barriers and cores, which scaling.py also plots
- compiling: what the seed kernels cost before they run
- recorded: what each of the public recordings costs before it runs, of which `--recorded FOLDER` has a copy
- evaluations: how many evaluations of a seed kernel, as a search does them, an hour holds
- memory: what the processes of a run hold beyond its buffers

Figures are minima over rounds in which all take turns, of the processor time of all threads unless it says "by wall",
which counts only on a machine that does nothing else. All parts in one run are written to benchmarks/RESULTS.md.
"""

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CalledProcessError

import against_peers
import compile_costs
import evaluations
import peak_memory
import recorded_compiles
import scaling
import thread_costs
import triad
from peers import Environment
from rich.console import Console

from metalsci.devices.cpu.processor import processor_name
from metalsci.files.locations import data

PARTS = ("peers", "examples", "threads", "scaling", "compiling", "recorded", "evaluations", "memory")
ROUNDS = 7
EXAMPLES_GOAL = 2.0  # by issue 12
RESULTS = Path(__file__).parent / "RESULTS.md"
NOTES = Path(__file__).parent / "NOTES.md"


def peers(tasks: list[str], rounds: int, console: Console) -> Iterator[str]:
    found = list(_rows(tasks, rounds, console, against_peers.SEED))
    versions = sorted({f"{name}: {version}" for row in found for name, version in row.versions.items()})
    yield from ["## Seed kernels at the middle size", "", *against_peers.report(found), ""]
    yield from ["## Native code", "", *against_peers.report_native(found)]
    if "saxpy" in tasks:
        yield from _triad(rounds, console)
    yield ""
    yield from [f"- {version}" for version in versions]


def examples(tasks: list[str], rounds: int, console: Console) -> Iterator[str]:
    written_for = {"a GPU": against_peers.GPU, "a CPU": against_peers.FAST}
    found = {who: list(_rows(tasks, rounds, console, kernels)) for who, kernels in written_for.items()}
    for who, rows in found.items():
        yield from [f"## Examples written for {who}, at the middle size", "", *against_peers.report(rows), ""]
    everything = [row for rows in found.values() for row in rows]
    alone, best = (against_peers.mean(everything, name) for name in ("PoCL", "best"))
    yield f"All {len(everything)} examples: PoCL alone / ours {alone} (goal {EXAMPLES_GOAL:g}), better of both {best}."


def _triad(rounds: int, console: Console) -> Iterator[str]:
    try:
        yield triad.report(triad.measured(rounds))
    except (CalledProcessError, FileNotFoundError) as error:
        console.print(f"STREAM's triad is left out: {error}", style="red")


def _rows(tasks: list[str], rounds: int, console: Console, kernels: str) -> Iterator[against_peers.Row]:
    wanted = Environment(Path(__file__).parents[1] / ".venv-peers")
    environment: Environment | None = wanted
    try:
        wanted.install()
    except CalledProcessError as error:
        console.print(f"PoCL and Intel's runtime are left out: {error}", style="red")
        environment = None
    for row in against_peers.rows(tasks, environment, rounds, kernels):
        yield row
        console.print(f"{row.task}: {', '.join(f'{name} {value:.3g} ms' for name, value in row.used.items())}")


def threads(rounds: int) -> Iterator[str]:
    yield from ["## What a thread pays", "", *thread_costs.report(list(thread_costs.measured(rounds)))]


def scale() -> Iterator[str]:
    yield from ["## Time against size, processor time of the busiest worker", ""]
    yield from scaling.report(scaling.measured(scaling.ROUNDS))


def compiling(rounds: int) -> Iterator[str]:
    found = list(compile_costs.measured(compile_costs.seeds(), min(rounds, 3)))
    yield from ["## Cold compile of the seed kernels, all of a file", "", *compile_costs.report(found)]


def recorded(folder: Path | None) -> Iterator[str]:
    yield from ["## Cold compile of recorded candidates", ""]
    if folder is None:
        yield "Not measured in this run: `--recorded FOLDER`."
    else:
        yield from recorded_compiles.report(list(recorded_compiles.measured(folder)))


def evaluate() -> Iterator[str]:
    found = list(evaluations.measured(list(evaluations.GOALS), evaluations.ROUNDS))
    yield from ["## Full evaluations of seed kernels", "", *evaluations.report(found)]


def memory() -> Iterator[str]:
    found = list(peak_memory.measured(peak_memory.TASKS))
    yield from ["## Memory of a run", "", *peak_memory.report(found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="all of them by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default")
    parser.add_argument("--task", action="append", help="of peers and examples, all by default; may be given again")
    parser.add_argument("--recorded", metavar="FOLDER", type=Path, help="of the part recorded")
    arguments = parser.parse_args()
    console = Console()
    wanted = arguments.part or PARTS
    tasks = arguments.task or sorted(path.stem for path in (data("conf") / "task").glob("*.yaml"))
    load = os.getloadavg()[0]
    lines = [
        "# Performance of the software device",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {processor_name()}, {len(os.sched_getaffinity(0))} cores, load {load:.1f} at "
        f"the start, least of {arguments.rounds} rounds. Made by `make bench`.",
    ]
    if load > 0.5:
        lines.append("The machine was busy: what is by wall says little.")
    for part in wanted:
        made = {
            "peers": lambda: peers(tasks, arguments.rounds, console),
            "examples": lambda: examples(tasks, arguments.rounds, console),
            "threads": lambda: threads(arguments.rounds),
            "scaling": scale,
            "compiling": lambda: compiling(arguments.rounds),
            "recorded": lambda: recorded(arguments.recorded),
            "evaluations": evaluate,
            "memory": memory,
        }[part]()
        lines += ["", *made]
    text = "\n".join(lines) + "\n"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if tuple(wanted) == PARTS and not arguments.task:
        notes = NOTES.read_text(encoding="utf-8") if NOTES.exists() else ""
        RESULTS.write_text(text + notes, encoding="utf-8")


if __name__ == "__main__":
    main()
