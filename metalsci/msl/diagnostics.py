"""What a compiler says of a source file, in one shape for every compiler that speaks here."""

from dataclasses import dataclass
from enum import StrEnum


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
