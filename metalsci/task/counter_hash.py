"""The random numbers that kernels and references share: a hash of a counter, exact on every device.

The mixer is the finaliser of MurmurHash3 (public domain).
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]


def mix(x: Words) -> Words:
    """Mix 32-bit words: a bijection that spreads every bit of its argument over all of the result."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def uniform(x: Words) -> NDArray[np.floating]:
    """Return the upper 24 bits as a number in [0, 1), which single precision holds exactly."""
    return (x >> np.uint32(8)) * 2.0**-24
