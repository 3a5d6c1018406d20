"""The policy by which an ensemble chooses who answers."""

from enum import Enum


class Policy(Enum):
    """weights: drawn. bandit: the one that pays on this task."""

    weights = "weights"
    bandit = "bandit"
