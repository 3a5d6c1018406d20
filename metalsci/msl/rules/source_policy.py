"""Text that source from outside may not contain, whatever a compiler would make of it.

A candidate is text that a model wrote. It compiles on the host, so it must not read files, probe for them, or reach
past the language into the compiler or the machine. This is the first of several walls (the device that compiles runs
without files or network), and the one that explains itself.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.text.directives import keyword_of, operands_of
from metalsci.msl.text.lexer import SourceText, Token

_HEADERS = re.compile(
    rb"metal_(?:stdlib|math|common|geometric|relational|integer|matrix|atomic|simdgroup|simdgroup_matrix|compute|types"
    rb"|pack|packed_types|limits|numeric|array|utility|type_traits|quadgroup|config|assert|logging|uniform|tensor"
    rb"|texture|graphics)"
    rb"|simd/(?:simd|vector_types|matrix_types|matrix|math|common|geometry|logic|packed|types|vector)\.h"
)
_INCLUDES = (b"include", b"import", b"include_next", b"embed")
_FORBIDDEN = {
    b"_Dispatch": "'_Dispatch' is a reserved name",
    b"__uint128_t": "use of undeclared identifier '__uint128_t'",
    b"asm": "inline assembly is not supported in Metal",
    b"__asm": "inline assembly is not supported in Metal",
    b"__asm__": "inline assembly is not supported in Metal",
    b"__has_include": "'__has_include' cannot be used here: source must not depend on the files of a machine",
    b"__has_include_next": "'__has_include_next' cannot be used here: source must not depend on the files of a machine",
    b"__has_embed": "'__has_embed' cannot be used here: source must not depend on the files of a machine",
}
_FORBIDDEN_PREFIXES = (
    b"__builtin_",
    b"__sync_",
    b"__atomic_",
    b"__scoped_atomic_",
    b"__c11_atomic_",
    b"__nvvm_",
    b"__opencl_",
    b"__int128",
)
# Of the builtins, those that only compute or only promise; kernels in the wild count zeros with them.
_HARMLESS = re.compile(
    rb"__builtin_(?:(?:clz|ctz|ffs|clrsb|parity|popcount)(?:l|ll|g)?|(?:bswap|bitreverse|rotateleft|rotateright)\d+"
    rb"|(?:add|sub|mul)_overflow|expect|assume|unreachable|constant_p|is_constant_evaluated|types_compatible_p|offsetof"
    rb"|bit_cast|convertvector|shufflevector|nanf|inff|huge_valf|isnan|isinf|isfinite|isnormal|signbit)"
)
# Pragmas of Clang's that steer code and messages. Its others read files, load modules, rename symbols and lift the
# language's restrictions; anyone else's it ignores.
_STEERING = rb"clang|GCC|OPENCL|include_alias|comment|detect_mismatch|hdrstop|weak|redefine_extname"
_PRAGMA = re.compile(
    rb"(?:clang|GCC)\s+(?:loop|fp|diagnostic|optimize|unroll|nounroll|ivdep)\b|(?!(?:%b)\b)" % _STEERING
)
# What makes `_Pragma` of something that is not spelled out one of those.
_STEERING_WORD = re.compile(rb"\b(?:%b|dependency|module|__debug)\b" % _STEERING)
# Attributes that decide a symbol's place, its other names, and its callers.
_LINKING = frozenset(
    b"alias ifunc weak weakref weak_import section constructor destructor init_priority cleanup naked used retain"
    b" visibility interrupt signal tls_model target target_clones cpu_dispatch cpu_specific patchable_function_entry"
    b" xray_always_instrument no_caller_saved_registers ms_abi sysv_abi regparm address_space asm".split()
)
_SPLICE = re.compile(rb"\\[ \t\v\f]*\n")
_PASTE = re.compile(rb"##|%:%:")
MAX_SIZE = 1 << 20  # bytes: a hundred times a long kernel, and seconds to read


def refuse(text: SourceText) -> Iterator[Diagnostic]:
    """Yield one error for each forbidden thing."""
    if len(text.data) > MAX_SIZE:
        yield Diagnostic(Severity.ERROR, 0, 0, f"the source is longer than {MAX_SIZE:,} bytes")
        return
    whole = SourceText(_as_read(text.data))
    words: list[Token] = []
    for token in whole.tokens:
        if token.kind == "directive":
            yield from _directive(whole, token)
            operands = operands_of(token)
            yield from _attributes(whole, operands)
            words += operands
        else:
            words.append(token)
    yield from _attributes(whole, [token for token in whole.tokens if token.kind != "directive"])
    for word in words:
        if word.kind == "word" and (message := _word(word.text)) is not None:
            yield _error(whole, word.start, message)
    yield from _pragma_operators(whole, words)
    paste = _PASTE.search(whole.data)
    if paste is not None:
        for made in _pasted({word.text for word in words if word.kind in ("word", "number")}):
            yield _error(whole, paste.start(), _word(made) or _pragma(b""))


def _as_read(data: bytes) -> bytes:
    """Return the text as the compiler reads it, each word and directive at the place that this package's lexer finds.

    A word torn apart by a backslash at a line's end is joined; the line breaks move to the end of the logical line, so
    that line numbers stay close. A carriage return ends a line. Zeros are white space, and so are characters that no
    name may have, which the compiler drops with a message. A name with other characters than ASCII's is never
    forbidden.
    """
    data = re.sub(rb"\r(?!\n)", b"\n", data).replace(b"\r\n", b"\n")
    if _SPLICE.search(data):
        joined = _joined(data)
    else:
        joined = data
    return re.sub(rb"[\0\x80-\xff]", b" ", joined)


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
    if word.startswith(_FORBIDDEN_PREFIXES) and not _HARMLESS.fullmatch(word):
        return f"use of undeclared identifier '{word.decode()}'"
    return _FORBIDDEN.get(word)


def _pasted(pieces: Collection[bytes]) -> Iterator[bytes]:
    """Yield forbidden words that macros could paste together of `pieces`.

    `asm` is left out: a few short variables would be enough to form it, and Clang has inline assembly switched off.
    """
    for wanted in (*_FORBIDDEN_PREFIXES, *(word for word in _FORBIDDEN if b"asm" not in word), b"_Pragma"):
        reached = {0}
        for at in range(len(wanted)):
            if at in reached:
                reached |= {at + len(piece) for piece in pieces if wanted.startswith(piece, at)}
                if wanted.endswith(b"_") and any(piece.startswith(wanted[at:]) for piece in pieces):
                    reached.add(len(wanted))
        if len(wanted) in reached and wanted not in pieces:
            yield wanted


def _attributes(text: SourceText, tokens: Sequence[Token]) -> Iterator[Diagnostic]:
    """Yield forbidden attributes in `__attribute__((…))` and in `[[gnu::…]]`."""
    inside = [False]  # of each open bracket: is it part of an attribute?
    for previous, token in pairwise((Token("punct", 0, 0, b";"), *tokens)):
        if token.text in (b"(", b"["):
            opens = previous.text in (b"__attribute__", b"__attribute") or previous.text == token.text == b"["
            inside.append(opens or inside[-1])
        elif token.text in (b")", b"]"):
            if len(inside) > 1:
                inside.pop()
        elif inside[-1] and token.text.strip(b"_") in _LINKING:
            name = token.text.decode()
            yield _error(text, token.start, f"'{name}' attribute cannot be used here: source must stand by itself")


def _directive(text: SourceText, directive: Token) -> Iterator[Diagnostic]:
    keyword = keyword_of(directive)
    operands = operands_of(directive)
    if operands:
        start = operands[0].start
    else:
        start = directive.start
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


def _pragma_operators(text: SourceText, words: Sequence[Token]) -> Iterator[Diagnostic]:
    """Yield uses of `_Pragma("…")`, in code and in macros."""
    for match in re.finditer(rb'\b_Pragma\s*\(\s*(?:u8|[uUL])?R?"\W*(\w*)([^"]*)', text.data):
        if not _PRAGMA.match(match[1] + match[2]):
            yield _error(text, match.start(), _pragma(match[1]))
    steering = next((found[0] for word in words if (found := _STEERING_WORD.search(word.text))), None)
    for match in re.finditer(rb"\b_Pragma\s*(?!\s|\(\s*(?:u8|[uUL])?R?\")", text.data) if steering else ():
        yield _error(text, match.start(), _pragma(steering or b""))


def _pragma(name: bytes) -> str:
    return f"'#pragma {name.decode(errors='replace')}' cannot be used here: source must stand by itself"


def _error(text: SourceText, offset: int, message: str) -> Diagnostic:
    return Diagnostic(Severity.ERROR, *text.position(offset), message)
