"""The published recordings as runs: the published table, digit for digit."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from run_folders import write_run

from metalsci.experiment.recorded_import import import_recorded
from metalsci.import_recorded import main
from metalsci.report.chapters.convergence import convergence
from metalsci.report.chapters.grouping import Columns
from metalsci.report.chapters.headline import all_runs, headline
from metalsci.report.contents import put_together, read_runs
from metalsci.report.page import as_html
from metalsci.report.reported_run import ReportedRun

SMALL = Path(__file__).parent / "recorded_small.json"  # the published sweep, and three earlier tries


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[ReportedRun]:
    folder = tmp_path_factory.mktemp("recorded")
    import_recorded(SMALL, folder)
    return read_runs([folder])


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(SMALL.read_text())["published_table"]
    return table


def printed(value: float | None) -> str:
    """Print as the publication prints it: three digits."""
    if value is None:
        return "–"
    return f"{value:.1f}×" if value >= 10 else f"{value:.2f}×"


def test_the_published_table_comes_out_digit_for_digit(runs: list[ReportedRun], published: dict[str, Any]) -> None:
    table = headline(runs, Columns.of(runs)).tables[0]
    rows = {row[0].text: dict(zip(table.head, [cell.text for cell in row], strict=True)) for row in table.rows}
    assert rows.keys() == published.keys()
    for task, told in published.items():
        for key, part in (("in_distribution_speedup", "in distribution"), ("held_out_speedup", "held out")):
            for model, value in told[key].items():
                assert rows[task][f"{model}: {part}"] == printed(value), (task, model, part)
    models = published["hmc"]["in_distribution_speedup"].keys()
    assert {name.partition(": ")[0] for name in table.head[1:]} == models  # of its earlier tries none has a column
    assert rows["hmc"]["claude-opus-4-7: verdict"] == "wrong"
    assert rows["fft3d"]["gpt-5.5: verdict"] == "regresses"


def test_what_is_not_printed_is_counted_and_has_no_cost(runs: list[ReportedRun]) -> None:
    unprinted = [run for run in runs if run.told_speedup and run.published and not run.published.self_speedup]
    said = headline(runs, Columns.of(runs)).notes[0]
    assert said.startswith(f"The table of all runs, below, has {len(unprinted)} further recorded run")
    table = all_runs(runs).tables[0]
    assert {row[table.head.index("dollars")].text for row in table.rows} == {"–"}


def test_own_runs_stand_beside_the_published_ones(runs: list[ReportedRun], tmp_path: Path) -> None:
    own = read_runs([write_run(tmp_path / "own", task="lbm", model="claude-opus-4-7", verdict="tied")])
    together = [*runs, *own]
    table = headline(together, Columns.of(together)).tables[0]
    row = next(row for row in table.rows if row[0].text == "lbm")
    cells = dict(zip(table.head, [cell.text for cell in row], strict=True))
    (mine,) = [name for name in cells if name.endswith(": in distribution") and own[0].device in name]
    assert cells[mine] == "4.00×"
    assert cells["claude-opus-4-7 · Apple M1 Pro: in distribution"] == "1.46×"


def test_what_was_printed_otherwise_is_said(runs: list[ReportedRun]) -> None:
    *_, note = headline(runs, Columns.of(runs)).notes
    assert note == "adi3d, gpt-5.5: printed as 2.79×, and the recording gives 2.799×."


def test_the_convergence_figure_ends_at_the_recorded_speedups(runs: list[ReportedRun]) -> None:
    recorded = {(r["task"], r["model"]): r for r in json.loads(SMALL.read_text())["runs"] if r["matched_sweep"]}
    charts = {chart.title: chart for chart in convergence(runs, Columns.of(runs)).charts}
    assert len(charts) == 12
    for run in runs:
        if run.published and run.published.self_speedup is not None:
            told = recorded[run.task, run.model]
            (line,) = [li for li in charts[run.task].lines if li.name == run.name]
            place, reached = line.points[-1]
            assert place == len(told["iterations"])
            assert reached == pytest.approx(told["speedup"], rel=1e-6)


def test_imported_runs_are_marked_and_reported(runs: list[ReportedRun]) -> None:
    assert {run.status for run in runs} == {"imported"}
    assert len(as_html(put_together(runs))) < 3_000_000


def test_what_is_no_recording_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in (("a.json", "{"), ("b.json", '{"runs": 3}'), ("c.json", "[" * 100_000)):
        (tmp_path / name).write_text(content)
        with pytest.raises(SystemExit) as left:
            main([str(tmp_path / name), f"output={tmp_path / 'out'}"])
        assert left.value.code == 2
        assert "is no recording" in capsys.readouterr().err
    shutil.copy(SMALL, tmp_path / "good.json")
    main([str(tmp_path / "good.json"), f"output={tmp_path / 'out'}"])
    with pytest.raises(SystemExit):
        main([str(tmp_path / "good.json"), f"output={tmp_path / 'out'}"])
    assert "is there already" in capsys.readouterr().err
