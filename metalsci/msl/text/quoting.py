"""Quotations of others' text in a prompt, so that it stays data: nothing inside can end its fence."""

import re
import unicodedata

_LAYOUT = "\n\t"


def visible(text: str) -> str:
    """Replace every character that a reader cannot see by its code point, such as ⟨U+202E⟩.

    Escape sequences would act on a terminal, and marks of direction show a person another text than a compiler reads.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in _LAYOUT or not _hidden(c) else f"⟨U+{ord(c):04X}⟩" for c in text)


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def fenced(source: str) -> str:
    """Write a code block whose fence is longer than any run of backticks inside."""
    fence = "`" * max(3, _longest(source) + 1)
    return f"{fence}metal\n{source.rstrip()}\n{fence}"


def inline(text: str, most: int = 160) -> str:
    """Shorten code or prose to one line of `most` characters."""
    line = " ".join(text.split())
    if len(line) <= most:
        line = line
    else:
        line = line[: most - 1] + "…"
    fence = "`" * (_longest(line) + 1)
    if line.startswith("`") or line.endswith("`"):
        pad = " "
    else:
        pad = ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _longest(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
