"""Check kernels without timing them: `python -m metalsci.check mine.metal --task lbm`.

Metal's rules, the compiler, and with a task its interface and the sanitizer, on the software device. Exits with 0 if
every file is sound, with 1 if one is not, with 2 if one cannot be read.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metalsci.cli.consoles import accept_any_console
from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_USAGE

if TYPE_CHECKING:
    from metalsci.experiment.api import Checked


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each file's faults, or everything as JSON; return the exit code."""
    accept_any_console()
    parser = argparse.ArgumentParser(prog="python -m metalsci.check", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", metavar="FILE.metal", help="Metal source; - for standard input")
    parser.add_argument("--task", help="a task whose interface, smallest size and probes the kernel is checked against")
    parser.add_argument("--math-mode", choices=["fast", "safe"], default="fast", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    options = parser.parse_args(arguments)

    from metalsci.experiment.api import check
    from metalsci.experiment.instantiation import ConfigError
    from metalsci.task.loader import TaskError

    results: dict[str, Checked] = {}
    for file in options.files:
        try:
            if file == "-":
                source = sys.stdin.read()
            else:
                source = Path(file).read_text(encoding="utf-8")
            results[file] = check(source, options.task, math_mode=options.math_mode)
        except (OSError, UnicodeDecodeError, ConfigError, TaskError) as error:
            sys.stderr.write(f"metalsci: {file}: {error}\n")
            return EXIT_USAGE
        if not options.json:
            _print(file, source, results[file])
    if options.json:
        _print_json(results)
    if all(result.correct for result in results.values()):
        return 0
    return EXIT_FAILED


def _print(file: str, source: str, checked: "Checked") -> None:
    from metalsci.msl.diagnostics import render

    if checked.diagnostics:
        sys.stdout.write(render(checked.diagnostics, source, "caret", file) + "\n")
    for finding in checked.findings:
        sys.stdout.write(f"{file}: {finding}\n")
    if checked.correct:
        sys.stdout.write(f"{file}: sound\n")


def _print_json(results: "dict[str, Checked]") -> None:
    import msgspec

    data = {
        file: {"correct": result.correct, "diagnostics": result.diagnostics, "findings": result.findings}
        for file, result in results.items()
    }
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n")


if __name__ == "__main__":
    sys.exit(main())
