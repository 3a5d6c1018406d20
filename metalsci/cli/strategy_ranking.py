"""The command `python -m metalsci.strategies`: read conf/strategy, run the comparison, print tables."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import OmegaConf
from rich.box import SIMPLE_HEAD
from rich.table import Table
from yaml import YAMLError

from metalsci.cli.strategy_plot import plot_standings
from metalsci.files.locations import data, shown
from metalsci.search.journal import JournalError, Recording, read_recording
from metalsci.search.landscapes.ladder import Ladder
from metalsci.search.landscapes.recorded_steps import RecordedSteps, has_steps
from metalsci.search.landscapes.rugged import Rugged
from metalsci.search.strategies.protocol import Strategy
from metalsci.search.strategy_comparison import CONTROL, MakeStrategy, MakeTerrain, Standing, compare
from metalsci.tracking.console import make_console


class StrategyUsageError(Exception):
    """A request for something that does not exist; the message says what does."""


def list_strategies() -> None:
    """Print the options of conf/strategy with their first lines."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, path in _options().items():
        table.add_row(name, path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    console = make_console()
    console.print(table)
    console.print("\nchoose one with: python -m metalsci.run strategy=NAME", highlight=False)


def rank(
    *, evaluations: int, runs: int, only: Sequence[str] | None, recorded: Sequence[Path], plot: Path | None
) -> None:
    """Print a table for each landscape. Raises StrategyUsageError."""
    options = _options()
    console = make_console()
    chosen = [*dict.fromkeys([CONTROL, *(only or options)])]
    unknown = [name for name in chosen if name not in options]
    if unknown:
        raise StrategyUsageError(f"no strategy is called {unknown[0]}: there are {', '.join(options)}")
    strategies: dict[str, MakeStrategy] = {}
    for name in chosen:
        lacking = _lacking(options[name])
        if lacking is None:
            strategies[name] = partial(make_strategy, options[name])
        elif only:
            raise StrategyUsageError(lacking)
        else:
            console.print(f"left out: {lacking}", style="dim", markup=False, soft_wrap=True)
    terrains: dict[str, MakeTerrain] = {"rugged": lambda seed: Rugged(seed=seed), "ladder": lambda seed: Ladder()}
    if recorded:
        by_task = _recorded(recorded)
        terrains["recorded"] = lambda seed: by_task[seed % len(by_task)]
        console.print(_told_of(by_task, runs), style="dim", markup=False, soft_wrap=True)
    standings = compare(strategies, terrains, evaluations=evaluations, runs=runs)
    for landscape in terrains:
        console.print(_table(landscape, [s for s in standings if s.landscape == landscape], evaluations, runs))
    if plot is not None:
        plot.write_text(plot_standings(standings), encoding="utf-8")
        console.print(f"plot: {shown(plot)}", highlight=False)


def make_strategy(option: Path, seed: int) -> Strategy:
    """Make a strategy from its yaml, with this random seed."""
    config = OmegaConf.create({"seed": seed, "strategy": OmegaConf.load(option)})
    strategy: Strategy = instantiate(config.strategy, _convert_="all")
    return strategy


def _lacking(option: Path) -> str | None:
    """Say why a strategy cannot be made here: it needs a package that is not installed."""
    try:
        make_strategy(option, 0)
    except Exception as error:  # of Hydra, which wraps it in one version and not in another
        return str(error.__cause__ or error)
    return None


def _options() -> dict[str, Path]:
    return {path.stem: path for path in sorted((data("conf") / "strategy").glob("*.yaml"))}


def _recorded(folders: Sequence[Path]) -> list[RecordedSteps]:
    """Make a terrain of the runs of each task: steps of several tasks together would be those of none.

    Raises StrategyUsageError.
    """
    recordings: dict[str, list[Recording]] = {}
    for folder in folders:
        if folder.is_dir():
            path = folder / "journal.jsonl"
        else:
            path = folder
        try:
            recordings.setdefault(_task_of(path.parent), []).append(read_recording(path))
        except (OSError, JournalError) as error:
            raise StrategyUsageError(f"--recorded {folder} is not the folder of a run: {error}") from error
    found = [RecordedSteps(task, runs) for task, runs in sorted(recordings.items()) if has_steps(runs)]
    if not found:
        raise StrategyUsageError("the recorded runs hold no answer to a request")
    return found


def _task_of(folder: Path) -> str:
    """Read the task of a run; runs that do not say count as of one task."""
    try:
        config = OmegaConf.load(folder / "config.yaml")
    except (OSError, YAMLError):
        return ""
    return str(OmegaConf.select(config, "task.name", default=""))


def _told_of(terrains: Sequence[RecordedSteps], runs: int) -> str:
    told = ", ".join(f"{terrain.name or 'no task told'} {terrain.steps}" for terrain in terrains)
    sentence = f"recorded: steps of {told}; each search has one of these tasks, in turn"
    if runs < len(terrains):
        sentence += f". Give --runs {len(terrains)} or more, or some tasks are not seen"
    return sentence


def _table(landscape: str, standings: Sequence[Standing], evaluations: int, runs: int) -> Table:
    title = f"{landscape}: the incumbent after {evaluations} evaluations, {runs} runs; doublings over the seed kernel"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("strategy", no_wrap=True)
    for name in ("speed", "95 %", f"over {CONTROL}", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for standing in standings:
        final, gain = standing.final, standing.gain
        row = [standing.strategy, f"{final.mean:.2f}", f"{final.low:.2f}–{final.high:.2f}"]
        if standing.strategy == CONTROL:
            row += ["", ""]
        else:
            row += [f"{gain.mean:+.2f}", f"{gain.low:+.2f} to {gain.high:+.2f}"]
        table.add_row(*row, standing.verdict)
    return table
