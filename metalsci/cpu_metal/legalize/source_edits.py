"""Edits of a source text, and the way back from the edited text to the original."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from metalsci.msl.text.lexer import SourceText, Token, tokenize


@dataclass(frozen=True)
class Edit:
    """`text` in place of the bytes from `start` to `end`."""

    start: int
    end: int
    text: bytes


@dataclass(frozen=True)
class Rewritten:
    """A source after its edits, which are sorted and do not overlap. `before`: the edits that came first, if any; then
    `source` is what those made."""

    source: SourceText
    edits: tuple[Edit, ...]
    before: "Rewritten | None" = None

    def then(self, edits: tuple[Edit, ...]) -> "Rewritten":
        """With further edits, of `text`."""
        return Rewritten(SourceText(self.text), edits, self)

    @property
    def users(self) -> SourceText:
        """What the user wrote."""
        return self.before.users if self.before else self.source

    @cached_property
    def text(self) -> bytes:
        parts, position = [], 0
        for edit in self.edits:
            parts += [self.source.data[position : edit.start], edit.text]
            position = edit.end
        return b"".join([*parts, self.source.data[position:]])

    @cached_property
    def _rewritten(self) -> SourceText:
        return SourceText(self.text)

    @cached_property
    def _shifts(self) -> Sequence[tuple[int, int]]:
        """For each edit, where its replacement ends in the new text, and what to add from there on."""
        shifts, shift = [], 0
        for edit in self.edits:
            shift += edit.end - edit.start - len(edit.text)
            shifts.append((edit.end - shift, shift))
        return shifts

    def original(self, line: int, column: int) -> tuple[int, int]:
        """The user's line and column for a place in the rewritten text."""
        offset = self._rewritten.offset(line, column)
        index = bisect_right(self._shifts, (offset, len(self.text))) - 1
        mapped = offset + (self._shifts[index][1] if index >= 0 else 0)
        following = self.edits[index + 1] if index + 1 < len(self.edits) else None
        if following is not None and mapped > following.start:  # inside a replacement
            mapped = following.start
        position = self.source.position(mapped)
        return self.before.original(*position) if self.before else position


def code(text: SourceText) -> list[Token]:
    """Words, numbers, strings and punctuation, those inside macro definitions too."""
    tokens: list[Token] = []
    for token in text.tokens:
        if token.kind != "directive":
            tokens.append(token)
            continue
        # A `;` ends the directive for whoever looks at statements; it stands on no byte of the file.
        tokens.append(Token("end", token.start, token.start, b";"))
        if re.match(rb"\s*#\s*define\b", token.text):
            body = tokenize(token.text.replace(b"#", b" ", 1))  # without its # no directive
            tokens += [
                Token(part.kind, token.start + part.start, token.start + part.end, part.text)
                for part in body
                if part.kind not in ("comment", "directive")
            ]
        tokens.append(Token("end", token.end, token.end, b";"))
    return tokens


def after_parentheses(tokens: Sequence[Token], index: int) -> int | None:
    """The index after the `(…)` that starts at `index`; None if it does not end."""
    depth = 0
    for position in range(index, len(tokens)):
        depth += (tokens[position].text == b"(") - (tokens[position].text == b")")
        if depth == 0:
            return position + 1
    return None
