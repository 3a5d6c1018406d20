"""The report's page in a real browser: no errors, sorting, folding, hovering, keyboard, contrast, no overflow."""

import shutil
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from filelock import FileLock
from run_folders import write_run

from metalsci.report.charts import Chapter
from metalsci.report.contents import Report, put_together, read_runs
from metalsci.report.page import as_html
from metalsci.report.serving import serve
from metalsci.report.tabular import number, text
from metalsci.report.tabular import table as data_table
from metalsci.report.writing import write_report
from metalsci.search.spoken_words import Steering

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: apt-get install chromium")


@pytest.fixture(scope="module")
def page_of_a_sweep(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("pages")
    for seed, (score, verdict) in enumerate([(0.4, "generalizes"), (0.9, "tied"), (0.3, "wrong")]):
        write_run(folder / f"{seed}", seed=seed, scores=(0.2, None, score), verdict=verdict)
    write_run(folder / "3", model="<b>gpt</b>", task="fft3d", scores=(0.05,), verdict="regresses")
    return write_report(put_together(read_runs([folder])), folder / "report").as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: "Browser", page_of_a_sweep: str) -> Iterator["Page"]:
    """Open the page; what the console said, and any request, is a failure at the end."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_of_a_sweep)
    yield page
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    page.close()


def column(page: "Page", table: str, place: int) -> list[str]:
    return page.locator(f"#{table} tbody tr td:nth-child({place})").all_inner_texts()


def test_a_column_sorts_by_its_figures_both_ways(opened: "Page") -> None:
    head = opened.locator("#runs table").first.locator("th", has_text="confirmed")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(opened, "runs", 9)[:4] == ["1.00×", "3.00×", "4.00×", "9.00×"]
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(opened, "runs", 9)[0] == "9.00×"


def test_the_keyboard_sorts_and_folds(opened: "Page") -> None:
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    opened.locator("#runs th button").first.focus()
    opened.keyboard.press("Enter")
    assert opened.locator("#runs th").first.get_attribute("aria-sort") == "ascending"
    fold = opened.locator("details.fold summary").first
    fold.focus()
    opened.keyboard.press("Enter")
    assert opened.locator("details.fold").first.get_attribute("open") is not None


def test_all_runs_open_at_once_and_a_diff_is_shown(opened: "Page") -> None:
    opened.locator("#fold").click()
    # four lineages, and three profiles: of one run no candidate became the incumbent
    assert opened.locator("details.fold[open]").count() == opened.locator("details.fold").count() == 7
    opened.locator("ol.steps summary").first.click()
    assert opened.locator("pre.diff .add").first.is_visible()


def test_a_mark_tells_its_figures_under_the_pointer(opened: "Page") -> None:
    mark = opened.locator("#convergence svg.chart .mark").last
    mark.scroll_into_view_if_needed()
    mark.hover()
    assert opened.locator("#tip").inner_text().startswith("rewrite, 2, iteration 3, 3.00×: Faster.")


def test_the_data_of_a_figure_are_one_click_away_and_can_be_saved(opened: "Page") -> None:
    figure = opened.locator("#convergence figure").first
    figure.locator("details.data > summary").click()
    assert figure.locator("table").is_visible()
    with opened.expect_download() as saved:
        figure.locator("button.save").click()
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    assert text.splitlines()[0].startswith('"run",')
    assert saved.value.suggested_filename.startswith("convergence-")


@pytest.mark.parametrize("width", [360, 820, 1600])
def test_nothing_is_wider_than_the_window(opened: "Page", width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    opened.locator("#fold").click()
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 820, 1600])
def test_the_text_of_charts_can_be_read(opened: "Page", width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    opened.locator("#fold").click()
    sizes = opened.locator("svg.chart:visible").evaluate_all("""charts => charts.map(chart =>
        parseFloat(getComputedStyle(chart.querySelector("text")).fontSize) *
        chart.clientWidth / chart.viewBox.baseVal.width)""")
    assert min(sizes) >= 7.5
    assert max(sizes) <= 16


@pytest.mark.skipif(find_spec("axe_playwright_python") is None, reason="axe-core is not installed")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_and_names_are_accessible(
    chromium: "Browser", page_of_a_sweep: str, theme: Literal["light", "dark"]
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # The page's own policy keeps foreign scripts out, axe's included.
    context = chromium.new_context(color_scheme=theme, bypass_csp=True)
    page = context.new_page()
    page.goto(page_of_a_sweep)
    page.locator("#fold").click()
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
    context.close()


def test_paper_is_light_unfolded_and_as_wide_as_a_page(chromium: "Browser", page_of_a_sweep: str) -> None:
    page = chromium.new_page(viewport={"width": 700, "height": 1000}, color_scheme="dark")  # A4 without its margins
    page.goto(page_of_a_sweep)
    page.locator("#theme").click()
    page.locator("#theme").click()  # dark by choice
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.fold:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.fold[open]").count() == 0
    page.close()


def test_the_head_of_a_long_table_stands_on_every_page_of_it(chromium: "Browser", tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    table = data_table("long", "Long", ["first", "second"], [[text(f"row {i}"), number(i)] for i in range(150)])
    chapter = Chapter("long", "A long table", "", [table])
    (tmp_path / "page.html").write_text(as_html(Report("Long", "", (chapter,))), encoding="utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    page.close()
    leaves = [leaf.extract_text() for leaf in pypdf.PdfReader(tmp_path / "page.pdf").pages]
    of_table = [leaf for leaf in leaves if "row " in leaf]
    assert len(of_table) > 1
    assert all("second" in leaf and "↕" not in leaf for leaf in of_table)


def test_the_theme_can_be_chosen(opened: "Page") -> None:
    def background() -> str:
        color: str = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        return color

    light = background()
    opened.locator("#theme").click()
    assert background() != light


def test_a_served_page_follows_a_run_and_passes_a_word_on(chromium: "Browser", tmp_path: Path) -> None:
    running = write_run(tmp_path / "running", done=False)
    server = serve([tmp_path], 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page, said = chromium.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    with FileLock(running / "run.lock"):
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        assert "one run, 0 with a result." in page.locator("header > p.soft").inner_text()
        fold = page.locator("details.fold").first  # the only run's: open
        figure = page.locator("#figure-convergence-lbm details.data")
        figure.locator("summary").click()
        fold.locator("summary").first.click()
        note = page.locator("form[data-run=running] input[name=note]")
        note.fill("Try <i>shuffles</i>.")
        page.locator("form[data-run=running] button[value=note]").click()
        page.locator("#said", has_text="running: heard").wait_for()
        assert Steering(running).waiting()[0].note == "Try <i>shuffles</i>."
        page.locator("#runs th button", has_text="strategy").click()
        page.locator("#runs th button", has_text="strategy").click()
        note.press_sequentially("half a sen")
        write_run(tmp_path / "second", strategy="beam")
        page.locator("header > p.soft", has_text="2 runs, 1 with a result.").wait_for()
        again = page.locator("#lineage details.fold[data-of=running]")
        assert not again.evaluate("fold => fold.open")  # what was closed stays so
        assert figure.evaluate("fold => fold.open")
        assert column(page, "runs", 4)[:2] == ["one_plus_one", "beam"]  # and what was sorted
        assert page.evaluate("document.activeElement.name") == "note"
        note.press_sequentially("tence")
        assert note.input_value() == "half a sentence"
        page.locator("#runs th button", has_text="strategy").focus()
        write_run(tmp_path / "third")
        page.locator("header > p.soft", has_text="3 runs, 2 with a result.").wait_for()
        assert page.evaluate("document.activeElement.textContent") == "strategy"
    page.locator("#live", has_text="No run is running.").wait_for()
    assert page.locator("form").count() == 0
    page.close()
    server.shutdown()
    server.server_close()
    assert said == []
