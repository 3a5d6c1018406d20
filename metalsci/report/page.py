"""From a report to its page, its Markdown and its charts, by the templates next to this file.

Everything that a model wrote is hostile: templates escape all they are given, the page allows no script but its own,
and no address but data of its own.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from metalsci.report.charts import Chart, Key
from metalsci.report.contents import Report
from metalsci.report.tabular import escaped

# Okabe and Ito's colours, told apart by colour-blind readers, darkened or lightened to a contrast of 3 with the page.
LIGHT = ("#0072B2", "#C94F00", "#00845F", "#A8558A", "#8A6D00", "#2F7FA8", "#5B5B66", "#7A4FBF")
DARK = ("#56B4E9", "#FF9A4D", "#3FCF9F", "#E69AC6", "#E0C24A", "#8CC8E8", "#B9B9C4", "#BBA0F0")
_LIGHT_PAGE = (
    " --back: #fff; --text: #1b1b1f; --soft: #595963; --rule: #d9d9de; --panel: #f6f6f8; --link: #0a58a8; "
    "--good: #0b6b3a; --bad: #b3261e; --add: #e2f4e6; --cut: #fbe5e3;"
)
_DARK_PAGE = (
    " --back: #17171b; --text: #ececf1; --soft: #a9a9b6; --rule: #3a3a44; --panel: #202027; --link: #7db8f5; "
    "--good: #6fd39b; --bad: #ff8a80; --add: #17351f; --cut: #401d1b;"
)
_MOST_ROWS, _MOST_DATA = 1500, 300  # of a table of the page, and of the data behind a chart
_MOST_MARKDOWN = 60
_KEY_WIDTH, _KEY_HEIGHT = 150, 18  # pixels of an entry of a printed chart's legend


def as_html(report: Report, *, controls: str = "", script: str = "", connect: str = "") -> str:
    """Render one page that holds everything. controls, script, connect: what a page that is served adds to it."""
    code = template_source("page.js") + script
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            css=Markup(_css()),
            script=Markup(code),
            script_digest=Markup(f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"),
            controls=Markup(controls),
            connect=Markup(connect),
            draw=lambda chart: Markup(as_svg(chart, standing_alone=False)),
            most_rows=_MOST_ROWS,
            most_data=_MOST_DATA,
            version=version("metalsci"),
            made=_made(),
        )
    )


def as_markdown(report: Report) -> str:
    template = _environment().overlay(autoescape=False).get_template("report.md.j2")
    return template.render(report=report, made=_made(), most_rows=_MOST_MARKDOWN)


def as_svg(chart: Chart, *, standing_alone: bool = True) -> str:
    """Render a chart for a page, whose style it takes; or with its own style and legend, for a paper."""
    if not standing_alone:
        return render("chart.svg.j2", chart=chart, style="", keys=(), legend_height=0)
    keys = _placed(chart)
    height = 0.0
    if keys:
        height = keys[-1][2] - chart.height + 10
    style = Markup(_environment().from_string(template_source("chart.css")).render(colours=LIGHT))
    return render("chart.svg.j2", chart=chart, style=style, keys=keys, legend_height=height)


def _placed(chart: Chart) -> list[tuple[Key, float, float]]:
    """Place the legend below the chart, in rows."""
    a_row = max(1, (chart.width - 20) // _KEY_WIDTH)
    return [
        (key, 14 + (i % a_row) * _KEY_WIDTH, chart.height + 12 + (i // a_row) * _KEY_HEIGHT)
        for i, key in enumerate(chart.legend)
    ]


def _made() -> str:
    return f"Made on {datetime.now().astimezone().isoformat(sep=' ', timespec='minutes')}."


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("metalsci.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    made.filters["md"] = escaped
    return made


def render(name: str, **values: object) -> str:
    """Render a template of this room; everything that it is given is escaped."""
    return _environment().get_template(name).render(**values)


def template_source(name: str) -> str:
    """Read a file next to the templates as it stands."""
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _css() -> str:
    light, dark = Markup(_LIGHT_PAGE + _colours(LIGHT)), Markup(_DARK_PAGE + _colours(DARK))
    template = _environment().from_string(template_source("page.css"))
    return template.render(light=LIGHT, light_rules=light, dark_rules=dark)


def _colours(values: Sequence[str]) -> str:
    return " ".join(f"--s{index}: {value};" for index, value in enumerate(values))
