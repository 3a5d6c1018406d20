"""A limited wait for a call that may not come back."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


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
