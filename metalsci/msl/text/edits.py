"""Edits of a source text, and the way back from the edited text to the user's file.

The one edit layer: cpu_metal's legalisation edits bytes, whose offsets Clang reports; the optimizer edits characters.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import AnyStr, Generic

from metalsci.msl.text.lexer import SourceText
from metalsci.msl.text.source_map import MappedText, Piece


@dataclass(frozen=True)
class Edit(Generic[AnyStr]):
    """Replacement of `start` to `end` of a text by `text`; equal ends insert.

    Offsets count bytes or characters, as `text` does.
    """

    start: int
    end: int
    text: AnyStr

    def overlaps(self, other: "Edit[AnyStr]") -> bool:
        """Return True if both replace one place. Insertions at one place do not: they come out in the order given."""
        return self.start < other.end and other.start < self.end


def apply(text: AnyStr, edits: Iterable[Edit[AnyStr]]) -> AnyStr:
    """Return the text after edits that do not overlap."""
    pieces: list[AnyStr] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        pieces += [text[position : edit.start], edit.text]
        position = edit.end
    pieces.append(text[position:])
    return text[:0].join(pieces)


@dataclass(frozen=True)
class EditedSource:
    """A source after its edits, which are sorted and do not overlap.

    before: the edits that came first, if any; then `source` is what those made.
    """

    source: SourceText
    edits: tuple[Edit[bytes], ...]
    before: "EditedSource | None" = None

    def then(self, edits: tuple[Edit[bytes], ...]) -> "EditedSource":
        """Return this with further edits, of `text`."""
        return EditedSource(self._edited, edits, self)

    @property
    def users(self) -> SourceText:
        """The file that the user wrote."""
        if self.before is None:
            return self.source
        return self.before.users

    @property
    def text(self) -> bytes:
        return self._edited.data

    @cached_property
    def _edited(self) -> SourceText:
        return SourceText(self._mapped.data)

    @cached_property
    def _mapped(self) -> MappedText:
        """Text in pieces; a replacement leads back to the start of the text that it replaced."""
        pieces = []
        position = 0
        for edit in self.edits:
            pieces.append(Piece(self.source.data[position : edit.start], position))
            pieces.append(Piece(edit.text, edit.start, verbatim=False))
            position = edit.end
        pieces.append(Piece(self.source.data[position:], position))
        return MappedText(pieces)

    def original(self, line: int, column: int) -> tuple[int, int]:
        """Return the user's line and column for a place in the edited text."""
        origin = self._mapped.origin(self._edited.offset(line, column))
        if origin is None:  # past the end
            origin = len(self.source.data)
        position = self.source.position(origin)
        if self.before is None:
            return position
        return self.before.original(*position)
