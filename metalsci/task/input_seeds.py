"""Which inputs candidates are judged on: those of a seed that no candidate, and no model, can have known.

Whoever reads this code could work out the inputs of any seed. So a run draws its own when it first starts, keeps it
with what it did, and uses it to its end.
"""

import secrets

import numpy as np


def fresh_seed() -> int:
    """From the operating system's entropy; small enough for every format that numbers pass through."""
    return secrets.randbits(48)


def in_distribution(seed: int, index: int) -> np.random.Generator:
    """Draws the inputs of the size at place `index` of those that a search may see."""
    return np.random.default_rng([seed, 0, index])


def held_out(seed: int) -> np.random.Generator:
    """Draws the inputs of the held-out size."""
    return np.random.default_rng([seed, 1])
