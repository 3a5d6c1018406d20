"""Loads, stores and all other work in memory, in the lanes that are active."""

from collections.abc import Callable

from metalsci.cpu_metal.compile.lanes.code import suffix, zero
from metalsci.cpu_metal.compile.lanes.flow import RefusedError
from metalsci.cpu_metal.compile.lanes.own_places import Element, gather, picked, scatter
from metalsci.cpu_metal.compile.lanes.values import Values, pieces
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.value_types import type_of


def load(values: Values, each: Instruction) -> list[str]:
    """Load in all active lanes; raises RefusedError for types that do not consist of scalars."""
    pointer, kinds = each.operands[0], pieces(each.type)
    _check(each.type)
    shape, count = values.shape(pointer), len(kinds)
    element = _element(values, pointer, kinds[0], each.align)
    if shape.kind == "uniform":
        scalar = values.code.new(f"load {each.type}, ptr {values.scalar(pointer)}, align {each.align}")
        return _spread(values, each.type, scalar)
    if shape.kind == "rows":
        row, step = values.scalar(pointer), values.code.width * element.bytes
        return [_load_row(values, element, _offset(values, row, i * step)) for i in range(count)]
    if shape.kind == "strided":
        start = _start(values, pointer)
        if shape.stride == element.bytes and count == 1:
            return [_load_next(values, element, start)]
        if values.full and shape.stride % element.bytes == 0 and count <= shape.stride // element.bytes <= 4:
            return _load_apart(values, element, start, count, shape.stride // element.bytes)
        where = values.code.ramp("ptr", start, shape.stride)
    else:
        where = values.vector(pointer)[0]
    return gather(values, element, where, count, values.apart(pointer))


def store(values: Values, each: Instruction) -> None:
    """Store in all active lanes."""
    value, pointer = each.operands
    kinds = pieces(value.type)
    _check(value.type)
    shape, element, code = values.shape(pointer), _element(values, pointer, kinds[0], each.align), values.code
    if shape.kind == "uniform":
        _store_once(values, value, pointer, element)
        return
    new = values.vector(value)
    if shape.kind == "rows":
        row, step = values.scalar(pointer), code.width * element.bytes
        for i, part in enumerate(new):
            _store_row(values, element, _offset(values, row, i * step), part)
        return
    if shape.kind == "strided":
        start = _start(values, pointer)
        if shape.stride == element.bytes and len(kinds) == 1:
            _store_next(values, element, start, new[0])
            return
        if values.full and shape.stride == element.bytes * len(kinds) and len(kinds) in (2, 4):
            _store_together(values, element, start, new)
            return
        where = code.ramp("ptr", start, shape.stride)
    else:
        where = values.vector(pointer)[0]
    scatter(values, element, where, new, values.apart(pointer))


def _element(values: Values, pointer: Operand, kind: str, align: int) -> Element:
    """Return the element that a pointer is to. In rows each lane's is aligned to its size, whatever a thread's is."""
    element = Element(kind, align)
    if values.apart(pointer) > 1:
        return Element(kind, min(align, element.bytes))
    return element


def _check(kind: str) -> None:
    known = type_of(kind)
    if not known.count or known.is_odd or (known.is_vector and known.element == "i1"):
        raise RefusedError(f"a load or store of {kind}")


def _spread(values: Values, kind: str, scalar: str) -> list[str]:
    code = values.code
    if not type_of(kind).is_vector:
        return [code.splat(kind, scalar)]
    element = type_of(kind).element
    return [
        code.splat(element, code.new(f"extractelement {kind} {scalar}, i64 {i}")) for i in range(type_of(kind).count)
    ]


def _start(values: Values, pointer: Operand) -> str:
    """Compute lane 0's address, as if it were in line with those of the active lanes."""
    shape, code = values.shape(pointer), values.code
    if shape.exact or values.full:
        return values.scalar(pointer)
    first = code.first(values.mask)
    there = values.at_lane(pointer, first)
    return code.new(f"getelementptr i8, ptr {there}, i64 {code.new(f'mul i64 {first}, {-shape.stride}')}")


def _offset(values: Values, pointer: str, size: int) -> str:
    if size:
        return values.code.new(f"getelementptr i8, ptr {pointer}, i64 {size}")
    return pointer


def _load_row(values: Values, element: Element, row: str) -> str:
    return values.code.new(f"load {values.code.vector(element.kind)}, ptr {row}, align {element.bytes}")


def _store_row(values: Values, element: Element, row: str, new: str) -> None:
    code, vector = values.code, values.code.vector(element.kind)
    if not values.full:  # a thread's own variable: no other thread is kept from it meanwhile
        new = code.new(f"select {code.mask} {values.mask}, {vector} {new}, {vector} {_load_row(values, element, row)}")
    code.do(f"store {vector} {new}, ptr {row}, align {element.bytes}")


def _load_next(values: Values, element: Element, start: str) -> str:
    """Load elements that lie next to each other."""
    code, vector = values.code, values.code.vector(element.kind)
    if values.full:
        return code.new(f"load {vector}, ptr {start}, align {element.align}")
    if element.bytes < 4:
        return gather(values, element, code.ramp("ptr", start, element.bytes), 1)[0]
    given = [f"ptr align {element.align} {start}", f"{code.mask} {values.mask}", f"{vector} zeroinitializer"]
    return code.call(vector, f"llvm.masked.load.{suffix(vector)}.p0", given)


def _store_next(values: Values, element: Element, start: str, new: str) -> None:
    code, vector = values.code, values.code.vector(element.kind)
    plain = f"store {vector} {new}, ptr {start}, align {element.align}"
    if values.full:
        code.do(plain)
        return
    if element.bytes < 4:
        scatter(values, element, code.ramp("ptr", start, element.bytes), [new])
        return
    # AMD's processors take a dozen cycles and more for a masked store, and masks mostly are full.
    whole, part, after = code.name(), code.name(), code.name()
    bits = code.as_bits(values.mask)
    code.do(f"br i1 {code.new(f'icmp eq {code.bits} {bits}, -1')}, label {whole}, label {part}")
    code.label(whole)
    code.do(plain)
    code.do(f"br label {after}")
    code.label(part)
    given = [f"{vector} {new}", f"ptr align {element.align} {start}", f"{code.mask} {values.mask}"]
    code.run(f"llvm.masked.store.{suffix(vector)}.p0", given)
    code.do(f"br label {after}")
    code.label(after)


def _load_apart(values: Values, element: Element, start: str, count: int, step: int) -> list[str]:
    """Load the first `count` of every `step` elements in memory."""
    code, total = values.code, values.code.width * step
    if step == 3 or count < step:
        # What lies behind the last lane's last element may not be there.
        total -= step - count
    whole = f"<{total} x {element.kind}>"
    loaded = code.new(f"load {whole}, ptr {start}, align {element.align}")
    return [picked(values, loaded, whole, list(range(i, i + step * (code.width - 1) + 1, step))) for i in range(count)]


def _store_together(values: Values, element: Element, start: str, new: list[str]) -> None:
    """Store two or four vectors, an element of each after the other."""
    code, parts, length = values.code, list(new), values.code.width
    while len(parts) > 1:
        half = len(parts) // 2
        kind, length = f"<{length} x {element.kind}>", length * 2
        places = ", ".join(f"i32 {i}" for i in range(length))
        parts = [
            code.new(f"shufflevector {kind} {parts[2 * i]}, {kind} {parts[2 * i + 1]}, <{length} x i32> <{places}>")
            for i in range(half)
        ]
    kind, count = f"<{length} x {element.kind}>", len(new)
    interleaved = [part * code.width + lane for lane in range(code.width) for part in range(count)]
    code.do(f"store {kind} {picked(values, parts[0], kind, interleaved)}, ptr {start}, align {element.align}")


def _store_once(values: Values, value: Operand, pointer: Operand, element: Element) -> None:
    """Store to one place from all lanes: the last one's value stays."""
    code, where = values.code, values.scalar(pointer)
    if values.shape(value).kind == "uniform":
        code.do(f"store {value.type} {values.scalar(value)}, ptr {where}, align {element.align}")
        return
    lane = str(code.width - 1) if values.full else code.last(values.mask)
    for i, part in enumerate(values.vector(value)):
        scalar = code.new(f"extractelement {code.vector(element.kind)} {part}, i64 {lane}")
        place = _offset(values, where, i * element.bytes)
        code.do(f"store {element.kind} {scalar}, ptr {place}, align {element.aligned(i).align}")


def one_by_one(values: Values, each: Instruction, spell: Callable[[dict[str, str]], str]) -> list[str]:
    """Execute an instruction in each active lane, one after the other.

    spell: the instruction's text, of scalars by the names of its operands. Returns a vector for each piece of its
        value.
    """
    code, kinds = values.code, [] if each.type == "void" else pieces(each.type)
    varying = [
        operand
        for operand in dict.fromkeys(each.operands)
        if operand.is_local and values.shape(operand).kind != "uniform"
    ]
    given = {
        operand.value: values.scalar(operand)
        for operand in each.operands
        if operand.is_local and operand not in varying
    }
    spilled = {operand: _spilled(values, operand) for operand in varying}
    results = [code.alloca(code.vector(_stored(kind)), 64) for kind in kinds]
    for kind, place in zip(kinds, results, strict=True):
        code.do(f"store {code.vector(_stored(kind))} zeroinitializer, ptr {place}")
    bits = code.as_bits(values.mask)
    counter, head, body, after = code.alloca(code.bits), code.name(), code.name(), code.name()
    code.do(f"store {code.bits} {bits}, ptr {counter}")
    code.do(f"br label {head}")
    code.label(head)
    left = code.new(f"load {code.bits}, ptr {counter}")
    code.do(f"br i1 {code.new(f'icmp ne {code.bits} {left}, 0')}, label {body}, label {after}")
    code.label(body)
    less = code.new(f"sub {code.bits} {left}, 1")
    code.do(f"store {code.bits} {code.new(f'and {code.bits} {left}, {less}')}, ptr {counter}")
    found = code.call(code.bits, f"llvm.cttz.{code.bits}", [f"{code.bits} {left}", "i1 true"])
    lane = code.new(f"zext {code.bits} {found} to i64")
    for operand, places in spilled.items():
        given[operand.value] = _read(values, operand, places, lane)
    if not kinds:
        code.do(spell(given))
    else:
        result = code.new(spell(given))
        for index, (kind, place) in enumerate(zip(kinds, results, strict=True)):
            _write(values, each.type, result, index, kind, place, lane)
    code.do(f"br label {head}")
    code.label(after)
    return [_whole(values, kind, place) for kind, place in zip(kinds, results, strict=True)]


def _stored(kind: str) -> str:
    if kind == "i1":
        return "i8"
    return kind


def _spilled(values: Values, operand: Operand) -> list[str]:
    code, places = values.code, []
    for kind, vector in zip(pieces(operand.type), values.vector(operand), strict=True):
        place, stored = code.alloca(code.vector(_stored(kind)), 64), vector
        if kind == "i1":
            stored = code.new(f"zext {code.mask} {vector} to {code.vector('i8')}")
        code.do(f"store {code.vector(_stored(kind))} {stored}, ptr {place}")
        places.append(place)
    return places


def _read(values: Values, operand: Operand, places: list[str], lane: str) -> str:
    code, parts = values.code, []
    for kind, place in zip(pieces(operand.type), places, strict=True):
        where = code.new(f"getelementptr {_stored(kind)}, ptr {place}, i64 {lane}")
        part = code.new(f"load {_stored(kind)}, ptr {where}")
        parts.append(code.new(f"icmp ne i8 {part}, 0") if kind == "i1" else part)
    if not type_of(operand.type).is_vector:
        return parts[0]
    whole = "poison"
    for index, part in enumerate(parts):
        kind = type_of(operand.type).element
        whole = code.new(f"insertelement {operand.type} {whole}, {kind} {part}, i64 {index}")
    return whole


def _write(values: Values, whole: str, result: str, index: int, kind: str, place: str, lane: str) -> None:
    code, part = values.code, result
    if whole.startswith("{"):
        part = code.new(f"extractvalue {whole} {result}, {index}")
    elif type_of(whole).is_vector:
        part = code.new(f"extractelement {whole} {result}, i64 {index}")
    if kind == "i1":
        part = code.new(f"zext i1 {part} to i8")
    where = code.new(f"getelementptr {_stored(kind)}, ptr {place}, i64 {lane}")
    code.do(f"store {_stored(kind)} {part}, ptr {where}")


def _whole(values: Values, kind: str, place: str) -> str:
    code, vector = values.code, values.code.vector(_stored(kind))
    found = code.new(f"load {vector}, ptr {place}")
    if kind == "i1":
        return code.new(f"icmp ne {vector} {found}, {zero('ptr') if kind == 'ptr' else 'zeroinitializer'}")
    return found
