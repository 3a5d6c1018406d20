"""The demands on a candidate besides the right answer, by name, so that a test can show the use of each check."""

from enum import StrEnum


class Safeguard(StrEnum):
    """A check of a candidate. All are on in every evaluation, duel and gate; tests switch one off at a time."""

    POISON = "poison"
    """Outputs, scratch and padding are overwritten before every run, timed or not, each time with another pattern."""
    TURNS = "turns"
    """Results of timed runs are compared at turns that are drawn after the candidate was compiled."""
    BITWISE = "bitwise"
    """Those results are the same bits each time, if the task promises it."""
    GUARDS = "guards"
    """Bytes before and after each buffer hold what they held, and inputs are what they were."""
    PROBES = "probes"
    """Each size is tried on further contents."""
    DRAWN = "drawn"
    """Small problems are drawn for each candidate: other extents, other physics, other steps."""
    FLOORS = "floors"
    """A result that is faster than an empty kernel, or than the machine, is suspect."""


ALL = frozenset(Safeguard)
