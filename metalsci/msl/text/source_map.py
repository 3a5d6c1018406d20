"""The way from text that was built of a file's pieces back to the file."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from metalsci.msl.text.lexer import SourceText


@dataclass(frozen=True)
class Piece:
    """Text, and the byte of the user's file that it comes from; None if it comes from no place in it.

    verbatim: the text is a copy, so its bytes count on from `origin`; all of a replacement leads back to one byte.
    """

    text: bytes
    origin: int | None = None
    verbatim: bool = True


@dataclass(frozen=True)
class MappedText:
    """A text as the pieces it consists of."""

    pieces: Sequence[Piece]

    @cached_property
    def data(self) -> bytes:
        return b"".join(piece.text for piece in self.pieces)

    @cached_property
    def text(self) -> str:
        return self.data.decode(errors="surrogatepass")

    @cached_property
    def _starts(self) -> Sequence[int]:
        starts = [0]
        for piece in self.pieces:
            starts.append(starts[-1] + len(piece.text))
        return starts

    def origin(self, offset: int) -> int | None:
        """Return the byte of the file behind a byte of this text, None if there is none."""
        at = bisect_right(self._starts, offset) - 1
        if not 0 <= at < len(self.pieces):
            return None
        piece = self.pieces[at]
        if piece.origin is None or not piece.verbatim:
            return piece.origin
        return piece.origin + offset - self._starts[at]


def locate(built: str, parts: Sequence[MappedText], file: SourceText, line: int, column: int) -> tuple[int, int] | None:
    """Return line and column of `file` for those of `built`; None for text that comes from elsewhere.

    The parts stand in `built` verbatim and in order.
    """
    text = SourceText(built.encode(errors="surrogatepass"))
    offset = text.offset(line, column)
    end = len(text.data)
    for part in reversed(parts):
        data = part.text.encode(errors="surrogatepass")
        start = text.data.rfind(data, 0, end)
        if start < 0:
            return None
        if start <= offset < start + len(data):
            origin = part.origin(offset - start)
            if origin is None:
                return None
            return file.position(origin)
        end = start
    return None
