"""A limited wait for calls that may not come back."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LEAST = 0.1  # seconds that a call gets when all are spent


class Allowance:
    """Seconds that several calls share. The clock starts with the first call."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: float | None = None

    @property
    def left(self) -> float:
        """Seconds that are left, at least a moment."""
        if self._ends is None:
            self._ends = time.monotonic() + self._seconds
        return max(_LEAST, self._ends - time.monotonic())

    def within(self, seconds: float, call: Callable[[], T]) -> T:
        """Wait `seconds` for a call, or as long as is left. Raises TimeoutError, and what the call raises."""
        return within(max(_LEAST, min(seconds, self.left)), call)


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return or raise the result of `call`. Raises TimeoutError if it takes longer.

    A call that is given up goes on in a daemon thread, which does not keep the process alive.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # it belongs to the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="metalsci-patience")
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return results[0]
