"""Make run folders of the benchmark's published recordings: `python -m metalsci.import_recorded FILE output=FOLDER`.

Every report and comparison works on them, next to one's own runs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_USAGE


def main(arguments: Sequence[str] | None = None) -> None:
    """Import, and exit with 2 if the file is no recording or the folder is taken, with 1 if it cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m metalsci.import_recorded", description=__doc__)
    parser.add_argument("file", type=Path, help="recorded_runs.json of the benchmark")
    parser.add_argument("output", nargs="?", default="output=outputs/recorded", help="output=FOLDER")
    told = parser.parse_args(arguments)
    from metalsci.experiment.recorded_import import ImportRefusedError, import_recorded

    output = Path(told.output.removeprefix("output="))
    try:
        made = import_recorded(told.file, output)
    except ImportRefusedError as error:
        sys.stderr.write(f"metalsci: {error}\n")
        sys.exit(EXIT_USAGE)
    except OSError as error:
        sys.stderr.write(f"metalsci: {output} cannot be written: {error}\n")
        sys.exit(EXIT_FAILED)
    sys.stdout.write(f"{len(made)} runs in {output}; python -m metalsci.report {output}\n")


if __name__ == "__main__":
    main()
