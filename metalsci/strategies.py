"""Search strategies: `python -m metalsci.strategies` lists them, and `… compare` shows which wins on which landscape.

Comparing takes no model, no key and no device: strategies search synthetic landscapes, and the steps of recorded runs
(`--recorded FOLDER …`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from metalsci.cli.consoles import accept_any_console
from metalsci.cli.exit_codes import EXIT_USAGE


def main(arguments: Sequence[str] | None = None) -> None:
    accept_any_console()
    parser = argparse.ArgumentParser(prog="python -m metalsci.strategies", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="what there is (the default)")
    compare = commands.add_parser("compare", help="rank strategies over landscapes and recorded runs")
    compare.add_argument(
        "--evaluations", type=_positive, default=150, help="of each search, the seed kernel not counted"
    )
    compare.add_argument("--runs", type=_positive, default=20, help="searches of each strategy on each landscape")
    compare.add_argument("--only", nargs="+", metavar="STRATEGY", help="these, and the control best_of_n")
    compare.add_argument("--recorded", nargs="+", metavar="FOLDER", type=Path, default=[], help="of recorded runs")
    compare.add_argument("--plot", metavar="FILE.svg", type=Path, help="curves with confidence bands")
    settings = parser.parse_args(arguments)
    # Only a command that runs something imports what running takes: --help stays quick.
    from metalsci.cli.strategy_ranking import StrategyUsageError, list_strategies, rank

    try:
        if settings.command == "compare":
            rank(
                evaluations=settings.evaluations,
                runs=settings.runs,
                only=settings.only,
                recorded=settings.recorded,
                plot=settings.plot,
            )
        else:
            list_strategies()
    except StrategyUsageError as error:
        sys.stderr.write(f"metalsci: {error}\n")
        sys.exit(EXIT_USAGE)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


if __name__ == "__main__":
    main()
