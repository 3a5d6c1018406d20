"""Best of n: independent attempts at the seed kernel. The control that every other strategy must beat.

The model sees the seed kernel and no earlier attempt, so the gain of another search over this one comes from its memory
and its choice of parents.
"""

from collections.abc import Sequence

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive
from metalsci.search.request import Request


class BestOfN:
    """Strategy that asks for a better seed kernel, again and again.

    history: lines about earlier attempts in the prompt. 0 keeps the attempts independent; with more, the model knows
        what it need not try again.
    """

    def __init__(self, *, history: int = 0) -> None:
        if history < 0:
            raise ValueError(f"strategy.history={history}: a number of lines, at least 0")
        self._parts: dict[str, bool | int | str] = {"history": history, "stagnation": False}
        if not history:
            self._parts |= {"attempts": False, "notes": 0}

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        return [Request(parents=(0,), parts=self._parts) for _ in range(n)]

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        """Ignore the result: attempts are independent."""
