"""How freely a compiler may treat floating-point arithmetic."""

from enum import Enum


class MathMode(Enum):
    """`fast` may reorder, contract and assume; it is Metal's own default. `safe` is IEEE 754."""

    fast = "fast"
    safe = "safe"
