"""Charts as PDF and PNG, by Typst: a wheel for every platform that needs no library of the system."""

from functools import cache
from typing import Any, Literal

from metalsci.files.extras import ExtraMissingError, imported

_PAGE = '#set page(width: auto, height: auto, margin: 0pt)\n#image("/chart.svg", width: {width}pt)\n'
_WIDTH = 330  # points; a column of a paper


def as_pdf(svg: str) -> bytes:
    """Draw vectors and text, so that it scales and can be searched. Raises ExtraMissingError."""
    return _compiled(svg, "pdf")


def as_png(svg: str) -> bytes:
    """Draw for places that show pictures only. Raises ExtraMissingError."""
    return _compiled(svg, "png")


def can_draw() -> bool:
    """Check if Typst is installed."""
    try:
        _typst()
    except ExtraMissingError:
        return False
    return True


def _compiled(svg: str, kind: Literal["pdf", "png"]) -> bytes:
    source = _PAGE.format(width=_WIDTH).encode()
    made: bytes = _typst().compile({"main.typ": source, "chart.svg": svg.encode()}, format=kind, ppi=220.0)
    return made


@cache
def _typst() -> Any:
    return imported("typst", "figures")
