"""A report over runs and sweeps: `python -m metalsci.report outputs/sweeps/2026-11-29/10-00-00`.

Writes one HTML page that needs no network, with Markdown and CSV next to it: the headline table, convergence, search
against held-out, roofline, failures, costs, lineages with diffs, the gate's evidence, the environment.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from metalsci.files.locations import shown

EXIT_FAILED, EXIT_USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a report, and exit with 2 if there is no run in the folders, with 1 if the files cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m metalsci.report", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of runs or sweeps, at any depth")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where it goes (FOLDER/report)")
    parser.add_argument("--figures", action="store_true", help="write each chart as SVG and PDF, too")
    parser.add_argument("--serve", action="store_true", help="watch runs in a browser on this machine")
    parser.add_argument("--port", type=int, default=8765, help="of --serve (8765; 0 takes a free one)")
    told = parser.parse_args(arguments)
    for folder in told.folders:
        if not folder.exists():
            parser.error(f"{folder} does not exist")
    # Only a command that reads runs imports what reading takes: --help stays quick.
    from metalsci.files.extras import ExtraMissingError
    from metalsci.report.contents import put_together, read_runs
    from metalsci.report.scales import counted
    from metalsci.report.writing import write_figures, write_report

    if told.serve:
        _serve(told.folders, told.port)
        return
    runs = read_runs(told.folders)
    if not runs:
        places = ", ".join(map(str, told.folders))
        _say(f"no runs in {places}: a run's folder holds journal.jsonl; python -m metalsci.run starts one")
        sys.exit(EXIT_USAGE)
    output = told.output or (told.folders[0] / "report" if len(told.folders) == 1 else Path("report"))
    report = put_together(runs)
    try:
        page = write_report(report, output)
        if told.figures:
            made = list(write_figures(report, output / "figures"))
            sys.stdout.write(f"{len(made)} figures in {shown(output / 'figures')}\n")
    except (OSError, ExtraMissingError) as error:
        _say(str(error))
        sys.exit(EXIT_FAILED)
    sys.stdout.write(f"{counted(len(runs), 'run')}: {shown(page)}, report.md and data/*.csv next to it\n")


def _serve(folders: Sequence[Path], port: int) -> None:
    from metalsci.report.serving import serve

    try:
        server = serve(folders, port)
    except OSError as error:
        _say(f"port {port} cannot be used: {error.strerror}; choose another with --port")
        sys.exit(EXIT_FAILED)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}/ until Ctrl-C\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    finally:
        server.server_close()


def _say(sentence: str) -> None:
    sys.stderr.write(f"metalsci: {sentence}\n")


if __name__ == "__main__":
    main()
