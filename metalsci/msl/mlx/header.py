"""The header of a lowered kernel: its file without kernels, as it was at the kernel's place."""

from collections.abc import Iterator
from dataclasses import dataclass

from metalsci.msl.language.kernel_heads import Declaration
from metalsci.msl.language.parse import Unit
from metalsci.msl.mlx.mlx_names import PREAMBLE
from metalsci.msl.text.directives import keyword_of, name_in
from metalsci.msl.text.lexer import Token
from metalsci.msl.text.source_map import Piece

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


@dataclass(frozen=True)
class Outline:
    """The part that the headers of all kernels of a file share."""

    unit: Unit
    directives: tuple[Token, ...]
    last_code: int
    """Place of the last token that is neither in a kernel nor a directive; -1 if none is."""

    @classmethod
    def of(cls, unit: Unit) -> "Outline":
        directives = tuple(token for token in unit.text.tokens if token.kind == "directive")
        ends = sorted((d.span for d in unit.declarations), reverse=True)
        last_code = -1
        for token in reversed(unit.text.tokens):
            while ends and token.start < ends[0][0]:
                ends.pop(0)
            if token.kind != "directive" and not (ends and token.start < ends[0][1]):
                last_code = token.start
                break
        return cls(unit, directives, last_code)

    def header(self, kernel: Declaration, view: str | None) -> Iterator[Piece]:
        """Yield the file's helpers, types and constants. Kernels are left out, except for the directives inside them.

        Text after the kernel stays too, for functions that are declared before it and defined behind. A macro that is
        defined or undefined from there on must not change the kernel's body, which the compiler reads after all of it.
        `view` names the function template that sees an array as another type, if the prologue uses it.
        """
        yield from (Piece(line) for line in self._renames())
        if view is not None:
            yield Piece(_VIEW.format(name=view).encode())
        start, end = kernel.span
        yield from self._without_kernels(0, start)
        if self.last_code < end and self._depth(start) == 0:
            return
        later = (token for token in self.directives if token.start >= start)
        changed = sorted({name_in(token) for token in later if keyword_of(token) in (b"define", b"undef")} - {b""})
        yield from (Piece(b'#pragma push_macro("%s")\n' % name) for name in changed)
        yield from self._directives(start, end)
        yield from self._without_kernels(end, len(self.unit.text.data))
        yield from (Piece(b'#pragma pop_macro("%s")\n' % name) for name in changed)

    def _renames(self) -> Iterator[bytes]:
        """Rename the file's uses of names in MLX's preamble, which comes first and means something else by them."""
        for name in sorted(self.unit.words & PREAMBLE):
            other = f"{name}_"
            while other in self.unit.words:
                other += "_"
            yield f"#define {name} {other}\n".encode()

    def _without_kernels(self, start: int, end: int) -> Iterator[Piece]:
        """Yield a range of the file, ending in a line break unless it is empty."""
        at = start
        for declaration in self.unit.declarations:
            first, last = declaration.span
            if first < start or last > end:
                continue
            yield from _lines(self.unit.text.data, at, first)
            yield from self._directives(first, last)
            at = last
        yield from _lines(self.unit.text.data, at, end)

    def _directives(self, start: int, end: int) -> Iterator[Piece]:
        for token in self.directives:
            if start <= token.start < end:
                yield Piece(token.text, token.start)
                yield Piece(b"\n")

    def _depth(self, offset: int) -> int:
        """Count the conditions that are open at a place."""
        keywords = [keyword_of(token) for token in self.directives if token.start < offset]
        return sum((k in (b"if", b"ifdef", b"ifndef")) - (k == b"endif") for k in keywords)


def _lines(data: bytes, start: int, end: int) -> Iterator[Piece]:
    """Yield text without the blank lines at its ends, ending in a line break."""
    text = data[start:end]
    lead = len(text) - len(text.lstrip())
    start += text.rfind(b"\n", 0, lead) + 1
    text = data[start:end].rstrip()
    if text:
        yield Piece(text, start)
        yield Piece(b"\n")
