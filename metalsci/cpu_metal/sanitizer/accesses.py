"""Calls around every access to memory that threads share, in a kernel whose functions have all been inlined.

The runtime decides where a load reads from, and may decline a store. An element of a vector is read and written alone,
although LLVM's text loads the vector and stores it whole. Variables of the thread's own and constants of the program
are left alone if the text shows them to be that; for other pointers the runtime knows.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from enum import IntFlag

from metalsci.cpu_metal.compile.llvm.debug_locations import DebugInfo
from metalsci.cpu_metal.compile.llvm.function import definitions
from metalsci.cpu_metal.compile.llvm.text import arguments, operands, typed
from metalsci.cpu_metal.compile.llvm.value_types import Type, type_of
from metalsci.cpu_metal.sanitizer.body import ALIGN, LANE, RESULT, Body, Vector, access
from metalsci.cpu_metal.sanitizer.sites import Sites
from metalsci.cpu_metal.sanitizer.undefined_values import SITE

_MEMORY = re.compile(r"^ +call void @llvm\.(?P<function>memcpy|memmove|memset)\.")
_ARRAY = re.compile(r" \[(?P<count>\d+) x ")
_VALUE = "%metal.value"
_LARGEST_VALUE = 1024  # bytes; runtime/checker.h's too
_DECLARATIONS = """
declare ptr @metal_read(ptr, i32, i32, i32)
declare void @metal_write(ptr, ptr, i32, i32, i32)
declare ptr @metal_atomic(ptr, i32, i32, i32)
declare void @metal_copy(ptr, ptr, i64, i32, i32, i32)
declare void @metal_fill(ptr, i32, i64, i32, i32)
declare void @metal_index(i64, i64, i32)
"""


class _How(IntFlag):
    """Facts about an access for the runtime, in addition to its alignment: runtime/checker.h."""

    FLOAT = 0x100
    HALF = 0x200
    BFLOAT = 0x300
    ATOMIC = 0x400
    STORE = 0x800
    QUIET = 0x2000


_FLOATS = {"float": _How.FLOAT, "half": _How.HALF, "bfloat": _How.BFLOAT}


def check_accesses(module: str, file: str, kernel: str, sites: Sites) -> str:
    """Put calls into the function `kernel` of a module and return the module."""
    lines = module.split("\n")
    function = next(function for function in definitions(lines) if function.name == kernel)
    body = lines[function.first + 1 : function.last]
    checked = _Accesses(body, DebugInfo(module, file), sites)
    value = f"  {_VALUE} = alloca [{_LARGEST_VALUE} x i8], align 64"
    new = [value, *(part for line in body for part in checked.line(line))]
    return "\n".join([*lines[: function.first + 1], *new, *lines[function.last :]]) + _DECLARATIONS


class _Accesses:
    def __init__(self, body: Sequence[str], debug: DebugInfo, sites: Sites) -> None:
        self._body = Body(body)
        self._debug = debug
        self._sites = sites
        self._count = 0

    def line(self, line: str) -> Iterator[str]:
        place = self._debug.place(line)
        if place is None:
            yield line
            return
        site = self._sites.number(place)
        match = RESULT.match(line)
        rest = match["rest"] if match else line.strip()
        if match and match["name"] in self._body.vectors:
            return
        if match and rest.startswith("load "):
            yield from self._load(match["name"], rest, line, site)
        elif rest.startswith("store "):
            yield from self._store(rest, line, site)
        elif match and rest.startswith(("extractelement ", "shufflevector ")):
            yield from self._elements(match["name"], rest, line, site)
        elif match and rest.startswith(("atomicrmw ", "cmpxchg ")):
            yield from self._atomic(match["name"], rest, line, site)
        elif SITE in line:
            yield line.replace(SITE, f"i32 {site})", 1)
        elif memory := _MEMORY.match(line):
            yield from self._copy(memory["function"], line, site)
        else:
            if match and rest.startswith("getelementptr ") and self._debug.is_of_headers(line):
                yield from self._index(rest, site)
            yield line

    def _load(self, name: str, rest: str, line: str, site: int) -> Iterator[str]:
        kind, pointer, align = access(rest)
        if self._body.is_private(pointer):
            yield line
            return
        source = self._name()
        atomic = rest.startswith("load atomic ")
        how = _FLOATS.get(kind.element, 0) | (_How.ATOMIC if atomic else _How.QUIET if name in self._body.merged else 0)
        yield self._read(source, pointer, self._body.loaded(name, kind), align | how, site)
        moved = line.replace(f"ptr {pointer}", f"ptr {source}", 1)
        yield moved if atomic else ALIGN.sub("align 1", moved, count=1)

    def _read(self, source: str, pointer: str, size: str, how: int, site: int) -> str:
        return f"  {source} = call ptr @metal_read(ptr {pointer}, i32 {size}, i32 {how}, i32 {site})"

    def _elements(self, name: str, rest: str, line: str, site: int) -> Iterator[str]:
        """Yield loads of the elements that are taken from a vector, in place of its load."""
        first, second, *others = operands(rest.partition(" ")[2])
        vector = self._body.vectors.get(typed(first)[1])
        if vector is None:
            yield line
            return
        if rest.startswith("extractelement "):
            source = yield from self._element(vector, second, site)
            yield f"  {name} = load {vector.kind.element}, ptr {source}, align 1{_debug_of(line)}"
            return
        kind, mask = typed(others[0])
        lanes = LANE.findall(mask) or ["0"] * type_of(kind).count
        result = f"<{len(lanes)} x {vector.kind.element}>"
        made = "poison"
        for at, lane in enumerate(lanes):
            if not lane.isdigit():
                continue
            source = yield from self._element(vector, f"i64 {lane}", site)
            value, before, made = self._name(), made, self._name()
            yield f"  {value} = load {vector.kind.element}, ptr {source}, align 1"
            yield f"  {made} = insertelement {result} {before}, {vector.kind.element} {value}, i64 {at}"
        yield f"  {name} = shufflevector {result} {made}, {result} poison, {_identity(len(lanes))}"

    def _element(self, vector: Vector, index: str, site: int) -> Generator[str, None, str]:
        kind = type_of(vector.kind.element)
        pointer = yield from self._pointer(kind, vector.pointer, index)
        source = self._name()
        how = min(vector.align, kind.element_bytes) | _FLOATS.get(kind.element, 0)
        yield self._read(source, pointer, kind.bytes, how, site)
        return source

    def _pointer(self, kind: Type, base: str, index: str) -> Generator[str, None, str]:
        """Point to an element of a vector. LLVM takes an index there as unsigned, and one of an address as signed."""
        text, value = typed(index)
        if text not in ("i32", "i64"):
            wide = self._name()
            yield f"  {wide} = zext {text} {value} to i64"
            text, value = "i64", wide
        pointer = self._name()
        yield f"  {pointer} = getelementptr {kind.text}, ptr {base}, {text} {value}"
        return pointer

    def _index(self, rest: str, site: int) -> Iterator[str]:
        """Check an index of an array within one of Metal's own types, whose functions Clang does not check."""
        kind, _, *indices = operands(rest.partition(", !")[0])
        array = _ARRAY.search(kind)
        if array is None or len(indices) != 2:
            return
        text, index = typed(indices[1])
        if index.startswith("%"):
            wide = index
            if text != "i64":
                wide = self._name()
                yield f"  {wide} = sext {text} {index} to i64"
            yield f"  call void @metal_index(i64 {wide}, i64 {array['count']}, i32 {site})"

    def _store(self, rest: str, line: str, site: int) -> Iterator[str]:
        kind, pointer, align = access(rest)
        if self._body.is_private(pointer):
            yield line
            return
        if rest.startswith("store atomic "):
            target = self._name()
            how = align | _How.ATOMIC | _How.STORE
            yield f"  {target} = call ptr @metal_atomic(ptr {pointer}, i32 {kind.bytes}, i32 {how}, i32 {site})"
            yield line.replace(f"ptr {pointer}", f"ptr {target}", 1)
            return
        _, value = typed(operands(rest.removeprefix("store ").removeprefix("volatile "))[0])
        merged, parts = self._body.replacement(line)
        if not merged:
            stored = self._body.stored(value, kind)
            yield f"  store {kind.text} {value}, ptr {_VALUE}, align 1"
            yield self._written(pointer, stored, align, site)
        element = type_of(kind.element) if merged else kind
        for part in parts:
            value = part.value
            target = yield from self._pointer(element, pointer, part.index)
            if part.lane is not None:
                value = self._name()
                yield f"  {value} = extractelement {part.vector} {part.value}, i32 {part.lane}"
            yield f"  store {element.text} {value}, ptr {_VALUE}, align 1"
            yield self._written(target, element, min(align, element.element_bytes), site)

    def _written(self, pointer: str, kind: Type, align: int, site: int) -> str:
        how = align | _FLOATS.get(kind.element, 0)
        return f"  call void @metal_write(ptr {pointer}, ptr {_VALUE}, i32 {kind.bytes}, i32 {how}, i32 {site})"

    def _atomic(self, name: str, rest: str, line: str, site: int) -> Iterator[str]:
        given = operands(rest)
        pointer = typed(given[0][given[0].index("ptr ") :])[1]
        kind = type_of(typed(given[1])[0])
        if self._body.is_private(pointer):
            yield line
            return
        target, align = self._name(), ALIGN.search(rest)
        how = int(align[1] if align else kind.element_bytes) | _How.ATOMIC
        yield f"  {target} = call ptr @metal_atomic(ptr {pointer}, i32 {kind.bytes}, i32 {how}, i32 {site})"
        yield line.replace(f"ptr {pointer}", f"ptr {target}", 1)

    def _copy(self, function: str, line: str, site: int) -> Iterator[str]:
        to, second, size, *_ = arguments(line)
        target = typed(to)[1]
        if function == "memset":
            if self._body.is_private(target):
                yield line
                return
            wide = self._name()
            yield f"  {wide} = zext {second} to i32"
            yield f"  call void @metal_fill(ptr {target}, i32 {wide}, {size}, i32 {_alignment(to)}, i32 {site})"
            return
        source = typed(second)[1]
        if self._body.is_private(target) and self._body.is_private(source):
            yield line
            return
        aligned = f"i32 {_alignment(to)}, i32 {_alignment(second)}"
        yield f"  call void @metal_copy(ptr {target}, ptr {source}, {size}, {aligned}, i32 {site})"

    def _name(self) -> str:
        self._count += 1
        return f"%metal.a{self._count}"


def _identity(count: int) -> str:
    return f"<{count} x i32> <{', '.join(f'i32 {lane}' for lane in range(count))}>"


def _debug_of(line: str) -> str:
    """Return the place in the source that an instruction names, to be put behind another one."""
    at = line.rfind(", !dbg ")
    if at >= 0:
        return line[at:]
    return ""


def _alignment(operand: str) -> int:
    match = ALIGN.search(operand)
    if match:
        return int(match[1])
    return 1
