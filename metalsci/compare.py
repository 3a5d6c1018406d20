"""Compare runs or sweeps: `python -m metalsci.compare A B`.

Two are paired by task and seed: the effect with its interval, verdicts side by side, what changed in the settings, and
a clear word if the difference is within noise. Three and more get average ranks with intervals.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from metalsci.cli.exit_codes import EXIT_USAGE


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, and exit with 2 if a folder holds no run, or no run of one fits one of another."""
    parser = argparse.ArgumentParser(prog="python -m metalsci.compare", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of a run or a sweep each")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the pairs, or the ranks, as CSV")
    told = parser.parse_args(arguments)
    if len(told.folders) < 2:
        parser.error("give two folders or more")
    for folder in told.folders:
        if not folder.exists():
            parser.error(f"{folder} does not exist")
    # Only a command that reads runs imports what reading takes: --help stays quick.
    from metalsci.cli.comparison_view import show_ranks, show_two
    from metalsci.report.contents import read_runs
    from metalsci.report.reported_run import ReportedRun

    groups: Mapping[str, list[ReportedRun]] = {str(folder): read_runs([folder]) for folder in told.folders}
    if len(groups) < len(told.folders):
        parser.error("each folder is given once")
    for name, runs in groups.items():
        if not runs:
            _refuse(f"no runs in {name}: a run's folder holds journal.jsonl")
    if len(groups) == 2:
        table = show_two(groups)
    else:
        table = show_ranks(groups)
    if table is None:
        _refuse("no task and seed is in all of them, so nothing can be compared")
    elif told.csv:
        told.csv.write_text(table.as_csv(), encoding="utf-8")


def _refuse(sentence: str) -> None:
    sys.stderr.write(f"metalsci: {sentence}\n")
    sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()
