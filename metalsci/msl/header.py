"""The header of a lowered kernel: its file without kernels, as it stood where the kernel stood."""

from collections.abc import Iterator

from metalsci.msl.declarations import Declaration
from metalsci.msl.directives import keyword_of, name_in
from metalsci.msl.lexer import Token
from metalsci.msl.mlx_names import PREAMBLE
from metalsci.msl.parse import Unit
from metalsci.msl.sourcemap import Piece

_VIEW = """\
template <typename T, typename U>
const device T* {name}(const device U* data) {{
    return reinterpret_cast<const device T*>(data);
}}
template <typename T, typename U>
const constant T* {name}(const constant U* data) {{
    return reinterpret_cast<const constant T*>(data);
}}
"""


def header_of(unit: Unit, kernel: Declaration, view: str | None) -> Iterator[Piece]:
    """Helpers, types and constants of the file stay; kernels go, but for the directives inside them.

    What follows the kernel stays too, for functions that are declared before it and defined behind. A macro that is
    defined or undefined from here on must not change the kernel's body, which the compiler reads after all of it.
    """
    yield from (Piece(line) for line in _renames(unit))
    if view is not None:
        yield Piece(_VIEW.format(name=view).encode())
    start, end = kernel.span
    yield from _without_kernels(unit, 0, start)
    if not _matters(unit, kernel):
        return
    later = [token for token in unit.text.tokens if token.kind == "directive" and token.start >= start]
    changed = sorted({name_in(token) for token in later if keyword_of(token) in (b"define", b"undef")} - {b""})
    yield from (Piece(b'#pragma push_macro("%s")\n' % name) for name in changed)
    yield from _directives(unit, start, end)
    yield from _without_kernels(unit, end, len(unit.text.data))
    yield from (Piece(b'#pragma pop_macro("%s")\n' % name) for name in changed)


def _renames(unit: Unit) -> Iterator[bytes]:
    """MLX's preamble comes first and has names of its own. Where the file uses one, it means another thing."""
    words = {token.text.decode(errors="replace") for token in unit.text.tokens if token.kind == "word"}
    for name in sorted(words & PREAMBLE):
        other = f"{name}_"
        while other in words:
            other += "_"
        yield f"#define {name} {other}\n".encode()


def _without_kernels(unit: Unit, start: int, end: int) -> Iterator[Piece]:
    """A range of the file, ending in a line break unless it is empty."""
    at = start
    for declaration in unit.declarations:
        first, last = declaration.span
        if first < start or last > end:
            continue
        yield from _lines(unit.text.data, at, first)
        yield from _directives(unit, first, last)
        at = last
    yield from _lines(unit.text.data, at, end)


def _lines(data: bytes, start: int, end: int) -> Iterator[Piece]:
    """Text without the blank lines at its ends, ending in a line break."""
    text = data[start:end]
    lead = len(text) - len(text.lstrip())
    start += text.rfind(b"\n", 0, lead) + 1
    text = data[start:end].rstrip()
    if text:
        yield Piece(text, start)
        yield Piece(b"\n")


def _directives(unit: Unit, start: int, end: int) -> Iterator[Piece]:
    for token in unit.text.tokens:
        if token.kind == "directive" and start <= token.start < end:
            yield Piece(token.text, token.start)
            yield Piece(b"\n")


def _matters(unit: Unit, kernel: Declaration) -> bool:
    """Whether anything behind a kernel is needed: code, or the end of a condition around it."""
    depth = 0
    for token in unit.text.tokens:
        if token.start < kernel.span[0]:
            depth += _opens(token)
        elif token.start >= kernel.span[1] and token.kind != "directive" and not _in_kernel(unit, token):
            return True
    return depth > 0


def _opens(token: Token) -> int:
    keyword = keyword_of(token) if token.kind == "directive" else b""
    return (keyword in (b"if", b"ifdef", b"ifndef")) - (keyword == b"endif")


def _in_kernel(unit: Unit, token: Token) -> bool:
    return any(first <= token.start < last for first, last in (d.span for d in unit.declarations))
