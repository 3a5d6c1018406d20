"""Memory of a function that outlives a vector's part of it, up to the next barrier or to the end.

Threads have their variables there, each vector the mask of its threads that have not ended, and the group the values
that all of its threads have in common. What else is kept belongs to a version of the code (see values.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.analysis import Analysis
from metalsci.cpu_metal.compile.lanes.code import Code
from metalsci.cpu_metal.compile.lanes.tile import Tile
from metalsci.cpu_metal.compile.lanes.values import INCOMING, MOST_VECTORS

Slots = dict[tuple[str, int, str], str]
"""Addresses of values, by name, piece and purpose."""


@dataclass(frozen=True)
class Storage:
    """Addresses of what is kept.

    variables: of the threads' own, by name. common: of what a group has in common.
    alive: of the masks of the threads that have not ended, empty if no region needs them.
    """

    known: Analysis
    variables: Mapping[str, str]
    common: Slots
    alive: str

    def take_incoming(self, code: Code, head: str) -> None:
        """Let all threads see what the last ones have computed for a region's beginning."""
        for phi in self.known.graph.nodes[head].phis:
            if phi.result in self.known.shared:
                value = code.new(f"load {phi.type}, ptr {self.common[phi.result, 0, INCOMING]}")
                code.do(f"store {phi.type} {value}, ptr {self.common[phi.result, 0, '']}")

    def variables_of(self, code: Code, tile: Tile) -> dict[str, str]:
        """Return the addresses of the variables of one vector's threads."""
        found = {}
        for name, place in self.variables.items():
            size = self.known.variables[name].size * code.width
            if len(self.known.heads) > 1:
                offset = code.new(f"mul i64 {tile.wide}, {size}")
                place = code.new(f"getelementptr i8, ptr {place}, i64 {offset}")
            found[name] = place
        return found

    def remember(self, code: Code, tile: Tile, live: str) -> None:
        """Keep the mask of the threads that have not ended, for the next region. live: its address now."""
        if self.alive:
            bits = code.as_bits(code.new(f"load {code.mask}, ptr {live}"))
            code.do(f"store {code.bits} {bits}, ptr {self._alive_of(code, tile)}")

    def recall(self, code: Code, tile: Tile) -> str:
        """Return the bits of the mask that was kept."""
        return code.new(f"load {code.bits}, ptr {self._alive_of(code, tile)}")

    def _alive_of(self, code: Code, tile: Tile) -> str:
        return code.new(f"getelementptr {code.bits}, ptr {self.alive}, i64 {tile.wide}")


def storage(known: Analysis, code: Code) -> Storage:
    """Find a place for all that is kept."""
    count = MOST_VECTORS // code.width if len(known.heads) > 1 else 1
    variables = {}
    for name, variable in known.variables.items():
        if not variable.shared:
            size = variable.size * code.width
            variables[name] = code.alloca(f"[{count * size} x i8]", 64)
    common, alive = _common(known, code), ""
    if known.ends_early and len(known.heads) > 1:
        alive = code.alloca(f"[{MOST_VECTORS // code.width} x {code.bits}]", 64)
    return Storage(known, variables, common, alive)


def _common(known: Analysis, code: Code) -> Slots:
    """Give what a group has in common one place, and another one for the turns of loops that go over a barrier.

    The other vectors of threads read the old value after the first has computed the next one.
    """
    found: Slots = {}
    for node in known.graph.nodes.values():
        for each in [*node.phis, *node.body]:
            purposes: Sequence[str] = ["", INCOMING] if each in node.phis else [""]
            for purpose in purposes if each.result in known.shared else []:
                found[each.result, 0, purpose] = code.alloca(each.type)
    return found
