"""The seeds of the inputs that candidates are judged on, which no candidate and no model can have known.

Anyone who reads this code could work out the inputs of a fixed seed. So a run draws its own when it first starts, keeps
it in its journal, and uses it to its end.
"""

import secrets

import numpy as np


def fresh_seed() -> int:
    """Draw a seed from the operating system's entropy; small enough for every format that numbers pass through."""
    return secrets.randbits(48)


def in_distribution(seed: int, index: int) -> np.random.Generator:
    """Return the generator for the inputs of the size at place `index` of those that a search may see."""
    return np.random.default_rng([seed, 0, index])


def held_out(seed: int) -> np.random.Generator:
    """Return the generator for the inputs of the held-out size."""
    return np.random.default_rng([seed, 1])
