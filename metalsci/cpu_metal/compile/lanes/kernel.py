"""A kernel's wrapper whose part for one thread becomes the code of a vector of threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.analysis import Analysis
from metalsci.cpu_metal.compile.lanes.choices import with_choices_apart
from metalsci.cpu_metal.compile.lanes.code import HINTS, Code
from metalsci.cpu_metal.compile.lanes.control import Flow
from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import RefusedError
from metalsci.cpu_metal.compile.lanes.idle import Guards
from metalsci.cpu_metal.compile.lanes.joined_stores import join_stores
from metalsci.cpu_metal.compile.lanes.memory import SCRATCH, SCRATCH_TYPE
from metalsci.cpu_metal.compile.lanes.section import (
    INDEX,
    X,
    Y,
    Z,
    section,
    with_addresses_inside,
)
from metalsci.cpu_metal.compile.lanes.steps import EXCHANGE, SIMDGROUP, SIMDGROUP_BARRIER
from metalsci.cpu_metal.compile.lanes.tails import part_tails
from metalsci.cpu_metal.compile.lanes.values import INCOMING, MOST_VECTORS, Values
from metalsci.cpu_metal.compile.lanes.whole import can_all_be_copied
from metalsci.cpu_metal.compile.lanes.widen import widen
from metalsci.cpu_metal.compile.lanes.worth import WhenInLanes
from metalsci.cpu_metal.compile.llvm.function import Function, definitions, with_types_spelled_out
from metalsci.cpu_metal.compile.llvm.value_types import layout

_MOST_MEMORY = 3 << 20  # bytes of a worker's stack, which has 8 MiB
_MOST_INSTRUCTIONS = 2500  # LLVM takes about a second for them


@dataclass(frozen=True)
class InLanes:
    """A module with a function that runs a vector of threads at a time.

    regions: parts between barriers. needs_whole_rows: it is only for groups whose rows are made of whole vectors.
    """

    module: str
    width: int
    regions: int
    needs_whole_rows: bool


def in_lanes(
    module: str,
    name: str,
    width: int,
    *,
    is_row: bool,
    for_any_group: bool = True,
    when: WhenInLanes = WhenInLanes.ANYHOW,
) -> InLanes:
    """Make the function `name` of a module run vectors of `width` threads, or of a simdgroup if it has such calls.

    is_row: its threads are a row of the grid, and do not depend on their group. Raises RefusedError with the reason if
        that is impossible.
    for_any_group: its groups may have rows that are not made of whole vectors, whose threads are joined to vectors.
    when: refuse threads that a loop over threads runs faster, or do not.
    """
    lines = module.split("\n")
    definition = next((each for each in definitions(lines) if each.name == name), None)
    if definition is None:
        raise RefusedError("there is no such function")
    if definition.last - definition.first > 2 * _MOST_INSTRUCTIONS:
        raise RefusedError("it is too long")
    function = Function.parse(with_types_spelled_out(module, lines[definition.first : definition.last + 1]))
    found = with_choices_apart(with_addresses_inside(section(function)))
    join_stores(found)
    part_tails(found.graph)
    length = sum(len(node.body) for node in found.graph.nodes.values())
    if length > _MOST_INSTRUCTIONS:
        raise RefusedError(f"it is {length:,} instructions long, of which LLVM would make vectors for too long a time")
    callees = {each.callee for node in found.graph.nodes.values() for each in node.body}
    width = SIMDGROUP if callees & {EXCHANGE, SIMDGROUP_BARRIER} else width
    known = Analysis(found, width, is_row=is_row, joins_rows=for_any_group and not is_row)
    if when is not WhenInLanes.ANYHOW and width != SIMDGROUP:
        known.check_worth(when)
    writer = _Writer(function, known)
    body = writer.write()
    text = "\n".join([*lines[: definition.first], *body, *lines[definition.last + 1 :]])
    present = set(_declared(module))
    new = [line for name, line in writer.declared.items() if name not in present]
    text += "\n".join(["", *new, *HINTS, ""])
    return InLanes(text, width, len(known.heads), known.needs_whole_rows)


def _declared(module: str) -> list[str]:
    return [
        line.partition("@")[2].partition("(")[0]
        for line in module.split("\n")
        if line.startswith(("declare", "define"))
    ]


class _Writer:
    def __init__(self, function: Function, known: Analysis) -> None:
        self._function, self._known, self._section, self._width = function, known, known.section, known.width
        self.declared: dict[str, str] = {}
        self._entry: list[str] = [f"  {SCRATCH} = alloca {SCRATCH_TYPE}, align 64"]
        self._blocks: list[str] = []
        self._one = Code("metal.w", self._width)
        self._slots = [Code("metal.r", self._width), Code("metal.j", self._width)]
        self._kept: list[dict[tuple[str, int, str], str]] = [{}, {}]
        self._storage: dict[str, str] = {}
        self._alive = ""

    def write(self) -> list[str]:
        """Return the function's lines."""
        one = self._one
        self._place_variables()
        self._place_shared()
        if self._known.ends_early and len(self._known.heads) > 1:
            self._alive = one.alloca(f"[{MOST_VECTORS // self._width} x {one.bits}]", 64)
        following = one.alloca("i32")
        starts = {head: one.name() for head in self._known.heads}
        self._begin(starts[self._known.heads[0]])
        for head in self._known.heads:
            self._write_region(head, starts, following)
        codes = [one, *self._slots]
        memory = sum(_bytes(line) for code in codes for line in code.allocas)
        if memory > _MOST_MEMORY:
            raise RefusedError(f"its threads would need {memory:,} bytes of memory of their own")
        for code in codes:
            self._entry += code.allocas
            self.declared |= code.declared
        return [self._function.head, *self._around(), *self._blocks, "}"]

    def _around(self) -> list[str]:
        """Return the blocks outside the threads' code."""
        lines: list[str] = []
        for number, block in enumerate(self._section.before):
            lines.append(f"{block.label[1:]}:")
            lines += self._entry if number == 0 else []
            lines += [f"  {each.text}{each.metadata}" for each in block.instructions]
            if block.label == self._section.marked:
                lines.append("  br label %metal.group")
        return lines

    def _begin(self, first: str) -> None:
        """Write the numbers of threads and of vectors."""
        one, (x, y, z) = self._one, self._section.size
        one.label("%metal.group")
        rows = one.new(f"mul i32 {y}, {z}")
        threads = one.new(f"mul i32 {x}, {rows}")
        # A vector of threads lies in a row if rows are made of whole vectors, or if there is only one row.
        rest = one.new(f"and i32 {x}, {self._width - 1}")
        whole = one.new(f"icmp eq i32 {rest}, 0")
        single = one.new(f"icmp eq i32 {rows}, 1")
        self._in_row = one.new(f"or i1 {whole}, {single}")
        self._single = single
        self._threads = threads
        more = one.new(f"add i32 {threads}, {self._width - 1}")
        self._tiles = one.new(f"lshr i32 {more}, {self._width.bit_length() - 1}")
        one.do(f"br label {first}")
        self._blocks += one.lines
        one.lines.clear()

    def _place_variables(self) -> None:
        count = MOST_VECTORS // self._width if len(self._known.heads) > 1 else 1
        for name, variable in self._known.variables.items():
            if not variable.shared:
                size = variable.size * self._width
                self._storage[name] = self._one.alloca(f"[{count * size} x i8]", 64)

    def _place_shared(self) -> None:
        """Give what a group has in common one place, and another one for the turns of loops that go over a barrier.

        The other vectors of threads read the old value after the first has computed the next one.
        """
        for node in self._known.graph.nodes.values():
            for each in [*node.phis, *node.body]:
                purposes = ["", INCOMING] if each in node.phis else [""]
                for purpose in purposes if each.result in self._known.shared else []:
                    place = self._one.alloca(each.type)
                    for kept in self._kept:
                        kept[each.result, 0, purpose] = place

    def _take_incoming(self, head: str) -> None:
        """Let all threads see what the last ones have computed for a region's beginning."""
        for phi in self._known.graph.nodes[head].phis:
            if phi.result in self._known.shared:
                value = self._one.new(f"load {phi.type}, ptr {self._kept[0][phi.result, 0, INCOMING]}")
                self._one.do(f"store {phi.type} {value}, ptr {self._kept[0][phi.result, 0, '']}")

    def _write_region(self, head: str, starts: Mapping[str, str], following: str) -> None:
        """Write a loop over the vectors of threads."""
        one, known = self._one, self._known
        inside = [label for label in known.graph.nodes if known.region.get(label) == head]
        edges = (edge for label in inside for edge in known.graph.nodes[label].edges if not edge.ends)
        targets = dict.fromkeys(edge.target for edge in edges if edge.target in known.heads)
        exits = [target for target in targets if target != head or known.goes_round(head)]
        before, top, body, latch, done = starts[head], one.name(), one.name(), one.name(), one.name()
        one.label(before)
        self._take_incoming(head)
        if exits:
            one.do(f"store i32 -1, ptr {following}")
        guards = self._guards(head, inside)
        one.do(f"br label {top}")
        one.label(top)
        tile, new = one.name(), one.name()
        one.do(f"{tile} = phi i32 [ 0, {before} ], [ {new}, {latch} ]")
        places = [(one.name(), one.name()) for _ in (X, Y, Z)]
        for place, moved in places:
            one.do(f"{place} = phi i32 [ 0, {before} ], [ {moved}, {latch} ]")
        one.do(f"br i1 {one.new(f'icmp ult i32 {tile}, {self._tiles}')}, label {body}, label {done}")
        one.label(body)
        first = one.new(f"mul i32 {tile}, {self._width}")
        in_grid = {name: one.new(f"add i32 {first}, {start}") for name, start in known.firsts.items() if known.is_row}
        x, y, z = (place for place, _ in places)
        where = _Tile(tile, one.new(f"zext i32 {tile} to i64"), first, x, y, z, in_grid)
        if guards is not None:
            one.do(f"store i1 false, ptr {guards.flag}")
        rows, joined = one.name(), one.name()
        storage = self._storage_of(where)
        if self._known.needs_whole_rows:
            one.do(f"br label {rows}")
        else:
            rest = one.new(f"sub i32 {self._threads}, {where.first}")
            enough = one.new(f"icmp uge i32 {rest}, {self._width}")
            one.do(f"br i1 {one.new(f'and i1 {enough}, {self._in_row}')}, label {rows}, label {joined}")
        ways = {target: one.name() for target in exits}
        if self._known.needs_whole_rows:
            self._version(0, head, inside, rows, where, storage, latch, ways, guards=guards)
        elif self._known.is_row and (self._known.ends_early or not self._known.parts_in_loops()):
            # Masks are the same for threads that have ended and that are not there.
            self._version(0, head, inside, rows, where, storage, latch, ways, joined)
        else:
            self._version(0, head, inside, rows, where, storage, latch, ways, guards=guards)
            self._version(1, head, inside, joined, where, storage, latch, ways, guards=guards)
        for number, target in enumerate(exits):
            one.label(ways[target])
            one.do(f"store i32 {number}, ptr {following}")
            one.do(f"br label {latch}")
        one.label(latch)
        one.do(f"{new} = add i32 {tile}, 1")
        self._move(where, [moved for _, moved in places])
        if guards is None:
            one.do(f"br label {top}")
        else:
            one.do(f"br i1 {one.new(f'load i1, ptr {guards.flag}')}, label {done}, label {top}")
        one.label(done)
        cases = " ".join(f"i32 {i}, label {starts[target]}" for i, target in enumerate(exits))
        if exits:
            chosen = one.new(f"load i32, ptr {following}")
            one.do(f"switch i32 {chosen}, label {self._section.after} [ {cases} ]")
        else:
            one.do(f"br label {self._section.after}")
        self._blocks += one.lines
        one.lines.clear()

    def _guards(self, head: str, inside: Sequence[str]) -> Guards | None:
        """Return the guards of a region in which the first vector without work ends it for the rest; else None."""
        # The first region notes which threads have ended, for every vector.
        if self._known.is_row or (self._known.ends_early and head == self._known.heads[0]):
            return None
        limits = self._known.idleness.limits(head, inside)
        if limits is None:
            return None
        return Guards(limits, self._one.alloca("i1"), self._single)

    def _move(self, where: "_Tile", moved: Sequence[str]) -> None:
        """Compute the place of the next vector's first thread, if vectors lie in rows."""
        one, (x, y, _) = self._one, self._section.size
        next_x, next_y = one.new(f"add i32 {where.x}, {self._width}"), one.new(f"add i32 {where.y}, 1")
        ends_row = one.new(f"icmp uge i32 {next_x}, {x}")
        ends_layer = one.new(f"icmp uge i32 {next_y}, {y}")
        first_y = one.new(f"select i1 {ends_layer}, i32 0, i32 {next_y}")
        next_z = one.new(f"add i32 {where.z}, {one.new(f'zext i1 {ends_layer} to i32')}")
        one.do(f"{moved[X]} = select i1 {ends_row}, i32 0, i32 {next_x}")
        one.do(f"{moved[Y]} = select i1 {ends_row}, i32 {first_y}, i32 {where.y}")
        one.do(f"{moved[Z]} = select i1 {ends_row}, i32 {next_z}, i32 {where.z}")

    def _storage_of(self, where: "_Tile") -> dict[str, str]:
        found = {}
        for name, place in self._storage.items():
            size = self._known.variables[name].size * self._width
            if len(self._known.heads) > 1:
                offset = self._one.new(f"mul i64 {where.wide}, {size}")
                place = self._one.new(f"getelementptr i8, ptr {place}, i64 {offset}")
            found[name] = place
        return found

    def _version(
        self,
        number: int,
        head: str,
        inside: list[str],
        start: str,
        where: "_Tile",
        storage: dict[str, str],
        latch: str,
        ways: Mapping[str, str],
        part: str = "",
        guards: Guards | None = None,
    ) -> None:
        """Write the region for a vector that lies in a row (0) or for any (1).

        start: where it begins. part: where a vector that is not whole begins, if this is for both.
        """
        code, one = self._slots[number], self._one
        known: Divergence = self._known.in_general if number else self._known.in_rows
        crossing = self._known.crossing - self._known.shared
        values = Values(code, self._known.graph, known, crossing, self._known.variables, tile=where.wide)
        values.widen = lambda each: widen(values, each)
        values.slots = self._kept[number]
        done = code.name()
        values.fixed_scalars |= storage | dict.fromkeys(self._known.own_lanes, "0")
        exits = {target: code.name() for target in ways}
        if part:
            live, whole, masked = self._live_or_there(code, start, part, where)
            self._places(code, number, values, where)
            Flow(values, inside, done, exits, live, twice=True).write(head, whole=whole, part=masked)
        else:
            code.label(start)
            live = self._live(code, number, head, where, done)
            self._places(code, number, values, where)
            if guards is not None:
                code.do(f"store i1 true, ptr {guards.flag}")
            twice = number == 0 and can_all_be_copied(self._known.graph)
            Flow(values, inside, done, exits, live, twice, guards, in_row=number == 0).write(head)
        for place, following in [(done, latch), *((exits[target], ways[target]) for target in ways)]:
            code.label(place)
            self._remember(code, live, where)
            code.do(f"br label {following}")
        one.lines += code.lines
        code.lines.clear()

    def _remember(self, code: Code, live: str, where: "_Tile") -> None:
        """Keep the mask of the threads that have not ended, for the next region."""
        if self._alive:
            bits = code.as_bits(code.new(f"load {code.mask}, ptr {live}"))
            place = code.new(f"getelementptr {code.bits}, ptr {self._alive}, i64 {where.wide}")
            code.do(f"store {code.bits} {bits}, ptr {place}")

    def _live_or_there(self, code: Code, start: str, part: str, where: "_Tile") -> tuple[str, str, str]:
        """Begin in both ways: with all lanes, or with those that are threads.

        Return the place of their mask, and where each way goes on.
        """
        live, whole, masked = code.alloca(code.mask), code.name(), code.name()
        code.label(start)
        code.do(f"store {code.mask} splat (i1 true), ptr {live}")
        code.do(f"br label {whole}")
        code.label(part)
        self._store_there(code, live, where)
        code.do(f"br label {masked}")
        return live, whole, masked

    def _store_there(self, code: Code, live: str, where: "_Tile") -> None:
        lane = code.ramp("i32", where.first, 1)
        limit = code.splat("i32", self._threads)
        there = code.new(f"icmp ult {code.vector('i32')} {lane}, {limit}")
        code.do(f"store {code.mask} {there}, ptr {live}")

    def _live(self, code: Code, number: int, head: str, where: "_Tile", done: str) -> str:
        """Return the place of the mask of the threads that have not ended; empty if all are there."""
        if not number and not self._known.ends_early:
            return ""
        live = code.alloca(code.mask)
        if self._alive and head != self._known.heads[0]:
            place = code.new(f"getelementptr {code.bits}, ptr {self._alive}, i64 {where.wide}")
            bits, some = code.new(f"load {code.bits}, ptr {place}"), code.name()
            code.do(f"store {code.mask} {code.new(f'bitcast {code.bits} {bits} to {code.mask}')}, ptr {live}")
            code.do(f"br i1 {code.new(f'icmp ne {code.bits} {bits}, 0')}, label {some}, label {done}")
            code.label(some)
        elif number:
            self._store_there(code, live, where)
        else:
            code.do(f"store {code.mask} splat (i1 true), ptr {live}")
        return live

    def _places(self, code: Code, number: int, values: Values, where: "_Tile") -> None:
        """Compute the threads' indices in the lanes."""
        x, y, _ = self._section.size
        if self._known.is_row:
            values.fixed_scalars |= where.in_grid
        elif number == 0:
            found = {X: where.x, Y: where.y, Z: where.z, INDEX: where.first}
            values.fixed_scalars |= {name: found[axis] for name, axis in self._known.lanes.items()}
        else:
            index = code.ramp("i32", where.first, 1)
            row, x_of = _divided(code, index, x)
            layer, y_of = _divided(code, row, y)
            vectors = {X: x_of, Y: y_of, Z: layer}
            for name, axis in self._known.lanes.items():
                if axis == INDEX:
                    values.fixed_scalars[name] = where.first
                else:
                    values.fixed_vectors[name] = [vectors[axis]]


def _divided(code: Code, vector: str, scalar: str) -> tuple[str, str]:
    """Compute quotient and remainder of numbers below 2048 with floats, whose quotients do not round up to a whole."""
    whole, floats = code.vector("i32"), code.vector("float")
    divisor = code.splat("i32", scalar)
    upper = code.new(f"uitofp {whole} {vector} to {floats}")
    lower = code.new(f"uitofp {whole} {divisor} to {floats}")
    quotient = code.new(f"fptoui {floats} {code.new(f'fdiv {floats} {upper}, {lower}')} to {whole}")
    quotient = code.new(f"freeze {whole} {quotient}")
    product = code.new(f"mul {whole} {quotient}, {divisor}")
    return quotient, code.new(f"sub {whole} {vector}, {product}")


@dataclass(frozen=True)
class _Tile:
    """The vector of threads that runs.

    number: an i32; wide: an i64; first: the index of its first thread. x, y, z: its first thread's place in the group,
        if vectors lie in rows. in_grid: its number in the row of the grid, by the names that the kernel has for it.
    """

    number: str
    wide: str
    first: str
    x: str
    y: str
    z: str
    in_grid: Mapping[str, str]


def _bytes(line: str) -> int:
    kind = line.partition(" = alloca ")[2].partition(", align")[0]
    count, _, vector = kind.removeprefix("[").partition(" x ") if kind.startswith("[") else ("1", "", kind)
    known = layout(vector.removesuffix("]") if kind.startswith("[") else vector)
    return int(count) * (known.size if known is not None else 4)
