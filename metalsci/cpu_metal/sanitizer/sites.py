"""Places in the user's source, which instrumented code names by number."""

from collections.abc import Callable
from dataclasses import dataclass, field

from metalsci.cpu_metal.compile.llvm.debug_locations import Place


@dataclass(frozen=True)
class Site:
    """A place in the source. `what`: the operation or the array's type, if it matters."""

    line: int
    column: int
    what: str = ""


@dataclass
class Sites:
    """The table of a kernel's sites; number 0 stands for none.

    original: the user's line and column for a place in the text that Clang compiled.
    """

    original: Callable[[int, int], tuple[int, int]]
    known: list[Site] = field(default_factory=lambda: [Site(0, 0)])
    _numbers: dict[Site, int] = field(default_factory=dict)

    def number(self, place: Place, what: str = "") -> int:
        site = Site(*self.original(place.line, place.column), what)
        if site not in self._numbers:
            self._numbers[site] = len(self.known)
            self.known.append(site)
        return self._numbers[site]
