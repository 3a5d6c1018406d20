"""The effort that a model puts into thinking before it answers."""

from enum import Enum


class Effort(Enum):
    """Levels that providers and models take; each takes some of these."""

    none = "none"
    minimal = "minimal"
    low = "low"
    medium = "medium"
    high = "high"
    xhigh = "xhigh"
    max = "max"
