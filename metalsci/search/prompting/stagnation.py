"""Is the search circling a local optimum? The rule of the published harness (arXiv 2605.09708)."""

from metalsci.search.archive import Archive

WINDOW = 3
GAP = 0.15


def stagnates(archive: Archive) -> bool:
    """The last three correct attempts all scored within 15 % of the incumbent, and none became the incumbent."""
    recent = archive.recent_correct(WINDOW)
    if len(recent) < WINDOW or any(entry.promoted for entry in recent):
        return False
    return min(entry.score for entry in recent) >= (1 - GAP) * archive.incumbent.score
