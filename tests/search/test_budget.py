from typing import Any

import pytest

from metalsci.models.protocol import Expense
from metalsci.search.budget import Budget, BudgetError, Spent


@pytest.mark.parametrize(
    "limits",
    [
        {"iterations": 0},
        {"iterations": -1},
        {"iterations": 3, "minutes": 0.0},
        {"iterations": 3, "minutes": -1.0},
        {"iterations": 3, "tokens": 0},
        {"iterations": 3, "dollars": -0.5},
    ],
)
def test_an_empty_budget_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"budget\.{list(limits)[-1]}"):
        Budget(**limits)


def test_whichever_limit_comes_first_ends_the_search() -> None:
    budget = Budget(iterations=10, minutes=1, tokens=1000, dollars=1.0)
    call = Expense(tokens=300, dollars=0.4)
    assert budget.ended_by(Spent(3, 30, 500, 0.5)) is None
    assert budget.ended_by(Spent(3, 60, 500, 0.5)) == "minutes"
    assert budget.ended_by(Spent(10, 30, 500, 0.5)) == "iterations"
    assert budget.forbids(Spent(3, 30, 500, 0.5), call) is None
    assert budget.forbids(Spent(3, 60, 500, 0.5), call) == "minutes"
    assert budget.forbids(Spent(3, 30, 701, 0.5), call) == "tokens"
    assert budget.forbids(Spent(3, 30, 500, 0.61), call) == "dollars"


def test_tokens_and_dollars_may_be_used_to_the_last() -> None:
    budget = Budget(iterations=10, tokens=1000, dollars=1.0)
    assert budget.forbids(Spent(3, 0, 700, 0.5), Expense(300, 0.5)) is None


def test_dollars_cannot_be_kept_without_a_price() -> None:
    with pytest.raises(BudgetError, match=r"model\.price"):
        Budget(10, dollars=1.0).forbids(Spent(), Expense(300, None))
    assert Budget(10, tokens=1000).forbids(Spent(), Expense(300, None)) is None
