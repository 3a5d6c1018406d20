"""Tiers of a provider: how soon it answers, and at what price."""

from enum import Enum


class Tier(Enum):
    """standard: soon, at the list price. flex: minutes later, half the price. batch: hours later, half the price."""

    standard = "standard"
    flex = "flex"
    batch = "batch"


FLEX_TIMEOUT = 900.0  # seconds without a byte that a flex answer may take, by the providers' advice


def require(tier: Tier, *offered: Tier, provider: str) -> None:
    """Raise ValueError for a tier that a provider does not have, or that is not reached from here."""
    if tier not in (Tier.standard, *offered):
        names = ", ".join(each.value for each in (Tier.standard, *offered))
        raise ValueError(f"model.tier={tier.value}: {provider} takes {names} here")
