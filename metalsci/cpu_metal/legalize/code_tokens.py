"""Tokens for the legalisation, including those inside macro definitions."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from metalsci.msl.text.lexer import SourceText, Token, tokenize

_OPENING, _CLOSING = (b"(", b"[", b"{"), (b")", b"]", b"}")


class CodeTokens(list[Token]):
    """Words, numbers, strings and punctuation of a file, those inside macro definitions included."""

    def behind(self, index: int) -> int:
        """Return the index behind the bracket that closes the one at `index`; 0 if there is none."""
        return self._behind.get(index, 0)

    @cached_property
    def _behind(self) -> Mapping[int, int]:
        found: dict[int, int] = {}
        opened: list[int] = []
        for index, token in enumerate(self):
            if token.text in _OPENING:
                opened.append(index)
            elif token.text in _CLOSING and opened:
                found[opened.pop()] = index + 1
        return found


def code(text: SourceText) -> CodeTokens:
    tokens = CodeTokens()
    for token in text.tokens:
        if token.kind != "directive":
            tokens.append(token)
            continue
        # A `;` ends the directive for readers of statements; it stands on no byte of the file.
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
    """Return the index after the `(…)` that starts at `index`; None if it does not end."""
    depth = 0
    for position in range(index, len(tokens)):
        depth += (tokens[position].text == b"(") - (tokens[position].text == b")")
        if depth == 0:
            return position + 1
    return None
