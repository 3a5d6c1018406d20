"""A report over run folders: what stands in it, what hostile and broken folders do to it."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from run_folders import write_run

from metalsci.report.__main__ import main
from metalsci.report.chapters.lineage import readable_diff
from metalsci.report.contents import put_together, read_runs
from metalsci.report.page import as_html, as_svg


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    for seed, speedup in enumerate((0.4, 0.9)):
        write_run(folder / f"{seed}", seed=seed, scores=(0.2, None, speedup), verdict="generalizes")
    write_run(folder / "2", task="fft3d", model="gpt-5.5", scores=(0.3,), verdict="wrong")
    main([str(folder)])
    return folder / "report"


def test_the_headline_puts_seeds_together(sweep: Path) -> None:
    rows = {row["task"]: row for row in cells(sweep / "data" / "headline.csv")}
    assert float(rows["lbm"]["rewrite: in distribution"]) == pytest.approx(6.0)
    assert rows["lbm"]["rewrite: verdict"] == "generalizes 2"
    assert rows["fft3d"]["gpt-5.5: verdict"] == "wrong"
    (over,) = [row for row in cells(sweep / "data" / "over_seeds.csv") if row["task"] == "lbm"]
    assert over["generalizes"] == "2"


def test_strategies_of_a_model_are_columns_of_their_own(tmp_path: Path) -> None:
    for strategy, score in (("beam", 0.2), ("one_plus_one", 0.8)):
        write_run(tmp_path / strategy, strategy=strategy, scores=(score,))
    main([str(tmp_path)])
    (row,) = cells(tmp_path / "report" / "data" / "headline.csv")
    assert (row["rewrite · beam: in distribution"], row["rewrite · one_plus_one: in distribution"]) == ("2", "8")
    assert not (tmp_path / "report" / "data" / "over_seeds.csv").exists()  # two strategies are not two seeds


def test_a_mean_over_settings_is_said_to_be_one(tmp_path: Path) -> None:
    for seed, gain in enumerate(("0.02", "0.05")):
        run = write_run(tmp_path / gain, seed=seed)
        (run / "command.json").write_text(json.dumps({"arguments": [f"seed={seed}", f"promotion.gain={gain}"]}))
    assert "lbm, rewrite: the 2 runs differ in settings too" in as_html(put_together(read_runs([tmp_path])))
    (run / "command.json").write_text(json.dumps({"arguments": ["seed=1", "promotion.gain=0.02", "notes=other"]}))
    assert "differ in settings too" not in as_html(put_together(read_runs([tmp_path])))


def test_every_chapter_is_in_the_page_and_the_markdown(sweep: Path) -> None:
    page, text = (sweep / "index.html").read_text(), (sweep / "report.md").read_text()
    chapters = ("headline", "convergence", "generalization", "roofline", "outcomes", "expenses", "lineage", "gate")
    for name in (*chapters, "profiles", "runs", "environment"):
        assert f'id="{name}"' in page
    assert "| lbm | 6.00× |" in text
    assert "compile error: use of undeclared identifier" in page
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", page)  # needs no network


def test_each_step_of_the_winner_is_a_diff_with_its_gain(sweep: Path) -> None:
    page = (sweep / "index.html").read_text()
    assert '<span class="cut">-    fast1();</span><span class="add">+    fast3();</span>' in page
    assert '<span class="gain">2.00×, to 4.00×</span> iteration 1 → iteration 3: Faster.' in page


def test_counters_of_seed_kernel_and_winner_stand_side_by_side(sweep: Path) -> None:
    rows = {row["counter"]: row for row in cells(sweep / "data" / "counters-0.csv")}
    assert rows["time: traffic"] == {"counter": "time: traffic", "seed kernel": "0.75", "winner": "0.5"}
    assert rows["time: bank turns"] == {"counter": "time: bank turns", "seed kernel": "", "winner": "0.5"}
    assert rows["lanes at work"]["winner"] == "0.5"
    said = {row["what"]: row["kernel"] for row in cells(sweep / "data" / "advice-0.csv")}
    assert said["f: traffic comes first"] == "seed kernel and winner"  # of equal shares the first


def test_predicted_times_stand_next_to_measured_ones(sweep: Path) -> None:
    row = cells(sweep / "data" / "predicted.csv")[0]
    assert row["size"] == "N=8"
    assert float(row["speedup: predicted"]) == pytest.approx(4.0)
    assert float(row["speedup: measured"]) == pytest.approx(4.0)  # confirmed: of the duel, not of the medians
    assert float(row["winner, ms: predicted"]) == pytest.approx(1.0)
    assert "**Seed kernel and winner at each size" in (sweep / "report.md").read_text()


def test_a_run_without_predictions_has_no_profile(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    journal = folder / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        _forget(line, "forecast")
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert 'id="profiles"' not in as_html(put_together(read_runs([tmp_path])))


def _forget(value: object, name: str) -> None:
    if isinstance(value, dict):
        value.pop(name, None)
        for child in value.values():
            _forget(child, name)
    if isinstance(value, list):
        for child in value:
            _forget(child, name)


def test_every_figure_has_its_data_and_a_text(sweep: Path) -> None:
    page = (sweep / "index.html").read_text()
    figures = page.count("<figure")
    assert figures >= 7
    assert page.count('<details class="data">') == figures
    assert page.count('class="chart"') == len(re.findall(r'role="img" aria-label="[^"]{20,}"', page)) == figures


def test_figures_are_written_as_svg_and_pdf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("typst")
    write_run(tmp_path / "run")
    main([str(tmp_path / "run"), "--figures"])
    folder = tmp_path / "run" / "report" / "figures"
    drawn = {path.stem for path in folder.glob("*.svg")}
    assert {"convergence-lbm", "roofline-lbm", "generalization", "outcomes"} <= drawn
    assert {path.stem for path in folder.glob("*.pdf")} == drawn
    assert all(path.read_bytes().startswith(b"%PDF") for path in folder.glob("*.pdf"))
    assert "var(" not in (folder / "roofline-lbm.svg").read_text()  # stands alone


HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">"\'&\x1b[31m\u202e {{ 7 * 7 }}'


def test_what_a_model_writes_is_text(tmp_path: Path) -> None:
    write_run(tmp_path / "a<b>&", model=HOSTILE, idea=HOSTILE, task="<i>lbm")
    report = put_together(read_runs([tmp_path]))
    for text in (as_html(report), *(as_svg(chart) for chapter in report.chapters for chart in chapter.all_charts())):
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "<i>lbm" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "{{ 7 * 7 }}" in as_html(report)  # no template either


def test_a_formula_in_a_name_is_no_formula_in_a_csv(tmp_path: Path) -> None:
    write_run(tmp_path / "run", model="=HYPERLINK(1)")
    main([str(tmp_path), "--output", str(tmp_path / "out")])
    assert cells(tmp_path / "out" / "data" / "runs.csv")[0]["model"] == "'=HYPERLINK(1)"


def test_half_written_and_foreign_folders_cost_a_sentence(tmp_path: Path) -> None:
    torn = write_run(tmp_path / "torn", done=False)
    journal = torn / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    foreign = write_run(tmp_path / "foreign", done=False)
    lines = (foreign / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (foreign / "journal.jsonl").write_bytes(b"".join([*lines[:2], b'{"type":"other"}\n', *lines[2:]]))
    broken = write_run(tmp_path / "broken")
    (broken / "summary.json").write_text('{"task": ')
    (broken / "gate.json").write_text("")
    other = tmp_path / "other"
    other.mkdir()
    (other / "journal.jsonl").write_text("not a journal\n")
    (write_run(tmp_path / "yaml") / "config.yaml").write_text("a: [")
    runs = {run.name: run for run in read_runs([tmp_path])}
    assert len(runs["torn"].iterations) == 3
    assert len(runs["foreign"].iterations) == 1
    assert "journal.jsonl:3 is not a journal record" in runs["foreign"].trouble[0]
    assert runs["broken"].trouble == ("summary.json cannot be read", "gate.json cannot be read")
    assert "not a journal record" in runs["other"].trouble[0]
    assert runs["yaml"].self_speedup == pytest.approx(4.0)
    assert "summary.json cannot be read" in as_html(put_together(list(runs.values())))


@pytest.mark.parametrize("scores", [(), (None,) * 2000, (0.05,)], ids=["none", "thousands that failed", "slower"])
def test_runs_that_found_nothing_have_a_page(tmp_path: Path, scores: Sequence[float | None]) -> None:
    write_run(tmp_path / "run", scores=scores, done=False)
    page = as_html(put_together(read_runs([tmp_path])))
    assert "None of these runs has a result yet." in page
    assert len(page) < 1_500_000


def test_no_run_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path)])
    assert left.value.code == 2
    assert "no runs in" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "absent")])
    assert "does not exist" in capsys.readouterr().err


def test_a_diff_too_long_to_compare_is_a_sentence() -> None:
    lines, note = readable_diff("a\n" * 5000, "b\n")
    assert not lines
    assert "too long" in note
    assert readable_diff(None, "x")[1] == "The recording holds no source."
