"""The likeness of two sources as texts: see `metalsci.msl.language.program_form`."""

from metalsci.msl.language.parse import Unit, as_unit


def spelling(source: str | Unit) -> str:
    """Return a digest that two sources share if they are the same program but for names, comments and order."""
    return as_unit(source).form.spelling


def structure(source: str | Unit) -> frozenset[int]:
    """Return the short runs of tokens of a program, as numbers, with every name of its own alike."""
    return as_unit(source).form.structure
