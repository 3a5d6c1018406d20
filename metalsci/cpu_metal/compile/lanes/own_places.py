"""Loads and stores of lanes that each have an address of their own: gathers, scatters, and better ways."""

from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.code import suffix
from metalsci.cpu_metal.compile.lanes.values import Values
from metalsci.cpu_metal.compile.llvm.value_types import type_of

SCRATCH = "%metal.scratch"
"""Memory that lanes which are not active may read and write."""
SCRATCH_TYPE = "[64 x i8]"
_QUAD, _PAIR, _LANE_BYTES = 4, 2, 4  # elements that one access of 128 or 64 bits moves, and the bytes of each
_LOW, _HIGH = [0, 4, 1, 5], [2, 6, 3, 7]  # halves of two vectors' four elements, by turns
_FIRSTS, _LASTS = [0, 1, 4, 5], [2, 3, 6, 7]


@dataclass(frozen=True)
class Element:
    """A scalar in memory: its type and its alignment."""

    kind: str
    align: int

    @property
    def bytes(self) -> int:
        return type_of(self.kind).element_bytes

    def aligned(self, index: int) -> "Element":
        """Return an element of a vector; the further ones have less known alignment."""
        return Element(self.kind, min(self.align, self.bytes) if index else self.align)


def gather(values: Values, element: Element, where: str, count: int, apart: int = 1) -> list[str]:
    """Load `count` elements for each lane: a vector of each.

    where: the lanes' addresses. apart: elements from one to the next of a lane's; 1 if they lie next to each other.
    """
    if apart > 1:
        return [_gather(values, element, _moved(values, where, i * apart * element.bytes)) for i in range(count)]
    if count == _QUAD and element.bytes == _LANE_BYTES:
        return _load_quads(values, element, where)
    if count == _PAIR and element.bytes == _LANE_BYTES:
        return _load_pairs(values, element, where)
    return [_gather(values, element.aligned(i), _moved(values, where, i * element.bytes)) for i in range(count)]


def scatter(values: Values, element: Element, where: str, new: list[str], apart: int = 1) -> None:
    """Store elements of a vector each for each lane. where, apart: see above."""
    if apart > 1:
        for i, part in enumerate(new):
            _scatter(values, element, _moved(values, where, i * apart * element.bytes), part)
    elif len(new) == _QUAD and element.bytes == _LANE_BYTES:
        _store_quads(values, element, where, new)
    elif len(new) == _PAIR and element.bytes == _LANE_BYTES:
        _store_pairs(values, element, where, new)
    else:
        for i, part in enumerate(new):
            _scatter(values, element.aligned(i), _moved(values, where, i * element.bytes), part)


def picked(values: Values, vector: str, kind: str, places: list[int]) -> str:
    mask = ", ".join(f"i32 {place}" for place in places)
    return values.code.new(f"shufflevector {kind} {vector}, {kind} poison, <{len(places)} x i32> <{mask}>")


def _moved(values: Values, where: str, size: int) -> str:
    code = values.code
    if size:
        return code.new(f"getelementptr i8, {code.vector('ptr')} {where}, i64 {size}")
    return where


def _load_quads(values: Values, element: Element, where: str) -> list[str]:
    """Load four elements that lie next to each other for each lane, and take them apart.

    Four elements are one load of 128 bits, where gathers make four of them. Row r has those of the lanes r, r + 4, and
    so on, so that no shuffle brings an element to another part of 128 bits.
    """
    code, addresses = values.code, _safe(values, where)
    quad, parts = f"<{_QUAD} x {element.kind}>", code.width // _QUAD
    rows = []
    for row in range(_QUAD):
        loaded = []
        for part in range(parts):
            lane = row + _QUAD * part
            place = code.new(f"extractelement {code.vector('ptr')} {addresses}, i64 {lane}")
            loaded.append(code.new(f"load {quad}, ptr {place}, align {element.align}"))
        rows.append(_joined(values, element, loaded))
    return _turned(values, element, rows)


def _store_quads(values: Values, element: Element, where: str, new: list[str]) -> None:
    """Store four elements next to each other for each lane, each lane's by one store of 128 bits."""
    code, addresses = values.code, _safe(values, where)
    rows = _turned(values, element, new)
    for lane in range(code.width):
        quad = picked(values, rows[lane % _QUAD], code.vector(element.kind), _quad_at(lane - lane % _QUAD))
        place = code.new(f"extractelement {code.vector('ptr')} {addresses}, i64 {lane}")
        code.do(f"store <{_QUAD} x {element.kind}> {quad}, ptr {place}, align {element.align}")


def _quad_at(start: int) -> list[int]:
    return list(range(start, start + _QUAD))


def _turned(values: Values, element: Element, rows: list[str]) -> list[str]:
    """Make columns of rows: element c of each four of row r becomes element r of column c's same four."""
    kind = values.code.vector(element.kind)
    pairs = [_mixed(values, kind, rows[i], rows[i + 1], places) for places in (_LOW, _HIGH) for i in (0, 2)]
    found = []
    for first, second in (pairs[:2], pairs[2:]):
        found += [_mixed(values, kind, first, second, places) for places in (_FIRSTS, _LASTS)]
    return found


def _load_pairs(values: Values, element: Element, where: str) -> list[str]:
    """Load two elements that lie next to each other for each lane as one of 64 bits, and take them apart."""
    code, kind = values.code, f"<{_PAIR * values.code.width} x {element.kind}>"
    loaded = _gather(values, Element("i64", element.align), where)
    whole = code.new(f"bitcast {code.vector('i64')} {loaded} to {kind}")
    return [picked(values, whole, kind, list(range(i, _PAIR * code.width, _PAIR))) for i in range(_PAIR)]


def _store_pairs(values: Values, element: Element, where: str, new: list[str]) -> None:
    """Store two elements next to each other for each lane as one of 64 bits."""
    code, kind = values.code, values.code.vector(element.kind)
    places = ", ".join(f"i32 {lane + part * code.width}" for lane in range(code.width) for part in range(_PAIR))
    both = code.new(f"shufflevector {kind} {new[0]}, {kind} {new[1]}, <{_PAIR * code.width} x i32> <{places}>")
    whole = code.new(f"bitcast <{_PAIR * code.width} x {element.kind}> {both} to {code.vector('i64')}")
    _scatter(values, Element("i64", element.align), where, whole)


def _joined(values: Values, element: Element, parts: list[str]) -> str:
    """Put vectors of one length behind each other."""
    length = _QUAD
    while len(parts) > 1:
        kind, places = f"<{length} x {element.kind}>", ", ".join(f"i32 {i}" for i in range(2 * length))
        parts = [
            values.code.new(f"shufflevector {kind} {a}, {kind} {b}, <{2 * length} x i32> <{places}>")
            for a, b in zip(parts[::2], parts[1::2], strict=True)
        ]
        length *= 2
    return parts[0]


def _mixed(values: Values, kind: str, first: str, second: str, places: list[int]) -> str:
    """Mix each four elements of two vectors. places: of four, in the first vector's four and the second's."""
    width = values.code.width
    chosen = [
        start + place if place < _QUAD else width + start + place - _QUAD
        for start in range(0, width, _QUAD)
        for place in places
    ]
    mask = ", ".join(f"i32 {place}" for place in chosen)
    return values.code.new(f"shufflevector {kind} {first}, {kind} {second}, <{width} x i32> <{mask}>")


def _safe(values: Values, where: str) -> str:
    """Replace the addresses of inactive lanes by memory that belongs to nobody."""
    code = values.code
    if values.full:
        return where
    scratch = code.splat("ptr", SCRATCH)
    return code.new(f"select {code.mask} {values.mask}, {code.vector('ptr')} {where}, {code.vector('ptr')} {scratch}")


def _gather(values: Values, element: Element, where: str) -> str:
    code, vector, pointers = values.code, values.code.vector(element.kind), values.code.vector("ptr")
    addresses, mask = _active(values, where)
    given = [f"{pointers} align {element.align} {addresses}", f"{code.mask} {mask}", f"{vector} zeroinitializer"]
    return code.call(vector, f"llvm.masked.gather.{suffix(vector)}.{suffix(pointers)}", given)


def _scatter(values: Values, element: Element, where: str, new: str) -> None:
    code, vector, pointers = values.code, values.code.vector(element.kind), values.code.vector("ptr")
    addresses, mask = _active(values, where)
    given = [f"{vector} {new}", f"{pointers} align {element.align} {addresses}", f"{code.mask} {mask}"]
    code.run(f"llvm.masked.scatter.{suffix(vector)}.{suffix(pointers)}", given)


def _active(values: Values, where: str) -> tuple[str, str]:
    """Return the addresses and the mask of an access in the active lanes.

    Without mask registers LLVM makes of a mask a branch for each lane, so that the others access what belongs to
    nobody. With them, addresses that are computed for that leave no room for a base and an index in the instruction.
    """
    if values.full or not values.code.has_mask_registers:
        return _safe(values, where), "splat (i1 true)"
    return where, values.mask
