"""A terrain made of recorded runs: models do with a kernel of some speed what they did before.

A journal answers only the requests that were made, and other strategies ask for other parents. So an answer here is a
step drawn from those that were recorded from parents about as fast. This keeps how often answers fail and how far they
rise or fall; it loses everything about the kernels themselves. No kernel is faster than the fastest that was recorded:
the steps that led there would else lead on for ever.
"""

import math
import random
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from metalsci.search.journal import Recording

_FEWEST = 12  # steps to draw from


class RecordedSteps:
    """Candidates that are speeds. Raises ValueError if the runs hold no step."""

    start = "speed 0.0 draft 0;"

    def __init__(self, name: str, recordings: Iterable[Recording]) -> None:
        self.name = name
        self._steps = sorted(_steps(recordings), key=lambda step: step[0])
        if not self._steps:
            raise ValueError(f"{name}: the recorded runs hold no answer to a request")
        self._speeds = [speed for speed, _ in self._steps]
        self._fastest = max(speed + (rise or 0.0) for speed, rise in self._steps)

    @property
    def steps(self) -> int:
        """Count the recorded steps."""
        return len(self._steps)

    def child(self, parents: Sequence[str], rng: random.Random) -> str | None:
        speed = max(self.worth(parent) for parent in parents)
        rise = rng.choice(self._near(speed))
        if rise is None:
            return None
        return f"speed {min(speed + rise, self._fastest):.6f} draft {rng.getrandbits(40)};"

    def worth(self, source: str) -> float:
        found = re.match(r"speed (-?[\d.]+)", source)
        if found:
            return float(found[1])
        return 0.0

    def _near(self, speed: float) -> list[float | None]:
        """Return the rises of the steps whose parents were closest in speed."""
        count = min(len(self._steps), max(_FEWEST, len(self._steps) // 5))
        middle = bisect_left(self._speeds, speed)
        begin = min(max(0, middle - count // 2), len(self._steps) - count)
        return [rise for _, rise in self._steps[begin : begin + count]]


def has_steps(recordings: Iterable[Recording]) -> bool:
    """Check if any run holds an answer to a request."""
    return any(True for _ in _steps(recordings))


def _steps(recordings: Iterable[Recording]) -> Iterable[tuple[float, float | None]]:
    """Yield each recorded answer's parent speed over the seed kernel, and the rise from there; None if it failed.

    Both are logarithms to base 2.
    """
    for recording in recordings:
        entries = {entry.iteration: entry for entry in recording.entries}  # 0 is the start, if there is one
        for entry in recording.entries:
            if not entry.parents:
                continue
            parent, seed = entries[entry.parents[0]].score, recording.entries[0].score
            if parent > 0 and seed > 0:
                yield math.log2(parent / seed), math.log2(entry.score / parent) if entry.score > 0 else None
