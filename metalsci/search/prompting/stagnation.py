"""Is the search circling a local optimum? The rule of the published harness (arXiv 2605.09708)."""

from metalsci.search.history import History

WINDOW = 3
GAP = 0.15


def stagnates(history: History) -> bool:
    """The last three correct attempts all scored within 15 % of the incumbent, and none became the incumbent."""
    best = history.seed.score
    promoted: list[bool] = []
    scores: list[float] = []
    for entry in history.proposals:
        if entry.evaluation.outcome.correct:
            promoted.append(entry.score > best)
            scores.append(entry.score)
            best = max(best, entry.score)
    recent = scores[-WINDOW:]
    if len(recent) < WINDOW or any(promoted[-WINDOW:]):
        return False
    return min(recent) >= (1 - GAP) * best
