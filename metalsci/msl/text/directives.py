"""Preprocessor directives as tokens."""

import re

from metalsci.msl.text.lexer import Token, tokenize

_BLANK = rb"(?:\s|\\\r?\n|/\*(?:[^*]|\*(?!/))*\*/)*"
_HEAD = re.compile(rb"%b(?:\#|%%:|\?\?=)%b(?P<keyword>\w*)%b(?P<name>[A-Za-z_]\w*)?" % (_BLANK, _BLANK, _BLANK))
_SPLICE = re.compile(rb"\\\r?\n")


def keyword_of(directive: Token) -> bytes:
    """Return `define`, `if`, `include`, …; empty for a lone `#`."""
    head = _HEAD.match(directive.text)
    if head:
        return head["keyword"]
    return b""


def name_in(directive: Token) -> bytes:
    """Return the name after `#define`, `#undef`, `#ifdef`; empty if there is none."""
    head = _HEAD.match(directive.text)
    if head:
        return head["name"] or b""
    return b""


def operands_of(directive: Token) -> list[Token]:
    """Return the tokens after the directive's keyword, with their offsets in the file."""
    head = _HEAD.match(directive.text)
    start = head.end("keyword") if head else 0
    text = _SPLICE.sub(lambda match: b" " * len(match[0]), directive.text[start:])
    offset = directive.start + start
    return [
        Token(token.kind, token.start + offset, token.end + offset, token.text)
        for token in tokenize(text)
        if token.kind != "comment"
    ]
