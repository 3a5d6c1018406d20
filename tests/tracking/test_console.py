"""The live screen of a run under way, and the plain lines without a terminal."""

import io
import re

import pytest
from rich.console import Console

from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.protocol import Reply, Usage
from metalsci.search.archive import Archive, Entry
from metalsci.search.budget import Budget
from metalsci.search.loop import Watcher
from metalsci.tracking.console import ConsoleView
from metalsci.tracking.live_screen import LiveScreen, sparkline

SECONDS = {"model": 60.0, "total": 61.5}
FASTER = Decision(True, "faster", {"speedup": 1.234, "pairs": 8})


def follow(watcher: Watcher) -> Archive:
    """Follow a run of two iterations: one better kernel, one wrong one."""
    archive = Archive(Entry(0, "seed", Evaluation(Outcome.SCORED, score=0.5), seconds={"total": 2.0}))
    watcher.entry(archive)
    reply = Reply("Carry the row.", Usage(900, 0, 100), 0.25)
    better = Evaluation(Outcome.SCORED, score=0.6)
    archive.add(Entry(1, "better", better, reply=reply, seconds=SECONDS, decision=FASTER))
    watcher.entry(archive)
    archive.add(Entry(2, "wrong", Evaluation(Outcome.WRONG, "off by one"), reply=reply, seconds=SECONDS))
    watcher.entry(archive)
    return archive


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_the_screen_shows_best_outcomes_flights_and_every_budget() -> None:
    clock = Clock()
    screen = LiveScreen(Budget(10, 30, 50_000, 2.0, target=3.0, patience=4), clock)
    clock.now += 60
    follow(screen)
    screen.step("iteration 3: waiting for claude")
    clock.now += 5
    screen.step("iteration 4: about 200 tokens, 3 s")
    assert list(screen.lines()) == [
        " best 1.20×  ▁██   last ▲×",
        " left iterations 8 of 10 · time 28:55 min · tokens 48,000 · dollars 1.50 · patience 3 · target 3× · "
        "elapsed 1:05 min · about 4:00 min to go",
        " 2 in flight: 3 waiting for claude 5 s · 4 about 200 tokens, 3 s 0 s",
    ]


def test_without_limits_it_shows_what_was_used() -> None:
    clock = Clock()
    screen = LiveScreen(Budget(2), clock)
    follow(screen)
    assert list(screen.lines())[1] == (
        " left iterations 0 of 2 · tokens 2,000 used · $0.50 used · elapsed 0 s · about 0 s to go"
    )


@pytest.mark.parametrize("step", ["confirming: seed kernel and incumbent side by side", "held-out gate"])
def test_it_stays_until_the_gate_has_spoken(step: str) -> None:
    out = io.StringIO()
    view = ConsoleView(Budget(2), Console(file=out, force_terminal=True, width=160))
    try:
        follow(view)
        view.step("iteration 3: late")
        view.step(step)
        view._live.refresh()  # else four times a second, in its own time
        assert view._live.is_started
        told = plain(out.getvalue())
        assert step in told
        assert "best 1.20×" in told
    finally:
        view.close(failed=False)
    assert not view._live.is_started


def test_a_hostile_step_cannot_act_on_the_terminal() -> None:
    screen = LiveScreen(Budget(2))
    screen.step("iteration 1: \x1b[2Jgone")
    assert "\x1b" not in "".join(screen.lines())


def test_without_a_terminal_there_are_plain_lines_that_say_whose_time_it_was() -> None:
    out = io.StringIO()
    view = ConsoleView(Budget(2), Console(file=out, width=120))
    follow(view)
    view.step("held-out gate")
    view.close(failed=False)
    assert "\x1b" not in out.getvalue()
    lines = out.getvalue().splitlines()
    assert lines[0].split()[:6] == ["iter", "outcome", "score", "speedup", "model", "machine"]
    assert lines[1].split()[:6] == ["0", "scored", "0.5000", "1.00×", "2.0", "s"]
    assert lines[2].split()[:8] == ["1", "scored", "0.6000", "1.20×", "60.0", "s", "1.5", "s"]
    assert lines[2].endswith("▲ 1.23× the last best in 8 pairs: Carry the row.")
    assert "off by one" in lines[3]


def test_a_long_history_fits_into_its_bars() -> None:
    assert sparkline([1.0]) == "▁"
    assert len(sparkline([float(i) for i in range(1000)])) == 24
    assert sparkline([float(i) for i in range(1000)])[-1] == "█"
