"""The freedom of a compiler in floating-point arithmetic."""

from enum import Enum


class MathMode(Enum):
    """Mode of arithmetic. `fast` may reorder, contract and assume; it is Metal's own default. `safe` is IEEE 754."""

    fast = "fast"
    safe = "safe"
