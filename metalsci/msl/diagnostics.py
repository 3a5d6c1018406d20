"""Messages about a candidate's source or its behaviour, in one shape, and the one way to show them.

`Diagnostic`: a message of a compiler or a rule about a place in the file. `Finding`: an act of a run that Metal does
not allow. Both stay data from their origin to the journal, W&B and JSON; `render` and `str` turn them into text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from metalsci.msl.text.quoting import inline

Style = Literal["plain", "markdown", "caret"]


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Diagnostic:
    """One message about the user's file. `line` and `column` count from 1; 0 means the file as a whole."""

    severity: Severity
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.severity}: {self.message}"


class CompileError(Exception):
    """A source that was refused, by a rule, a compiler or the lowering to MLX.

    `diagnostics` holds every error of the file, with line and column, and the warnings that came with them. Every
    layer raises this one; only a process border (MLX's worker, Clang) turns other errors into it.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(map(str, diagnostics)) or "refused without a diagnostic")
        self.diagnostics = tuple(diagnostics)


@dataclass(frozen=True)
class Finding:
    """An act of a kernel when it ran, as a sentence.

    text: the sentence. kind: "out of bounds", "data race", …; empty if it has none. line: in the source, 0 if it is not
    known. undefined: Metal defines no result, so that a correct one is luck.
    """

    text: str
    kind: str = ""
    line: int = 0
    undefined: bool = True

    def __str__(self) -> str:
        return self.text


def render(diagnostics: Sequence[Diagnostic], source: str = "", style: Style = "plain", file: str = "") -> str:
    """Return the diagnostics as text, one after the other.

    plain: a line each, `12:5: error: …`. markdown: list items with the source line quoted, for a prompt. caret: as
    compilers print them, the source line and a caret below. file: a path to put before line and column.
    """
    lines = source.splitlines()
    return "\n".join(_render_one(diagnostic, lines, style, file) for diagnostic in diagnostics)


def _render_one(diagnostic: Diagnostic, lines: Sequence[str], style: Style, file: str) -> str:
    if file:
        text = f"{file}:{diagnostic}"
    else:
        text = str(diagnostic)
    known = 1 <= diagnostic.line <= len(lines)
    line = lines[diagnostic.line - 1] if known else ""
    if style == "markdown":
        if line.strip():
            quoted = f"\n  at {inline(line)}"
        else:
            quoted = ""
        return f"- {text}{quoted}"
    if style == "caret" and known:
        margin = "".join(c if c == "\t" else " " for c in line[: diagnostic.column - 1])
        return f"{text}\n{line}\n{margin}^"
    return text
