"""A report's files: index.html, report.md, and a CSV for each table; with figures, each chart as SVG and PDF."""

import re
from collections.abc import Iterator
from pathlib import Path

from metalsci.files.whole_files import write_bytes, write_text
from metalsci.report.charts import Chart
from metalsci.report.contents import Report
from metalsci.report.page import as_html, as_markdown, as_svg
from metalsci.report.rasters import as_pdf


def write_report(report: Report, folder: Path) -> Path:
    """Write the page with its Markdown and CSVs, and return the page. Raises OSError."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for chapter in report.chapters:
        for table in chapter.all_tables():
            write_text(folder / "data" / f"{file_name(table.name)}.csv", table.as_csv(), durable=False)
    write_text(folder / "report.md", as_markdown(report), durable=False)
    return write_text(folder / "index.html", as_html(report), durable=False)


def write_figures(report: Report, folder: Path) -> Iterator[Path]:
    """Write each chart as SVG and PDF. Raises ExtraMissingError if PDFs cannot be made here, after the SVGs."""
    folder.mkdir(parents=True, exist_ok=True)
    charts = [chart for chapter in report.chapters for chart in chapter.all_charts()]
    for chart in charts:
        yield write_text(_place(folder, chart, "svg"), as_svg(chart), durable=False)
    for chart in charts:
        yield write_bytes(_place(folder, chart, "pdf"), as_pdf(as_svg(chart)), durable=False)


def file_name(name: str) -> str:
    """Clean a name of what a file system or a shell reads as something else."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:100] or "table"


def _place(folder: Path, chart: Chart, kind: str) -> Path:
    return folder / f"{file_name(chart.name)}.{kind}"
