"""Time a report over many runs, and its memory: `python benchmarks/report_of_many.py [RUNS]`.

The runs are copies of one of this version's own run folders, each under another model, task and seed; candidates have
texts of the length of a real kernel. Promised: 1,000 runs of 25 iterations in 30 s and 1 GB.
"""

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from run_folders import write_run

from metalsci.report.contents import put_together, read_runs
from metalsci.report.writing import write_report

_TASKS = ("lbm", "fft3d", "hmc", "nbody", "saxpy", "morton", "ising", "lj", "adi3d", "wave3d")
_MODELS = ("one", "two", "three", "four")
_ITERATIONS = 25
_IDEA = "Keep the nine populations in registers and walk the grid in tiles, so that neighbours share lines. " * 3


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scores = [None if i % 4 == 3 else 0.1 + 0.01 * (i * 7 % 25) for i in range(_ITERATIONS)]
        first: dict[tuple[str, str], Any] = {}
        for i in range(runs):
            task, model = _TASKS[i % len(_TASKS)], _MODELS[i // len(_TASKS) % len(_MODELS)]
            if (task, model) in first:  # a journal is written to the disk line by line, which takes a second
                shutil.copytree(first[task, model], folder / str(i))
                continue
            first[task, model] = write_run(
                folder / str(i), task=task, model=model, scores=scores, idea=_IDEA, padding=200
            )
        begin, cpu = time.perf_counter(), time.process_time()
        page = write_report(put_together(read_runs([folder])), folder / "report")
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
        unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes there, kilobytes here
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        sys.stdout.write(
            f"{runs} runs of {_ITERATIONS} iterations: {wall:.1f} s ({cpu:.1f} s of processor time), "
            f"{held:.0f} MB at most, page of {page.stat().st_size / 1e6:.1f} MB\n"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
