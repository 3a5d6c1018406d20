"""The price of an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.models.protocol import Usage
from metalsci.models.tier import Tier

_WRITING = 1.25  # of the price of input that Anthropic writes into its cache; the others write for nothing
_SLOWER = 0.5  # of the standard price, for flex and batch, at all three providers


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens: of input, of input that the provider had cached, and of output."""

    input: float
    cached: float
    output: float

    def __post_init__(self) -> None:
        if min(self.input, self.cached, self.output) < 0:
            raise ValueError(f"a price cannot be negative: {self}")

    def of(self, usage: Usage) -> float:
        fresh = usage.input - usage.cached + (_WRITING - 1) * usage.written
        return 1e-6 * (self.input * fresh + self.cached * usage.cached + self.output * usage.output)

    def at(self, tier: Tier) -> "Price":
        """Return the price of another tier: half of it all for one that may take longer."""
        factor = {Tier.standard: 1.0}.get(tier, _SLOWER)
        return Price(factor * self.input, factor * self.cached, factor * self.output)


@dataclass(frozen=True)
class PriceTable:
    """The list prices.

    - date: when they were read.
    - models: [input, cached input, output] in dollars per million tokens, by the name of the model.
    """

    date: str
    models: Mapping[str, Sequence[float]]

    def price(self, model: str, override: Sequence[float] | None = None) -> Price | None:
        """Return `override` if the config has one, else the table's price; None for a model that it does not know.

        Raises ValueError unless the price has its three numbers.
        """
        figures = override if override is not None else self.models.get(model)
        if figures is None:
            return None
        if len(figures) != 3:
            raise ValueError(f"a price is [input, cached input, output] in dollars per million tokens, not {figures}")
        return Price(*figures)
