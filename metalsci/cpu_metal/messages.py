"""Clang's messages, told of the user's file and of nothing else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from metalsci.cpu_metal.rewrite import Rewritten
from metalsci.msl.diagnostics import Diagnostic, Severity

_MESSAGE = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<severity>[a-z ]+): (?P<text>.*)")
_INCLUDED = re.compile(r"(?:In file included from|                 from) (?P<file>[^:\n]+):(?P<line>\d+)[:,]")
_READ = re.compile(r"(?P<depth>\.+) (?P<file>.+)")
_SEVERITIES = {
    "fatal error": Severity.ERROR,
    "error": Severity.ERROR,
    "warning": Severity.WARNING,
    "note": Severity.NOTE,
}


@dataclass(frozen=True)
class _Message:
    file: str
    line: int
    column: int
    severity: Severity
    text: str
    includes: tuple[tuple[str, int], ...]
    """Where the file that the message is about was included, innermost first."""


def files_read(output: str) -> Iterator[tuple[int, str]]:
    """Depth and path of each file that was included, in order (Clang's -H)."""
    for line in output.splitlines():
        if match := _READ.fullmatch(line):
            yield len(match["depth"]), match["file"]


def diagnostics(output: str, file: str, source: Rewritten, place: tuple[int, int] = (0, 0)) -> list[Diagnostic]:
    """What `output` says of `file`, whose text is `source`, in lines and columns before the rewriting.

    A message about another file, one of Metal's headers, is told of the place in the user's file that led there; where
    Clang does not say which, of `place`.
    """
    found: list[Diagnostic] = []
    messages = list(_messages(output))
    blamed: set[int] = set()
    told = False  # whether notes belong to a message that is passed on
    for index, message in enumerate(messages):
        ours = PurePath(message.file).name == file
        if message.severity is not Severity.NOTE:
            told = ours or message.severity is Severity.ERROR
        if index in blamed or not told:
            continue
        if ours:
            at = source.original(message.line, message.column)
            found.append(Diagnostic(message.severity, *at, _in_metal_words(message.text)))
        elif message.severity is Severity.ERROR:
            note = _note_on(messages, index, file)
            if note is not None:
                blamed.add(note)
                at = source.original(messages[note].line, messages[note].column)
            elif line := _inclusion(message, file):
                at = source.original(line, 1)
            else:
                at = place
            found.append(Diagnostic(message.severity, *at, _in_metal_words(message.text)))
    return list(dict.fromkeys(found))


def _messages(output: str) -> Iterator[_Message]:
    includes: list[tuple[str, int]] = []
    for line in output.splitlines():
        if included := _INCLUDED.match(line):
            includes.append((included["file"], int(included["line"])))
        elif (match := _MESSAGE.fullmatch(line)) and match["severity"] in _SEVERITIES:
            place = int(match["line"]), int(match["column"])
            yield _Message(match["file"], *place, _SEVERITIES[match["severity"]], match["text"], tuple(includes))
            includes = []


def _note_on(messages: list[_Message], index: int, file: str) -> int | None:
    """The note after a message that says which place in the user's file led there."""
    for position in range(index + 1, len(messages)):
        if messages[position].severity is not Severity.NOTE:
            break
        if PurePath(messages[position].file).name == file:
            return position
    return None


def _inclusion(message: _Message, file: str) -> int:
    """The line of the user's file that included the one that a message is about; 0 for none."""
    return next((line for name, line in message.includes if PurePath(name).name == file), 0)


def _in_metal_words(text: str) -> str:
    """Clang's names of Metal's address spaces and of what the rewriting put there, put back."""
    for clang, metal in (
        ("__global ", "device "),
        ("__constant ", "constant "),
        ("__local ", "threadgroup "),
        ("__private ", ""),
        ("__generic ", ""),
    ):
        text = text.replace(clang, metal)
    text = re.sub(r" ?__private\b", "", text)
    return re.sub(r"^static assertion failed due to requirement '.*?': ", "", text)
