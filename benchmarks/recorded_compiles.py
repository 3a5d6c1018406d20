"""The cost of compiling every recorded candidate: `python benchmarks/recorded_compiles.py --recorded FOLDER`.

FOLDER has the public recordings of github.com/vicgalle/metal-sci-kernels. Processor time of all processes for all
kernels of a file, in a cache that has Metal's headers and not this file.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from compile_costs import WARM
from processor_time import processor_seconds

from metalsci.cpu_metal import CompileError, Device
from metalsci.cpu_metal.compile.kernel_cache import Cache

P95_GOAL, MOST_GOAL = 0.8, 4.0  # seconds, by issue 12
SLOWEST = 10  # that are listed


@dataclass(frozen=True)
class RecordedCompile:
    """Seconds for one candidate.

    refused: the compiler's first error; empty if it was taken. what: the way in which its kernels run, for the list.
    was_right: on the M1 Pro on which it was recorded.
    """

    candidate: str
    seconds: float
    refused: str
    what: str
    was_right: bool

    @property
    def for_time(self) -> bool:
        return "processor time" in self.refused


def measured(recorded: Path, task: str = "") -> Iterator[RecordedCompile]:
    """Yield what each candidate costs. task: only of this one, if it is given."""
    with tempfile.TemporaryDirectory() as folder, Device(cache=Cache(Path(folder))) as device:
        device.compile(WARM)
        for file in sorted((recorded / "results").glob(f"{task}*_*/[0-9][0-9]_candidate.metal")):
            result = file.with_name(f"{file.name[:2]}_result.json")
            was_right = result.exists() and bool(json.loads(result.read_text(encoding="utf-8")).get("correct"))
            name = f"{file.parent.name}/{file.name[:2]}"
            yield _measured(device, name, file.read_text(encoding="utf-8"), was_right=was_right)


def _measured(device: Device, candidate: str, source: str, *, was_right: bool) -> RecordedCompile:
    refused, remarks = "", []
    before = processor_seconds()
    try:
        built = [kernel.built for kernel in device.compile(f"{source}\n// {candidate}\n").kernels.values()]
    except CompileError as error:
        refused = str(error).splitlines()[0]
    else:
        remarks = [each.remark or each.why or each.how for each in built]
    seconds = processor_seconds() - before
    return RecordedCompile(candidate, seconds, refused, "; ".join(dict.fromkeys(remarks)), was_right)


def report(found: Sequence[RecordedCompile]) -> Iterator[str]:
    """Yield the figures, then the slowest candidates, in Markdown."""
    taken = sorted((each for each in found if not each.refused), key=lambda each: each.seconds)
    late = [each for each in found if each.for_time]
    yield "| candidates | refused | of those right on the M1 Pro | refused for time | median, s | p95, s | max, s |"
    yield "|---|---|---|---|---|---|---|"
    p50, p95, most = (_quantile(taken, part) for part in (0.5, 0.95, 1.0))
    refused = [each.was_right for each in found if each.refused]
    counts = f"{len(found)} | {len(refused)} | {sum(refused)} | {len(late)}"
    yield f"| {counts} | {p50:.2f} | {p95:.2f} | {most:.2f} |"
    yield f"| goal | | 0 | 0 | | {P95_GOAL:g} | {MOST_GOAL:g} |"
    yield from ["", "| slowest | s | |", "|---|---|---|"]
    for each in [*late, *taken[: -SLOWEST - 1 : -1]]:
        yield f"| {each.candidate} | {each.seconds:.2f} | {each.refused or each.what} |"


def _quantile(taken: Sequence[RecordedCompile], part: float) -> float:
    return taken[max(0, ceil(part * len(taken)) - 1)].seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", type=Path, required=True)
    parser.add_argument("--task", default="", help="all of them by default")
    arguments = parser.parse_args()
    found = []
    for each in measured(arguments.recorded, arguments.task):
        found.append(each)
        sys.stderr.write(f"{each.candidate} {each.seconds:.2f} {each.refused or each.what}\n")
    sys.stdout.write("\n".join(report(found)) + "\n")


if __name__ == "__main__":
    main()
