"""A run on the console: a line for each iteration over a progress bar; at the end a table, a verdict, the files."""

import logging
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from metalsci.evaluation.paired import Contender
from metalsci.evaluation.results import Outcome
from metalsci.files.locations import shown
from metalsci.gate.verdicts import GateResult, Verdict
from metalsci.msl.text.quoting import visible
from metalsci.search.archive import Archive, Entry
from metalsci.search.budget import Budget
from metalsci.search.status_files import machine_seconds
from metalsci.tracking.live_screen import LiveScreen
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary

log = logging.getLogger(__name__)

_STYLES = {Verdict.GENERALIZES: "green", Verdict.TIED: "yellow", Verdict.UNDECIDED: "yellow"}  # red otherwise
_PLAIN_WIDTH = 120  # where output is no terminal


class ConsoleView(Observer):
    """Display of one run. Once closed the bar is gone and the cursor back."""

    def __init__(self, budget: Budget, console: Console | None = None) -> None:
        self._console = console or make_console()
        self._screen = LiveScreen(budget)
        self._live = Live(self._screen, console=self._console, transient=True, refresh_per_second=4)
        if self._console.is_terminal:
            self._live.start()

    def start(self, info: RunInfo) -> str:
        for line in info.head:
            log.info(line)
            self._console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
        return ""

    def _print_columns(self) -> None:
        columns = f"{'outcome':<16} {'score':>8} {'speedup':>8} {'model':>8} {'machine':>8}"
        row = f"{'iter':>4}  {columns}   idea, or what went wrong"
        self._console.print(Text(row, style="bold"), no_wrap=True, overflow="ellipsis")

    def step(self, text: str) -> None:
        self._screen.step(text)

    def entry(self, archive: Archive) -> None:
        entry = archive.last
        if entry is archive.seed:
            self._print_columns()
        row = self._row(archive, entry)
        log.info(row.plain)
        self._console.print(row, no_wrap=True, overflow="ellipsis")
        self._screen.entry(archive)

    def _row(self, archive: Archive, entry: Entry) -> Text:
        speedup = archive.self_speedup(entry)
        improved = entry.promoted
        outcome = entry.evaluation.outcome
        if improved:
            style = "bold green"
        elif outcome.correct:
            style = ""
        else:
            style = "red"
        score = f"{entry.score:.4f}" if entry.score else ""
        ratio = f"{speedup:.2f}×" if speedup else ""
        mark = "▲" if improved else " "
        if entry.seconds.get("model"):
            model = f"{entry.seconds['model']:.1f} s"
        else:
            model = ""
        times = f"{model:>8} {machine_seconds(entry):>6.1f} s"
        row = f"{entry.iteration:>4}  {outcome:<16} {score:>8} {ratio:>8} {times} {mark} "
        return Text(row, style=style).append(_note(entry), style="dim")

    def finish(self, summary: Summary, files: Sequence[Path]) -> str:
        self._live.stop()
        self._console.print()
        if summary.duels:
            self._console.print(_table(summary))
        self._console.print(
            f"{'' if summary.measured else 'predicted '}self-speedup {summary.self_speedup:.2f}× "
            f"(score {summary.seed_score:.4f} → {summary.best_score:.4f}), "
            f"found at iteration {summary.best_iteration} of {summary.iterations}",
            style="bold",
            highlight=False,
        )
        if summary.predicted is not None and summary.duels:
            self.say(str(summary.predicted), style="bold")
        verdict = _verdict(summary.gate)
        log.info(verdict.plain)
        self._console.print(verdict)
        for finding in summary.gate.findings:
            self.say(f"  {finding}", style="yellow")
        if summary.corrected:
            self.say(summary.corrected, style="yellow")
        self.say(_spent(summary), style="dim")
        self._console.print("files", style="dim")
        for file in files:
            self._console.print(f"  {shown(file)}", highlight=False, soft_wrap=True)
        return ""

    def close(self, failed: bool) -> None:
        self._live.stop()

    def say(self, text: str, style: str = "") -> None:
        self._console.print(visible(text), style=style, highlight=False, markup=False, soft_wrap=True)


def make_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console on standard output, or on standard error if the output belongs to a program that reads it.

    quiet: print nothing.
    """
    console = Console(stderr=stderr, quiet=quiet)
    if console.is_terminal and not quiet:
        return console
    return Console(stderr=stderr, quiet=quiet, width=_PLAIN_WIDTH)


def _note(entry: Entry) -> str:
    """Return the first line of the model's prose, or the first diagnostic or the message of a failure.

    Before it stands which earlier candidate it nearly is.
    """
    near = f"{entry.near}: " if entry.near else ""
    return near + _told(entry)


def _told(entry: Entry) -> str:
    evaluation = entry.evaluation
    if evaluation.outcome is Outcome.COMPILE_ERROR and evaluation.diagnostics:
        first = evaluation.diagnostics[0]
        return visible(f"{first.line}:{first.column} {first.message}")
    if not evaluation.outcome.correct:
        return visible(evaluation.message.replace("\n", " "))
    if entry.reply is None:
        if entry.promoted:
            return "the kernel given as the start"
        return "the seed kernel"
    return _gain(entry) + entry.reply.headline


def _gain(entry: Entry) -> str:
    """Say what promoted a challenger: a paired ratio, which its score of another minute may contradict."""
    figures = {} if entry.decision is None else entry.decision.figures
    if entry.promoted and "speedup" in figures and "pairs" in figures:
        return f"{figures['speedup']:.2f}× the last best in {figures['pairs']:.0f} pairs: "
    return ""


def _spent(summary: Summary) -> str:
    """Say which limit ended the search, and how much the model used, if it used any."""
    spent = summary.spent
    told = f"ended by {summary.ended_by}"
    if spent.tokens:
        told += f"; {spent.tokens:,} tokens, ${spent.dollars:.2f}"
    if spent.unpriced:
        told += f"; answers of unknown price: {spent.unpriced}"
    if spent.estimated:
        told += f"; answers of estimated length: {spent.estimated}"
    return told


def _table(summary: Summary) -> Table:
    """Make a table that fits a terminal of 80 columns. What is predicted has a column of its own."""
    duels = summary.duels
    if summary.predicted and summary.measured:
        predicted = summary.predicted.sizes
    else:
        predicted = {}
    units = {side.roofline.unit for duel in duels for side in (duel.seed, duel.challenger) if side.roofline}
    table = Table(
        title="seed kernel and incumbent, " + ("side by side" if summary.measured else "predicted, not measured"),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("size")
    table.add_column("kernel")
    for name in ("ms", "/".join(sorted(units)) or "rate", "ceiling", "of it", "speedup", "quartiles"):
        table.add_column(name, justify="right", no_wrap=True)
    if predicted and summary.predicted:
        table.add_column(f"predicted\n{summary.predicted.gpu}", justify="right")
    for duel in duels:
        table.add_row(duel.label, "seed", *_short(duel.seed), "", "")
        if duel.quartiles:
            spread = f"{duel.quartiles[0]:.2f}–{duel.quartiles[1]:.2f}"
        else:
            spread = ""
        if duel.speedup:
            ratio = f"{duel.speedup:.2f}×"
        else:
            ratio = ""
        if duel.label in predicted:
            foreseen = [f"{predicted[duel.label]:.2f}×"]
        else:
            foreseen = []
        table.add_row("", "incumbent", *_short(duel.challenger), ratio, spread, *foreseen, end_section=True)
    return table


def _short(side: Contender) -> tuple[str, ...]:
    """Format figures whose units stand above the column."""
    return tuple(figure.split()[0] if index < 2 and figure else figure for index, figure in enumerate(figures(side)))


def figures(side: Contender) -> tuple[str, str, str, str]:
    if side.timing is None or side.roofline is None:
        return (str(side.outcome), "", "", "")
    roof = side.roofline
    return (
        f"{1e3 * side.timing.median:.3f} ms",
        f"{roof.achieved:.4g} {roof.unit}",
        f"{roof.ceiling:.4g}",
        f"{100 * roof.fraction:.1f} %",
    )


def _verdict(gate: GateResult) -> Text:
    text = Text("held-out gate: ", style="bold").append(
        str(gate.verdict), style=f"bold {_STYLES.get(gate.verdict, 'red')}"
    )
    disagree = gate.verdict is Verdict.WOULD_NOT_TRANSFER or gate.evidence.startswith("predicted")
    if gate.heldout_speedup is not None and gate.quartiles is not None and not disagree:
        low, high = gate.quartiles
        return text.append(f", {gate.heldout_speedup:.2f}× at {gate.size} (quartiles {low:.2f}–{high:.2f})", style="")
    return text.append(f": {gate.evidence}" + (f"; {gate.reason}" if gate.reason else ""), style="")
