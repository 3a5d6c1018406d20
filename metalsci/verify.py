"""Verify a run's result: `python -m metalsci.verify RUN` checks the folder and repeats the decisive comparisons.

It prints for each claim held, not held or not decidable, with the figures side by side, and exits with 1 if one does
not hold. `--files` checks the files alone.
"""

import argparse
import sys
from pathlib import Path

from metalsci.cli.consoles import accept_any_console
from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_USAGE
from metalsci.files.whole_files import write_json


def main() -> None:
    accept_any_console()
    parser = argparse.ArgumentParser(prog="python -m metalsci.verify", description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a run that has ended")
    parser.add_argument("--files", action="store_true", help="check the files alone, and measure nothing")
    arguments = parser.parse_args()
    from metalsci.experiment.certificate import Certificate, Held, look, verify
    from metalsci.experiment.instantiation import ConfigError

    try:
        if arguments.files:
            certificate = Certificate(tuple(look(arguments.run)))
        else:
            certificate = verify(arguments.run)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"metalsci: {error}\n")
        sys.exit(EXIT_USAGE)
    for claim in certificate.claims:
        sys.stdout.write(f"{claim.held!s:14} {claim.what}: told {claim.told}; found {claim.found}\n")
    sys.stdout.write(f"{certificate.held}\n")
    if not arguments.files:
        write_json(arguments.run / "verified.json", certificate)
    sys.exit(EXIT_FAILED if certificate.held is Held.NOT_HELD else 0)


if __name__ == "__main__":
    main()
