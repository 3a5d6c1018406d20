"""A table as data: the page sorts it, Markdown and CSV are made of the same cells."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from metalsci.msl.text.quoting import visible

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # at the start of a cell: a spreadsheet would run it

_LONGEST_WORD = 28  # characters


@dataclass(frozen=True)
class Cell:
    """text: as it is read. value: what it is sorted by and what stands in the CSV; None for the text itself.

    tone: "good", "bad" or "soft", for a page that shows colours; never the only sign of what a cell says.
    """

    text: str
    value: float | None = None
    tone: str = ""

    @property
    def is_word(self) -> bool:
        """True for one name that hyphens must not break, such as a model's."""
        return "-" in self.text and " " not in self.text and len(self.text) <= _LONGEST_WORD


@dataclass(frozen=True)
class DataTable:
    """name: of its CSV. head: the columns.

    spans: groups of columns, each with its name and how many; what follows the last colon of a column's name is then
    said by its group.
    """

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    spans: tuple[tuple[str, int], ...] = ()

    def heading(self, column: int) -> str:
        """Return a column's name as a page shows it, below its group's."""
        name = self.head[column]
        if self.spans:
            return name.rpartition(": ")[0] or name
        return name

    @cached_property
    def is_numeric(self) -> tuple[bool, ...]:
        """True for each column that holds figures; a cell in it without one is set like them."""
        return tuple(any(row[column].value is not None for row in self.rows) for column in range(len(self.head)))

    def as_csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.head)
        writer.writerows([_plain(cell) for cell in row] for row in self.rows)
        return out.getvalue()

    def as_markdown(self, most: int | None = None) -> str:
        """Write it as Markdown. most: rows; a sentence says how many were left out."""
        shown = self.rows[:most]
        if most is None:
            shown = self.rows
        lines = [[escaped(name) for name in self.head], ["---"] * len(self.head)]
        lines += [[escaped(cell.text) for cell in row] for row in shown]
        left_out = len(self.rows) - len(shown)
        more = ""
        if left_out:
            more = f"\n{left_out} further rows are in {self.name}.csv.\n"
        return "".join(f"| {' | '.join(line)} |\n" for line in lines) + more


def text(value: object, tone: str = "") -> Cell:
    return Cell(visible(str(value)).replace("\n", " "), None, tone)


def number(value: float | None, shown: str | None = None, tone: str = "") -> Cell:
    """Make a cell of a figure; `shown` is how it reads. An empty cell for None."""
    if value is None:
        return Cell("")
    return Cell(f"{value:,}" if shown is None else shown, float(value), tone)


def table(
    name: str, caption: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], spans: Sequence[tuple[str, int]] = ()
) -> DataTable:
    return DataTable(name, caption, tuple(head), tuple(map(tuple, rows)), tuple(spans))


def _plain(cell: Cell) -> str:
    if cell.value is not None:
        if cell.value == int(cell.value):
            return f"{int(cell.value)}"
        return repr(cell.value)
    if cell.text.startswith(_FORMULA) and len(cell.text) > 1:
        return f"'{cell.text}"
    return cell.text


def escaped(content: str) -> str:
    """Escape a text for Markdown: no sign of it acts."""
    for sign in "\\|`*_<>[]":
        content = content.replace(sign, f"\\{sign}")
    return content
