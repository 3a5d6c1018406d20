"""Pictures of a report for docs/, at three widths in both themes: `python benchmarks/report_pictures.py FOLDER`.

FOLDER: a run or sweep of lbm, of which a report is written. Needs Chromium, as the tests of pages do.
"""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from playwright.sync_api import sync_playwright

from metalsci.report.contents import put_together, read_runs
from metalsci.report.writing import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Page

DOCS = Path(__file__).parents[1] / "docs"
WIDTHS = {"wide": (1400, 1120), "tablet": (820, 1000), "phone": (390, 780)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
COLOURS = 256  # of a picture, which halves its size


def main(folder: Path) -> None:
    page_file = write_report(put_together(read_runs([folder])), folder.resolve() / "report").as_uri()
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for theme in THEMES:
            for name, (width, height) in WIDTHS.items():
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
                page.goto(page_file)
                show(page, name)
                picture = DOCS / f"report_{name}_{theme}.png"
                page.screenshot(path=picture)
                Image.open(picture).convert("RGB").quantize(COLOURS).save(picture, optimize=True)
                page.close()
        browser.close()


def show(page: "Page", name: str) -> None:
    """Go to the part that the picture is of: the head, a winner's tree with a diff, or the convergence of lbm."""
    if name == "tablet":
        fold = page.locator("#lineage details.fold", has_text="lbm").last
        fold.locator("summary").first.click()
        fold.locator("ol.steps summary").first.click()
        fold.evaluate("fold => fold.scrollIntoView()")
    if name == "phone":
        page.locator("#figure-convergence-lbm").evaluate("figure => figure.scrollIntoView({block: 'center'})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
