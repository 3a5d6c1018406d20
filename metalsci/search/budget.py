"""The budget: when a search ends.

It is checked before a model is asked, with the most that the call may use, so tokens and dollars are never overdrawn.
Minutes can be, by no more than the iteration that is under way.
"""

from dataclasses import dataclass

from metalsci.models.protocol import Expense


class BudgetError(Exception):
    """The budget cannot be kept: it is in dollars, and the model has no known price."""


@dataclass(frozen=True)
class Spent:
    """The amounts that a search has used. This process counts minutes; tokens and dollars cover the whole journal.

    unpriced: answers of unknown price, not in `dollars`. estimated: answers whose tokens no provider counted.
    """

    iterations: int = 0
    seconds: float = 0.0
    tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    estimated: int = 0


@dataclass(frozen=True)
class Budget:
    """Limits of a search; the first that is reached ends it, and null is no limit.

    - iterations: proposals, not counting the seed kernel.
    - minutes: wall clock of this process.
    - tokens: sent and generated; a call that could overdraw them is not made.
    - dollars: at the prices of the model's config; a call that could overdraw them is not made.
    - target: a speedup over the seed kernel, by the search's own scores; reaching it ends the search.
    - patience: proposals without a new incumbent.
    """

    iterations: int
    minutes: float | None = None
    tokens: int | None = None
    dollars: float | None = None
    target: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ValueError(f"budget.iterations={self.iterations}: a search needs at least one iteration")
        for what in ("minutes", "tokens", "dollars", "target", "patience"):
            limit = getattr(self, what)
            if limit is not None and limit <= 0:
                raise ValueError(f"budget.{what}={limit}: give a positive number, or null for no limit")

    def reached(self, speedup: float, stale: int) -> str | None:
        """Return the reason to stop, if the incumbent is fast enough or has stood for long enough; else None.

        stale: proposals since the incumbent was promoted.
        """
        if self.target is not None and speedup >= self.target:
            return "target"
        if self.patience is not None and stale >= self.patience:
            return "patience"
        return None

    def ended_by(self, spent: Spent) -> str | None:
        """Name the limit that has been reached; None while the search may ask for more."""
        if spent.iterations >= self.iterations:
            return "iterations"
        if self._late(spent):
            return "minutes"
        return None

    def forbids(self, spent: Spent, ahead: Expense) -> str | None:
        """Name the limit that a call could overdraw if it uses `ahead` on top of `spent`; None if it may be made.

        Raises BudgetError if `ahead` has no known price and dollars are limited.
        """
        if self._late(spent):
            return "minutes"
        if self.tokens is not None and spent.tokens + ahead.tokens > self.tokens:
            return "tokens"
        if self.dollars is not None:
            if ahead.dollars is None:
                raise BudgetError(
                    "budget.dollars needs the model's price, which conf/prices does not have: "
                    "set model.price=[INPUT,CACHED,OUTPUT] in dollars per million tokens (of an agent model.dollars), "
                    "or limit budget.tokens instead"
                )
            if spent.dollars + ahead.dollars > self.dollars:
                return "dollars"
        return None

    def _late(self, spent: Spent) -> bool:
        return self.minutes is not None and spent.seconds >= 60 * self.minutes
