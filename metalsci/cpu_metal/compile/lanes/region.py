"""One region between barriers, written as a loop over a group's vectors of threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.analysis import Analysis
from metalsci.cpu_metal.compile.lanes.code import Code
from metalsci.cpu_metal.compile.lanes.control import Flow
from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.idle import Guards
from metalsci.cpu_metal.compile.lanes.section import X, Y, Z
from metalsci.cpu_metal.compile.lanes.storage import Slots, Storage
from metalsci.cpu_metal.compile.lanes.tile import GroupSize, Tile, move, place_anywhere, place_in_row, store_there
from metalsci.cpu_metal.compile.lanes.values import Values
from metalsci.cpu_metal.compile.lanes.whole import can_all_be_copied
from metalsci.cpu_metal.compile.lanes.widen import widen


@dataclass(frozen=True)
class Version:
    """One of two ways to write the threads' code: for vectors that lie in a row with all of their lanes, or for any.

    slots: where its values are kept, in all regions.
    """

    code: Code
    known: Divergence
    slots: Slots
    in_row: bool


@dataclass(frozen=True)
class _Body:
    """The body of a region's loop, as far as its versions share it.

    inside: the region's nodes. variables: addresses of the threads' own.
    latch: where a vector of threads goes at the end. ways: where it goes for each region that may follow.
    """

    head: str
    inside: Sequence[str]
    tile: Tile
    variables: Mapping[str, str]
    latch: str
    ways: Mapping[str, str]
    guards: Guards | None


@dataclass(frozen=True)
class RegionWriter:
    """Writer of regions.

    code: what is outside of versions, and in the end all of it.
    starts: of each region, where it begins. following: where the number of the region that follows is kept.
    """

    known: Analysis
    code: Code
    size: GroupSize
    storage: Storage
    rows: Version
    joined: Version
    starts: Mapping[str, str]
    following: str

    def write(self, head: str) -> None:
        """Write a loop over the vectors of threads. Raises RefusedError."""
        code, known = self.code, self.known
        inside = [label for label in known.graph.nodes if known.region.get(label) == head]
        exits = self._exits(head, inside)
        before, top, body, latch, done = self.starts[head], code.name(), code.name(), code.name(), code.name()
        code.label(before)
        self.storage.take_incoming(code, head)
        if exits:
            code.do(f"store i32 -1, ptr {self.following}")
        guards = self._guards(head, inside)
        code.do(f"br label {top}")
        code.label(top)
        number, new = code.name(), code.name()
        code.do(f"{number} = phi i32 [ 0, {before} ], [ {new}, {latch} ]")
        places = [(code.name(), code.name()) for _ in (X, Y, Z)]
        for place, moved in places:
            code.do(f"{place} = phi i32 [ 0, {before} ], [ {moved}, {latch} ]")
        code.do(f"br i1 {code.new(f'icmp ult i32 {number}, {self.size.vectors}')}, label {body}, label {done}")
        code.label(body)
        tile = self._tile(number, [place for place, _ in places])
        if guards is not None:
            code.do(f"store i1 false, ptr {guards.flag}")
        rows, joined = code.name(), code.name()
        variables = self.storage.variables_of(code, tile)
        self._choose(tile, rows, joined)
        ways = {target: code.name() for target in exits}
        self._versions(_Body(head, inside, tile, variables, latch, ways, guards), rows, joined)
        for index, target in enumerate(exits):
            code.label(ways[target])
            code.do(f"store i32 {index}, ptr {self.following}")
            code.do(f"br label {latch}")
        code.label(latch)
        code.do(f"{new} = add i32 {number}, 1")
        move(code, tile, self.size, [moved for _, moved in places])
        if guards is None:
            code.do(f"br label {top}")
        else:
            code.do(f"br i1 {code.new(f'load i1, ptr {guards.flag}')}, label {done}, label {top}")
        code.label(done)
        self._go_on(exits)

    def _exits(self, head: str, inside: Sequence[str]) -> Sequence[str]:
        """Return the heads of the regions that may follow."""
        known = self.known
        edges = (edge for label in inside for edge in known.graph.nodes[label].edges if not edge.ends)
        targets = dict.fromkeys(edge.target for edge in edges if edge.target in known.heads)
        return [target for target in targets if target != head or known.goes_round(head)]

    def _guards(self, head: str, inside: Sequence[str]) -> Guards | None:
        """Return the guards of a region in which the first vector without work ends it for the rest; else None."""
        # The first region notes which threads have ended, for every vector.
        if self.known.is_row or (self.known.ends_early and head == self.known.heads[0]):
            return None
        limits = self.known.idleness.limits(head, inside)
        if limits is None:
            return None
        return Guards(limits, self.code.alloca("i1"), self.size.is_one_row)

    def _tile(self, number: str, places: Sequence[str]) -> Tile:
        code, known = self.code, self.known
        first = code.new(f"mul i32 {number}, {code.width}")
        in_grid = {name: code.new(f"add i32 {first}, {start}") for name, start in known.firsts.items() if known.is_row}
        x, y, z = places
        return Tile(number, code.new(f"zext i32 {number} to i64"), first, x, y, z, in_grid)

    def _choose(self, tile: Tile, rows: str, joined: str) -> None:
        """Branch to the version for a vector that lies in a row with all of its lanes, if this is one."""
        code = self.code
        if self.known.needs_whole_rows:
            code.do(f"br label {rows}")
        else:
            rest = code.new(f"sub i32 {self.size.threads}, {tile.first}")
            enough = code.new(f"icmp uge i32 {rest}, {code.width}")
            code.do(f"br i1 {code.new(f'and i1 {enough}, {self.size.in_rows}')}, label {rows}, label {joined}")

    def _versions(self, body: _Body, rows: str, joined: str) -> None:
        known = self.known
        if known.needs_whole_rows:
            self._version(self.rows, body, rows)
        elif known.is_row and (known.ends_early or not known.parts_in_loops()):
            # Masks are the same for threads that have ended and that are not there.
            self._both_in_one(body, rows, joined)
        else:
            self._version(self.rows, body, rows)
            self._version(self.joined, body, joined)

    def _version(self, version: Version, body: _Body, start: str) -> None:
        """Write the region in one version. start: where it begins."""
        code = version.code
        values, done, exits = self._begun(version, body)
        code.label(start)
        live = self._live(version, body, done)
        self._place(version, values, body.tile)
        if body.guards is not None:
            code.do(f"store i1 true, ptr {body.guards.flag}")
        twice = version.in_row and can_all_be_copied(self.known.graph)
        Flow(values, body.inside, done, exits, live, twice, body.guards, in_row=version.in_row).write(body.head)
        self._end(version, body, live, done, exits)

    def _both_in_one(self, body: _Body, rows: str, joined: str) -> None:
        """Write the region once for vectors that are whole and for those that are not, which begin in another place."""
        code = self.rows.code
        values, done, exits = self._begun(self.rows, body)
        live, whole, masked = code.alloca(code.mask), code.name(), code.name()
        code.label(rows)
        code.do(f"store {code.mask} splat (i1 true), ptr {live}")
        code.do(f"br label {whole}")
        code.label(joined)
        store_there(code, body.tile, self.size, live)
        code.do(f"br label {masked}")
        self._place(self.rows, values, body.tile)
        Flow(values, body.inside, done, exits, live, twice=True).write(body.head, whole=whole, part=masked)
        self._end(self.rows, body, live, done, exits)

    def _begun(self, version: Version, body: _Body) -> tuple[Values, str, dict[str, str]]:
        """Return a version's values, where it ends, and where it does for each region that may follow."""
        known, code = self.known, version.code
        crossing = known.crossing - known.shared
        values = Values(code, known.graph, version.known, crossing, known.variables, tile=body.tile.wide)
        values.widen = lambda each: widen(values, each)
        values.slots = version.slots
        done = code.name()
        values.fixed_scalars |= body.variables
        values.fixed_scalars |= dict.fromkeys(known.own_lanes, "0")
        return values, done, {target: code.name() for target in body.ways}

    def _live(self, version: Version, body: _Body, done: str) -> str:
        """Return the place of the mask of the threads that have not ended; empty if all are there."""
        code = version.code
        if version.in_row and not self.known.ends_early:
            return ""
        live = code.alloca(code.mask)
        if self.storage.alive and body.head != self.known.heads[0]:
            bits, some = self.storage.recall(code, body.tile), code.name()
            code.do(f"store {code.mask} {code.new(f'bitcast {code.bits} {bits} to {code.mask}')}, ptr {live}")
            code.do(f"br i1 {code.new(f'icmp ne {code.bits} {bits}, 0')}, label {some}, label {done}")
            code.label(some)
        elif version.in_row:
            code.do(f"store {code.mask} splat (i1 true), ptr {live}")
        else:
            store_there(code, body.tile, self.size, live)
        return live

    def _place(self, version: Version, values: Values, tile: Tile) -> None:
        """Compute the threads' indices in the lanes."""
        if self.known.is_row:
            values.fixed_scalars |= tile.in_grid
        elif version.in_row:
            place_in_row(values, tile, self.known.lanes)
        else:
            place_anywhere(values, tile, self.size, self.known.lanes)

    def _end(self, version: Version, body: _Body, live: str, done: str, exits: Mapping[str, str]) -> None:
        """Lead a version's ends back to the loop over vectors, and add its text."""
        code = version.code
        for place, following in [(done, body.latch), *((exits[target], body.ways[target]) for target in body.ways)]:
            code.label(place)
            self.storage.remember(code, body.tile, live)
            code.do(f"br label {following}")
        self.code.lines += code.lines
        code.lines.clear()

    def _go_on(self, exits: Sequence[str]) -> None:
        """Go on behind the loop, with the region that its threads have come to."""
        code, after = self.code, self.known.section.after
        cases = " ".join(f"i32 {index}, label {self.starts[target]}" for index, target in enumerate(exits))
        if exits:
            chosen = code.new(f"load i32, ptr {self.following}")
            code.do(f"switch i32 {chosen}, label {after} [ {cases} ]")
        else:
            code.do(f"br label {after}")
