"""The population over time: candidates that were gone on from, with their groups."""

from dataclasses import replace
from pathlib import Path

from run_folders import write_run

from metalsci.report.chapters.populations import populations
from metalsci.report.contents import read_runs
from metalsci.report.reported_run import ReportedRun


def bred(folder: Path, parents: dict[int, int], **islands: int) -> ReportedRun:
    """Make a run whose candidates have these parents. islands: of its candidates, as `i4=1`."""
    (run,) = read_runs([write_run(folder, scores=(0.2,) * max(parents), strategy="islands")])
    notes = {int(name.removeprefix("i")): {"island": island} for name, island in islands.items()}
    iterations = tuple(
        replace(i, parents=(parents[i.number],), note=notes.get(i.number, {})) if i.number else i
        for i in run.iterations
    )
    return replace(run, iterations=iterations)


def test_a_population_is_drawn_from_birth_to_the_last_child(tmp_path: Path) -> None:
    run = bred(tmp_path / "run", {1: 0, 2: 0, 3: 1, 4: 2, 5: 0, 6: 1, 7: 2}, i1=0, i2=1, i3=0, i4=1, i6=0, i7=1)
    chapter = populations([run])
    assert chapter
    (chart,) = chapter.folds[0].charts
    spans = {line.points[0][0]: line.points[1][0] for line in chart.lines}
    assert spans == {0: 5, 1: 6, 2: 7}
    assert len({line.series for line in chart.lines if line.points[0][0]}) == 2  # an island has a colour
    assert [row[0].value for row in chart.data.rows] == [0, 1, 2]


def test_a_search_that_goes_on_from_its_incumbent_has_none(tmp_path: Path) -> None:
    assert populations([bred(tmp_path / "run", {1: 0, 2: 1, 3: 2, 4: 3})]) is None
    assert populations([]) is None
