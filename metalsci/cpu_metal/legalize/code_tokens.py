"""Tokens for the legalisation, including those inside macro definitions."""

import re
from collections.abc import Sequence

from metalsci.msl.text.lexer import SourceText, Token, tokenize


def code(text: SourceText) -> list[Token]:
    """Return words, numbers, strings and punctuation, including those inside macro definitions."""
    tokens: list[Token] = []
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
