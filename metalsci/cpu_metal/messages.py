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


def diagnostics(output: str, file: str, source: Rewritten) -> list[Diagnostic]:
    """What `output` says of `file`, whose text is `source`, in lines and columns before the rewriting.

    A message about another file, one of Metal's headers, is told of the place in the user's file that led there.
    """
    found: list[Diagnostic] = []
    messages = list(_messages(output))
    for index, message in enumerate(messages):
        if PurePath(message.file).name == file:
            found.append(_at(source, message.severity, message.line, message.column, message.text))
        elif message.severity is Severity.ERROR:
            line, column = _blame(messages, index, file)
            found.append(_at(source, message.severity, line, column, message.text))
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


def _blame(messages: list[_Message], index: int, file: str) -> tuple[int, int]:
    """The place in the user's file that a message elsewhere is due to; 0, 0 when Clang does not say."""
    for name, line in messages[index].includes:
        if PurePath(name).name == file:
            return line, 1
    for note in messages[index + 1 :]:
        if note.severity is not Severity.NOTE:
            break
        if PurePath(note.file).name == file:
            return note.line, note.column
    return 0, 0


def _at(source: Rewritten, severity: Severity, line: int, column: int, text: str) -> Diagnostic:
    place = source.original(line, column) if line else (0, 0)
    return Diagnostic(severity, *place, _in_metal_words(text))


def _in_metal_words(text: str) -> str:
    """Clang's names of Metal's address spaces and of what the rewriting put there, put back."""
    for clang, metal in (
        ("__global ", "device "),
        ("__constant ", "constant "),
        ("__local ", "threadgroup "),
        ("__private ", "thread "),
        ("__generic ", ""),
    ):
        text = text.replace(clang, metal)
    return re.sub(r"\bmetal::_make<([\w:, <>]+?)>", r"\1", text)
