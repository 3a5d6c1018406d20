"""What source from outside may not contain, whatever a compiler would make of it.

A candidate is text that a model wrote. It compiles on the host, so it must not read files, probe for them, or reach
past the language into the compiler or the machine. This is the first of several walls (the device that compiles runs
without files or network), and the one that explains itself.
"""

import re
from collections.abc import Iterator

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.directives import keyword_of, operands_of
from metalsci.msl.lexer import SourceText, Token

_HEADERS = re.compile(
    rb"metal_(?:stdlib|math|common|geometric|relational|integer|matrix|atomic|simdgroup|simdgroup_matrix|compute|types"
    rb"|pack|packed_types|limits|numeric|array|utility|type_traits|quadgroup|config|assert|logging|uniform|tensor"
    rb"|texture|graphics)"
    rb"|simd/(?:simd|vector_types|matrix_types|matrix|math|common|geometry|logic|packed|types|vector)\.h"
)
_INCLUDES = (b"include", b"import", b"include_next", b"embed")
_FORBIDDEN = {
    b"asm": "inline assembly is not supported in Metal",
    b"__asm": "inline assembly is not supported in Metal",
    b"__asm__": "inline assembly is not supported in Metal",
    b"__has_include": "'__has_include' cannot be used here: source must not depend on the files of a machine",
    b"__has_include_next": "'__has_include_next' cannot be used here: source must not depend on the files of a machine",
    b"__has_embed": "'__has_embed' cannot be used here: source must not depend on the files of a machine",
}
# Pragmas of Clang's that steer code and messages. Its others read files and load modules; anyone else's it ignores.
_PRAGMA = re.compile(
    rb"(?:clang|GCC)\s+(?:loop|fp|diagnostic|optimize|unroll|nounroll|ivdep)\b"
    rb"|(?!clang\b|GCC\b|include_alias\b|comment\b|detect_mismatch\b|hdrstop\b)"
)
_SPLICE = re.compile(rb"\\[ \t]*\r?\n")


def refuse(text: SourceText) -> Iterator[Diagnostic]:
    """One error for each thing that is not allowed."""
    # What a backslash at a line's end tears apart, the compiler reads as one word. The line breaks move to where the
    # logical line ends, so that line numbers stay close.
    whole = SourceText(_joined(text.data)) if _SPLICE.search(text.data) else text
    for token in whole.tokens:
        if token.kind == "directive":
            yield from _directive(whole, token)
            words = operands_of(token)
        else:
            words = [token]
        for word in words:
            if word.kind == "word" and (message := _word(word.text)) is not None:
                yield _error(whole, word.start, message)
    yield from _pragma_operators(whole)


def _joined(data: bytes) -> bytes:
    lines: list[bytes] = []
    owed = 0
    for line in _SPLICE.sub(b"\\\n", data).split(b"\n"):
        if line.endswith(b"\\"):
            lines.append(line[:-1])
            owed += 1
        else:
            lines.append(line + b"\n" * (owed + 1))
            owed = 0
    return b"".join(lines)


def _word(word: bytes) -> str | None:
    if word.startswith((b"__builtin_", b"__sync_", b"__atomic_", b"__nvvm_", b"__opencl_")):
        return f"use of undeclared identifier '{word.decode()}'"
    return _FORBIDDEN.get(word)


def _directive(text: SourceText, directive: Token) -> Iterator[Diagnostic]:
    keyword = keyword_of(directive)
    operands = operands_of(directive)
    start = operands[0].start if operands else directive.start
    line = text.data[start : directive.end].strip()
    if keyword == b"pragma" and operands and not _PRAGMA.match(line):
        yield _error(text, start, _pragma(operands[0].text))
    if keyword not in _INCLUDES:
        return
    if keyword == b"embed":
        yield _error(text, start, "'#embed' cannot be used here: source must stand by itself")
    elif (named := re.fullmatch(rb"""[<"]([^>"]*)[>"].*""", line, re.DOTALL)) is None:
        yield _error(text, start, 'expected "FILENAME" or <FILENAME>')
    elif not _HEADERS.fullmatch(named[1]):
        name = named[1].decode(errors="replace")
        yield _error(text, start, f"'{name}' file not found: only Metal's own headers can be included")


def _pragma_operators(text: SourceText) -> Iterator[Diagnostic]:
    """`_Pragma("…")`, in code and in macros."""
    for match in re.finditer(rb'_Pragma\s*\(\s*(?:u8|[uUL])?R?"\W*(\w*)([^"]*)', text.data):
        if not _PRAGMA.match(match[1] + match[2]):
            yield _error(text, match.start(), _pragma(match[1]))


def _pragma(name: bytes) -> str:
    return f"'#pragma {name.decode(errors='replace')}' cannot be used here: source must stand by itself"


def _error(text: SourceText, offset: int, message: str) -> Diagnostic:
    return Diagnostic(Severity.ERROR, *text.position(offset), message)
