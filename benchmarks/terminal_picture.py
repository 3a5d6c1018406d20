"""Run a command and draw its output: `python benchmarks/terminal_picture.py docs/run.svg -m metalsci.run task=lbm`.

The command is one of Python's, its output that of a pipe with colours, without the lines that a terminal overwrites.
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 112


def capture(arguments: list[str]) -> str:
    """Return what the command printed, with ANSI colours. Raises CalledProcessError if it fails."""
    environment = {**os.environ, "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0", "COLUMNS": str(COLUMNS)}
    done = subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def draw(command: str, output: str, path: Path) -> None:
    """Write an SVG picture of a terminal that shows a command and its output."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(output))
    picture = console.export_svg(title="metalsci")
    path.write_text(
        re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8"
    )  # needs no network


def main() -> None:
    path, *arguments = sys.argv[1:]
    draw(" ".join(["python", *arguments]), capture(arguments), Path(path))


if __name__ == "__main__":
    main()
