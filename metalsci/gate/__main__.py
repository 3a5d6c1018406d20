"""A study of how well kernels of finished runs generalise: `python -m metalsci.gate run=outputs/2026-11-29/10-00-00`.

Judges every candidate of a run or of a sweep's runs at the held-out size, for study only: no search reads it, and no
verdict changes. Prints a table by task, model and strategy, each figure with its 95 % interval, and writes
gate_study.json and gate_study.svg into the folder.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from metalsci.cli.exit_codes import EXIT_FAILED
from metalsci.files.locations import shown
from metalsci.files.whole_files import write_json, write_text
from metalsci.gate.study_figures import Estimate, StudiedGroup, groups

_WIDTH = 120  # of a table whose figures have intervals
_NO_SLOWER = 0.95  # self-speedup from which a kernel is no slower, as the gate has it
_NOTE = "study only: judged after the runs had ended; no search has read this, and no verdict rests on it"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 1 if a seed kernel fails, with 2 if the arguments are wrong."""
    about, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="python -m metalsci.gate", description=about, epilog=rest)
    parser.add_argument("runs", nargs="+", metavar="run=FOLDER", help="of a run that has ended, or of a sweep")
    parser.add_argument("--rounds", type=int, default=5, help="of seed kernel and candidate in turn (5)")
    told = parser.parse_args(arguments)
    wrong = [each for each in told.runs if not each.startswith("run=") or not each[4:]]
    if wrong:
        parser.error(f"{wrong[0]!r} is not of the form run=FOLDER")
    if told.rounds < 3:
        parser.error(f"--rounds {told.rounds}: at least 3, or one slow moment decides")
    places = [Path(each[4:]) for each in told.runs]
    # --help does not wait for what judging takes
    from metalsci.experiment.instantiation import ConfigError
    from metalsci.experiment.studied_runs import run_folders, studied
    from metalsci.gate.heldout import GateError
    from metalsci.gate.study_plot import plot_study
    from metalsci.search.journal import JournalError

    try:
        folders = run_folders(places)
        runs = [studied(folder, told.rounds, _say) for folder in folders]
    except (ConfigError, JournalError, OSError) as error:
        parser.error(str(error))
    except GateError as error:
        parser.exit(EXIT_FAILED, f"metalsci: {error}\n")
    found = list(groups(runs, _NO_SLOWER))
    _show(found)
    home = places[0]
    write_json(home / "gate_study.json", {"study_only": True, "note": _NOTE, "groups": found, "runs": runs})
    write_text(home / "gate_study.svg", plot_study(runs, found, _NO_SLOWER))
    sys.stdout.write(f"{_NOTE}\n{shown(home / 'gate_study.json')}, gate_study.svg next to it\n")


def _show(found: Sequence[StudiedGroup]) -> None:
    table = Table(box=SIMPLE_HEAD)
    for name in ("by", "", "runs", "candidates", "winners that hold", "score against Φ", "difficulty in bits"):
        table.add_column(name, justify="left" if len(name) < 3 else "right", no_wrap=True)
    for group in found:
        figures = (_told(group.winners), _told(group.correlation), _told(group.difficulty))
        table.add_row(group.kind, group.name, str(group.runs), str(group.candidates), *figures)
    Console(highlight=False, width=max(_WIDTH, Console().width)).print(table)


def _told(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "–"
    if math.isinf(estimate.value):
        return f"> {estimate.low:.2f}"
    high = "∞" if math.isinf(estimate.high) else f"{estimate.high:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f}…{high})"


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


if __name__ == "__main__":
    main()
