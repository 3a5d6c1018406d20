"""Seconds of a run, by phase."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """A sum of wall-clock seconds by phase. Phases do not nest: a nested one would be counted twice.

    Several threads may be in phases at once, so phases may add up to more than the total.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[name] += time.perf_counter() - begin

    @property
    def total(self) -> float:
        return time.perf_counter() - self.started
