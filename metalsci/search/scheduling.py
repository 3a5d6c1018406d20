"""The settings `search.…`: how many answers are awaited at once, and in which order they count."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metalsci.search.flights import Flights


class Order(Enum):
    """The order in which the strategy is told. asked: repeatable. arrived: no answer waits for a slow one."""

    asked = "asked"
    arrived = "arrived"


@dataclass(frozen=True)
class Scheduling:
    """Number of answers that are awaited at once, and their order.

    - in_flight: 1 asks for the next kernel when the last one has been judged; one candidate is timed at a time.
    - order: asked (the strategy is told in the order of asking, repeatably) or arrived (as answers arrive).
    """

    in_flight: int = 1
    order: Order = Order.asked

    def __post_init__(self) -> None:
        if self.in_flight < 1:
            raise ValueError(f"search.in_flight={self.in_flight}: at least one answer is awaited")

    def flights(self) -> "Flights":
        from metalsci.search.flights import InTurn, SideBySide  # the schema is read by commands that run nothing

        if self.in_flight == 1:
            return InTurn()
        return SideBySide(self.in_flight, in_order=self.order is Order.asked)
