"""The progress bar of a run under way."""

import io
import re

import pytest
from rich.console import Console

from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.models.protocol import Reply
from metalsci.search.archive import Archive, Entry
from metalsci.tracking.console import ConsoleView


@pytest.fixture
def shown():
    """Show a run of one iteration on a terminal, after its search: the view, and the terminal's output."""
    out = io.StringIO()
    view = ConsoleView(1, Console(file=out, force_terminal=True, width=120))
    archive = Archive(Entry(0, "seed", Evaluation(Outcome.SCORED, score=0.5)))
    view.entry(archive)
    better = Evaluation(Outcome.SCORED, score=0.6)
    archive.add(Entry(1, "better", better, reply=Reply(cost=0.25), decision=Decision(True)))
    view.entry(archive)
    yield view, out
    view.close(failed=False)


def test_it_names_the_best_so_far_and_the_cost(shown):
    view, out = shown
    view._progress.refresh()  # else ten times a second, in its own time
    told = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert "1/1 best 1.20× $0.25" in told


@pytest.mark.parametrize("step", ["confirming: seed kernel and incumbent side by side", "held-out gate"])
def test_its_clock_runs_on_until_the_gate_has_spoken(shown, step):
    view, out = shown
    view.step(step)
    view._progress.refresh()
    assert not view._progress.finished
    assert step[:10] in out.getvalue()
