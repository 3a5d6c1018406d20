"""Clang's messages, each mapped to a place in the user's file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.text.edits import EditedSource

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
    """Places at which the file that the message is about was included, innermost first."""


def files_read(output: str) -> Iterator[tuple[int, str]]:
    """Yield depth and path of each file that was included, in order (Clang's -H)."""
    for line in output.splitlines():
        match = _READ.fullmatch(line)
        if match:
            yield len(match["depth"]), match["file"]


def diagnostics(output: str, file: str, source: EditedSource, place: tuple[int, int] = (0, 0)) -> list[Diagnostic]:
    """Parse the messages in `output` about `file`, whose text is `source`, with lines and columns before the rewriting.

    A message about another file, one of Metal's headers, is placed where the user's file led there. If Clang gives no
    such place, it is reported at `place`, unless it follows from another error.
    """
    consequences: list[Diagnostic] = []
    found: list[Diagnostic] = []
    messages = _without_guesses(list(_messages(output)))
    blamed: set[int] = set()
    told = False  # notes belong to a message that is passed on
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
                consequences.append(Diagnostic(message.severity, *place, _in_metal_words(message.text)))
                continue
            found.append(Diagnostic(message.severity, *at, _in_metal_words(message.text)))
    if not any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        found += consequences
    return list(dict.fromkeys(found))


def _messages(output: str) -> Iterator[_Message]:
    includes: list[tuple[str, int]] = []
    for line in output.splitlines():
        included = _INCLUDED.match(line)
        if included:
            includes.append((included["file"], int(included["line"])))
        elif (match := _MESSAGE.fullmatch(line)) and match["severity"] in _SEVERITIES:
            place = int(match["line"]), int(match["column"])
            yield _Message(match["file"], *place, _SEVERITIES[match["severity"]], match["text"], tuple(includes))
            includes = []


def _without_guesses(messages: list[_Message]) -> list[_Message]:
    """Leave out messages that follow from Clang's guess for an unknown name.

    Clang goes on with the name that it guessed. A message about a function of this package's headers then points at the
    unknown name, and is not about the user's code.
    """
    kept: list[_Message] = []
    guess: _Message | None = None
    for message in messages:
        if guess is not None and message.text == _TAKEN and (message.file, message.line) == (guess.file, guess.line):
            kept[kept.index(guess)] = replace(guess, column=message.column, text=_GUESS.sub("", guess.text))
            continue
        if message.severity is Severity.ERROR:
            if _GUESS.search(message.text):
                guess = message
            else:
                guess = None
        kept.append(message)
    return kept


def _note_on(messages: list[_Message], index: int, file: str) -> int | None:
    """Find the note after a message that names the place in the user's file that led there."""
    for position in range(index + 1, len(messages)):
        if messages[position].severity is not Severity.NOTE:
            break
        if PurePath(messages[position].file).name == file:
            return position
    return None


def _inclusion(message: _Message, file: str) -> int:
    """Return the line of the user's file that included the file of a message; 0 for none."""
    return next((line for name, line in message.includes if PurePath(name).name == file), 0)


_GUESS = re.compile(r"; did you mean '.*'\?")
_TAKEN = "taking address of function is not allowed"
# Clang's words, and Apple's for the same.
_WORDS = tuple(
    (re.compile(clang), metal)
    for clang, metal in (
        (r"__global ", "device "),
        (r"__constant ", "constant "),
        (r"__local ", "threadgroup "),
        (r"__(?:private|generic) ", ""),
        (r" ?__private\b", ""),
        (r"'constant ", "'const constant "),  # memory that cannot be written to
        (r"(vector of \d '|\(aka ')u(char|short|int|long)'", r"\1unsigned \2'"),
        (r"\b_metal_(\w+)", r"\1"),  # a name that the rewriting changed
        (r"; did you mean '(?:\w+::)*_\w*'\?", ""),  # what only this package's headers have
        (r"^static assertion failed due to requirement '.*?': ", ""),
        (r"\bC\+\+ for OpenCL(?: version \d+)?", "Metal"),
        (r"^'default (new|delete)'", r"'\1'"),
        (r"^cannot use '(try|throw)' with exceptions disabled", r"'\1' is not supported in Metal"),
        (r"^static local variable must reside in constant .*", "variables in function scope cannot be declared static"),
        (
            r"^(?:non-kernel function|function scope) variable cannot be declared in (?:constant|global) .*",
            "automatic variable qualified with an address space",
        ),
        # Every other variable in threadgroup memory was rewritten.
        (r"^non-kernel function variable .* in local .*", "'threadgroup' variable cannot have an initializer"),
    )
)
_CAST = re.compile(
    r"size of '__builtin_bit_cast' source type (?P<source>.*) does not match destination type (?P<to>.*) \(.*"
)
_VECTOR = re.compile(r"'(?P<element>[\w ]+) __attribute__\(\(ext_vector_type\((?P<size>\d)\)\)\)'")


def _in_metal_words(text: str) -> str:
    """Use Metal's names of address spaces, the user's names from before the rewriting, and Apple's wording."""
    for clang, metal in _WORDS:
        text = clang.sub(metal, text)
    cast = _CAST.fullmatch(text)
    if cast:
        source, to = (_VECTOR.sub(r"'\g<element>\g<size>'", part) for part in cast.group("source", "to"))
        if "vector of" not in source + to:
            return f"as_type cast from {source} to {to} is not allowed"
        kinds = ["vector" if "vector of" in part else "scalar" for part in (source, to)]
        return f"as_type cast from {kinds[0]} {source} to {kinds[1]} {to} of different size"
    return text
