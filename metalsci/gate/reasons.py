"""Possible reasons why a kernel does worse at the held-out size: the sizes that its text names."""

from collections.abc import Sequence

from metalsci.msl.text.lexer import tokenize
from metalsci.task.definition import Size

_SMALLEST = 8  # smaller numbers stand in every kernel


def reason(source: str, sizes: Sequence[Size], heldout: Size) -> str:
    """Say which scored sizes the source names, and whether it names the held-out one; empty if it names none."""
    numbers = _numbers(source)
    scored = sorted(_extents(sizes) & numbers)
    if not scored:
        return ""
    own = sorted((_extents([heldout]) - _extents(sizes)) & numbers)
    text = f"the source names {_listed(scored)}, which are extents of the sizes that were searched on"
    if own:
        return f"{text}, and {_listed(own)} of the held-out one"
    return f"{text}, and none of the held-out size's own: there it takes another branch"


def _numbers(source: str) -> set[int]:
    found = set()
    for token in tokenize(source.encode(errors="surrogatepass")):
        text = token.text.decode(errors="replace").rstrip("uUlL")
        if token.kind not in ("comment", "directive") and text.isdecimal() and len(text) < 10:
            found.add(int(text))
    return {number for number in found if number >= _SMALLEST}


def _extents(sizes: Sequence[Size]) -> set[int]:
    return {int(value) for size in sizes for name, value in size.extents.items() if name != "steps"}


def _listed(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    if most:
        return f"{', '.join(most)} and {last}"
    return last
