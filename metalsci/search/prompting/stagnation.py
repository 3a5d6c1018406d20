"""The stagnation rule of the published harness (arXiv 2605.09708)."""

from metalsci.search.archive import Archive

WINDOW = 3
GAP = 0.15


def stagnates(archive: Archive) -> bool:
    """Return True if the last three correct attempts scored within 15 % of the incumbent, and none replaced it."""
    recent = archive.recent_correct(WINDOW)
    if len(recent) < WINDOW or any(entry.promoted for entry in recent):
        return False
    return min(entry.score for entry in recent) >= (1 - GAP) * archive.incumbent.score
