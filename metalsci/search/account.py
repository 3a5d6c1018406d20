"""The account of a search: what its models have used so far, and what the answers under way may still use."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from metalsci.models.protocol import Expense, Response
from metalsci.search.budget import Budget, Spent


class Account:
    """Running sum of the answers as they arrive. Safe to use by several threads.

    seconds: the wall clock of this process so far.
    """

    def __init__(self, seconds: Callable[[], float] = lambda: 0.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._spent = Spent()
        self._reserved_tokens = 0
        self._reserved_dollars = 0.0

    def add(self, response: Response) -> None:
        with self._lock:
            old = self._spent
            self._spent = Spent(
                tokens=old.tokens + response.usage.total,
                dollars=old.dollars + (response.cost or 0.0),
                unpriced=old.unpriced + (response.cost is None),
                estimated=old.estimated + response.usage.estimated,
            )

    def spent(self, iterations: int) -> Spent:
        """Return what that many iterations have used so far."""
        old = self._spent
        return Spent(iterations, self._seconds(), old.tokens, old.dollars, old.unpriced, old.estimated)

    @contextmanager
    def reserve(self, budget: Budget, ahead: Expense) -> Iterator[str | None]:
        """Reserve the worst case of a call while it is under way. Yields the limit that forbids the call, or None.

        Without a reservation, several answers that are under way would each see the whole budget.
        """
        with self._lock:
            tokens = self._reserved_tokens + ahead.tokens
            dollars = None if ahead.dollars is None else self._reserved_dollars + ahead.dollars
            limit = budget.forbids(self.spent(0), Expense(tokens, dollars))
            if limit is None:
                self._reserved_tokens = tokens
                self._reserved_dollars = dollars or self._reserved_dollars
        try:
            yield limit
        finally:
            if limit is None:
                with self._lock:
                    self._reserved_tokens -= ahead.tokens
                    self._reserved_dollars -= ahead.dollars or 0.0
