"""List runs and sweeps: `python -m metalsci.runs [FOLDER] [task=lbm] [model=gemini] [status=running]`.

A line a run: status, best so far, verdict, cost, and the command that goes on with it, reports or repeats it. `--watch`
follows a sweep until it has ended.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from metalsci.cli.exit_codes import EXIT_INTERRUPTED, EXIT_USAGE


def main(arguments: Sequence[str] | None = None) -> None:
    """List runs, and exit with 2 if there is no run, or a filter is none."""
    parser = argparse.ArgumentParser(prog="python -m metalsci.runs", description=__doc__)
    parser.add_argument(
        "folders", nargs="*", metavar="FOLDER or key=value", help="where to look (outputs), and filters"
    )
    parser.add_argument("--watch", action="store_true", help="look again every few seconds until nothing runs")
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="between two looks (2)")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    told = parser.parse_args(arguments)
    from metalsci.cli.run_listing import FILTERS, RunFilter, as_json, show_runs
    from metalsci.cli.run_watching import watch

    wanted = dict(each.split("=", 1) for each in told.folders if "=" in each)
    unknown = wanted.keys() - set(FILTERS)
    if unknown:
        parser.error(f"{sorted(unknown)[0]} is no filter; there are {', '.join(FILTERS)}")
    places = [Path(each) for each in told.folders if "=" not in each] or [Path("outputs")]
    for place in places:
        if not place.exists():
            parser.error(f"{place} does not exist; python -m metalsci.run starts a run there")
    found = RunFilter(places, wanted)
    try:
        if told.json:
            sys.stdout.write(as_json(found.runs()))
        elif not (watch(found, told.every) if told.watch else show_runs(found.runs())):
            sys.stderr.write("metalsci: no such run; python -m metalsci.run starts one\n")
            sys.exit(EXIT_USAGE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
