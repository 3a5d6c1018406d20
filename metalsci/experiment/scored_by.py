"""The kinds of time that a challenger may be judged by. Apart from what does so, since `--help` reads it too."""

from enum import Enum


class ScoredBy(Enum):
    """Kind of time that a challenger is judged by.

    measured: of this machine. predicted: of a GPU that is not there. both: faster here, and not predicted slower there.
    """

    measured = "measured"
    predicted = "predicted"
    both = "both"
