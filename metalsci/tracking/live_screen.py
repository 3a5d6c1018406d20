"""The lower lines of a terminal while a run is under way: best so far, last outcomes, what is awaited, what is left."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.spinner import Spinner
from rich.text import Text

from metalsci.evaluation.results import Outcome
from metalsci.msl.text.quoting import visible
from metalsci.search.archive import Archive
from metalsci.search.budget import Budget

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24  # of the sparkline, and outcomes shown
_PACE = 10  # iterations by which the time that is left is estimated
_STEP = re.compile(r"iteration (\d+): (.*)", re.DOTALL)
_MARKS = {Outcome.SCORED: "·", Outcome.DUPLICATE: "="}  # × otherwise


class LiveScreen:
    """A renderable. It is told of steps and entries and shows what they add up to.

    clock: seconds, for tests.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._clock = clock
        self._begin = clock()
        self._best: list[float] = []  # of the incumbent, as speedups
        self._marks: deque[str] = deque(maxlen=_WIDTH)
        self._ends: deque[float] = deque([self._begin], maxlen=_PACE + 1)
        self._flights: dict[int, tuple[str, float]] = {}
        self._step = ("starting", self._begin)
        self._attempts = self._stale = self._tokens = 0
        self._dollars = 0.0
        self._spinner = Spinner("dots")

    def step(self, text: str) -> None:
        """Learn what is being done now."""
        match = _STEP.match(text)
        if match:
            self._flights[int(match[1])] = (match[2], self._clock())
        else:
            self._flights.clear()
            self._step = (text, self._clock())

    def entry(self, archive: Archive) -> None:
        """Learn that an iteration ended."""
        entry = archive.last
        self._flights.pop(entry.iteration, None)
        self._attempts, self._stale = archive.attempts, archive.stale
        self._best.append(archive.self_speedup(archive.incumbent) or 0.0)
        if entry.iteration:
            self._marks.append("▲" if entry.promoted else _MARKS.get(entry.evaluation.outcome, "×"))
            self._ends.append(self._clock())
        if entry.reply is not None:
            self._tokens += entry.reply.usage.total
            self._dollars += entry.reply.cost or 0.0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines():
            yield Text(line, no_wrap=True, overflow="ellipsis")
        step, since = self._step
        if self._flights or not self._best:
            step = "searching" if self._best else step
        if self._flights:
            for_how_long = ""
        else:
            for_how_long = f" · {_duration(self._clock() - since)}"
        self._spinner.update(text=f"{visible(step)}{for_how_long}")
        yield self._spinner

    def lines(self) -> Iterator[str]:
        """Yield what is known, a line each."""
        if self._best and self._best[-1]:
            yield f" best {self._best[-1]:.2f}×  {sparkline(self._best)}   last {''.join(self._marks) or 'none yet'}"
        yield " left " + " · ".join(self._left())
        if self._flights:
            yield f" {len(self._flights)} in flight: " + " · ".join(self._awaited())

    def _left(self) -> Iterator[str]:
        """Yield every limit of the budget with what is left of it, and the time until the search ends."""
        budget = self._budget
        yield f"iterations {max(0, budget.iterations - self._attempts)} of {budget.iterations}"
        elapsed = self._clock() - self._begin
        if budget.minutes is not None:
            yield f"time {_duration(max(0.0, 60 * budget.minutes - elapsed))}"
        if budget.tokens is not None:
            yield f"tokens {max(0, budget.tokens - self._tokens):,}"
        elif self._tokens:
            yield f"tokens {self._tokens:,} used"
        if budget.dollars is not None:
            yield f"dollars {max(0.0, budget.dollars - self._dollars):.2f}"
        elif self._dollars:
            yield f"${self._dollars:.2f} used"
        if budget.patience is not None:
            yield f"patience {max(0, budget.patience - self._stale)}"
        if budget.target is not None:
            yield f"target {budget.target:g}×"
        yield f"elapsed {_duration(elapsed)}"
        eta = self._eta(elapsed)
        if eta is not None:
            yield f"about {_duration(eta)} to go"

    def _eta(self, elapsed: float) -> float | None:
        if len(self._ends) < 2:
            return None
        pace = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        left = pace * max(0, self._budget.iterations - self._attempts)
        if self._budget.minutes is not None:
            left = min(left, max(0.0, 60 * self._budget.minutes - elapsed))
        return left

    def _awaited(self) -> Iterator[str]:
        """Yield each request under way with what it waits for, the oldest first."""
        now = self._clock()
        for number, (text, since) in sorted(self._flights.items()):
            yield f"{number} {visible(text)} {_duration(now - since)}"


def sparkline(values: list[float]) -> str:
    """Draw values as bars, at most 24 of them, each the last of its share."""
    if len(values) > _WIDTH:
        values = [values[(i + 1) * len(values) // _WIDTH - 1] for i in range(_WIDTH)]
    low, high = min(values), max(values)
    if high <= low:
        return _BARS[0] * len(values)
    return "".join(_BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02} h"
    if minutes:
        return f"{minutes}:{rest:02} min"
    return f"{rest} s"
