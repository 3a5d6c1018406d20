"""When a search ends. Checked before a model is asked, so no budget is overdrawn by more than one iteration."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """iterations: proposals, not counting the seed kernel. minutes: wall clock of this process, None for no limit."""

    iterations: int
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ValueError(f"budget.iterations={self.iterations}: a search needs at least one iteration")
        if self.minutes is not None and self.minutes <= 0:
            raise ValueError(f"budget.minutes={self.minutes}: give a positive number of minutes, or null for no limit")

    def ended_by(self, iterations: int, seconds: float) -> str | None:
        """Which limit has been reached, or None while the search may go on."""
        if iterations >= self.iterations:
            return "iterations"
        if self.minutes is not None and seconds >= 60 * self.minutes:
            return "minutes"
        return None
