"""Calls around every access to memory that threads share, in a kernel of which all functions have been inlined.

A load reads from where the runtime says; a store becomes a call that may decline. An element of a vector is read and
written alone, although LLVM's text loads the vector and stores it whole. Variables of the thread's own, and constants
of the program, are left alone where that can be seen; of other pointers the runtime knows.
"""

import re
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag

from metalsci.cpu_metal.sanitizer.llvm import DebugInfo, Type, arguments, functions, operands, type_of, typed
from metalsci.cpu_metal.sanitizer.sites import Sites

_RESULT = re.compile(r"^ +(?P<name>%(?:\"[^\"]+\"|\S+)) = (?P<rest>.*)$")
_POINTER = re.compile(r"%(?:\"[^\"]+\"|[\w.$-]+)")
_ALIGN = re.compile(r"\balign (\d+)")
_MEMORY = re.compile(r"^ +call void @llvm\.(?P<function>memcpy|memmove|memset)\.")
_ARRAY = re.compile(r" \[(?P<count>\d+) x ")
_LANE = re.compile(r"i32 (\w+)")
_VALUE = "%metal.value"
_LARGEST_VALUE = 1024  # bytes; runtime/check.c's too
_DECLARATIONS = """
declare ptr @metal_read(ptr, i32, i32, i32)
declare void @metal_write(ptr, ptr, i32, i32, i32)
declare ptr @metal_atomic(ptr, i32, i32, i32)
declare void @metal_copy(ptr, ptr, i64, i32, i32, i32)
declare void @metal_fill(ptr, i32, i64, i32, i32)
declare void @metal_index(i64, i64, i32)
"""


class _How(IntFlag):
    """What the runtime is told of an access, beside its alignment: runtime/check.c."""

    FLOAT = 0x100
    HALF = 0x200
    BFLOAT = 0x300
    ATOMIC = 0x400
    STORE = 0x800
    QUIET = 0x2000


_FLOATS = {"float": _How.FLOAT, "half": _How.HALF, "bfloat": _How.BFLOAT}


def check_accesses(module: str, file: str, kernel: str, sites: Sites) -> str:
    """The module with calls put into the function `kernel`."""
    lines = module.split("\n")
    function = next(function for function in functions(lines) if function.name == kernel)
    body = lines[function.first + 1 : function.last]
    checked = _Accesses(body, DebugInfo(module, file), sites)
    value = f"  {_VALUE} = alloca [{_LARGEST_VALUE} x i8], align 64"
    new = [value, *(part for line in body for part in checked.line(line))]
    return "\n".join([*lines[: function.first + 1], *new, *lines[function.last :]]) + _DECLARATIONS


@dataclass(frozen=True)
class _Part:
    """Element `index` of a vector in memory, which becomes `value`, or element `lane` of the vector `value`."""

    index: str  # with its type
    value: str
    lane: int | None = None
    vector: str = ""


@dataclass(frozen=True)
class _Vector:
    """A vector in memory of which only elements are used."""

    kind: Type
    pointer: str
    align: int


class _Accesses:
    def __init__(self, body: Sequence[str], debug: DebugInfo, sites: Sites) -> None:
        self._debug = debug
        self._sites = sites
        self._count = 0
        self._defined = {match["name"]: match["rest"] for line in body if (match := _RESULT.match(line))}
        self._users: Mapping[str, list[str]] = defaultdict(list)
        for line in body:
            use = line.partition(" = ")[2] or line.strip()
            for name in set(_POINTER.findall(use)):
                self._users[name].append(use)
        self._private = _private(self._defined)
        # Loads of whole vectors of which some elements are replaced and all are stored again.
        self._merged = {name for line in body for name, _ in [self._replacement(line)] if name}
        self._vectors = {name: vector for name in self._defined if (vector := self._vector(name))}

    def line(self, line: str) -> Iterator[str]:
        place = self._debug.place(line)
        if place is None:
            yield line
            return
        site = self._sites.number(place)
        match = _RESULT.match(line)
        rest = match["rest"] if match else line.strip()
        if match and match["name"] in self._vectors:
            return
        if match and rest.startswith("load "):
            yield from self._load(match["name"], rest, line, site)
        elif rest.startswith("store "):
            yield from self._store(rest, line, site)
        elif match and rest.startswith(("extractelement ", "shufflevector ")):
            yield from self._elements(match["name"], rest, line, site)
        elif match and rest.startswith(("atomicrmw ", "cmpxchg ")):
            yield from self._atomic(match["name"], rest, line, site)
        elif memory := _MEMORY.match(line):
            yield from self._copy(memory["function"], line, site)
        else:
            if match and rest.startswith("getelementptr ") and self._debug.is_of_headers(line):
                yield from self._index(rest, site)
            yield line

    def _load(self, name: str, rest: str, line: str, site: int) -> Iterator[str]:
        kind, pointer, align = _access(rest)
        if self._is_private(pointer):
            yield line
            return
        source = self._name()
        atomic = rest.startswith("load atomic ")
        how = _FLOATS.get(kind.element, 0) | (_How.ATOMIC if atomic else _How.QUIET if name in self._merged else 0)
        yield self._read(source, pointer, self._loaded(name, kind), align | how, site)
        moved = line.replace(f"ptr {pointer}", f"ptr {source}", 1)
        yield moved if atomic else _ALIGN.sub("align 1", moved, count=1)

    def _read(self, source: str, pointer: str, size: str, how: int, site: int) -> str:
        return f"  {source} = call ptr @metal_read(ptr {pointer}, i32 {size}, i32 {how}, i32 {site})"

    def _loaded(self, name: str, kind: Type) -> str:
        """The bytes that a load is about: of a vector of three, which is loaded as one of four, three."""
        users = self._users[name]
        shuffle = users[0].partition(", !")[0] if len(users) == 1 and users[0].startswith("shufflevector ") else ""
        three = kind.count == 4 and shuffle.endswith("<3 x i32> <i32 0, i32 1, i32 2>")
        return str(3 * kind.element_bytes) if three else kind.bytes

    def _vector(self, name: str) -> _Vector | None:
        """What a load reads of which others take no more than elements."""
        rest = self._defined[name]
        if not rest.startswith("load <") or name in self._merged:
            return None
        vector = _Vector(*_access(rest))
        taken = all(_takes_elements(user, name) for user in self._users[name]) and self._users[name]
        known = vector.kind.count > 1 and vector.kind.element != "i1" and not self._is_private(vector.pointer)
        return vector if taken and known else None

    def _elements(self, name: str, rest: str, line: str, site: int) -> Iterator[str]:
        """Loads of the elements that are taken from a vector, in place of its load."""
        first, second, *others = operands(rest.partition(" ")[2])
        vector = self._vectors.get(typed(first)[1])
        if vector is None:
            yield line
            return
        if rest.startswith("extractelement "):
            source = yield from self._element(vector, second, site)
            yield f"  {name} = load {vector.kind.element}, ptr {source}, align 1{_debug_of(line)}"
            return
        kind, mask = typed(others[0])
        lanes = _LANE.findall(mask) or ["0"] * type_of(kind).count
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

    def _element(self, vector: _Vector, index: str, site: int) -> Generator[str, None, str]:
        kind = type_of(vector.kind.element)
        pointer = yield from self._pointer(kind, vector.pointer, index)
        source = self._name()
        how = min(vector.align, kind.element_bytes) | _FLOATS.get(kind.element, 0)
        yield self._read(source, pointer, kind.bytes, how, site)
        return source

    def _pointer(self, kind: Type, base: str, index: str) -> Generator[str, None, str]:
        """To an element of a vector. LLVM takes an index there as unsigned, and one of an address as signed."""
        text, value = typed(index)
        if text not in ("i32", "i64"):
            wide = self._name()
            yield f"  {wide} = zext {text} {value} to i64"
            text, value = "i64", wide
        pointer = self._name()
        yield f"  {pointer} = getelementptr {kind.text}, ptr {base}, {text} {value}"
        return pointer

    def _index(self, rest: str, site: int) -> Iterator[str]:
        """Of an array within one of Metal's own types, whose functions Clang does not check."""
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
        kind, pointer, align = _access(rest)
        if self._is_private(pointer):
            yield line
            return
        if rest.startswith("store atomic "):
            target = self._name()
            how = align | _How.ATOMIC | _How.STORE
            yield f"  {target} = call ptr @metal_atomic(ptr {pointer}, i32 {kind.bytes}, i32 {how}, i32 {site})"
            yield line.replace(f"ptr {pointer}", f"ptr {target}", 1)
            return
        _, value = typed(operands(rest.removeprefix("store ").removeprefix("volatile "))[0])
        merged, parts = self._replacement(line)
        if not merged:
            stored = _stored(self._defined.get(value, ""), kind)
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

    def _replacement(self, line: str) -> tuple[str, list[_Part]]:
        """Of a store of a vector that was loaded from the same place but for some elements: the load, and those."""
        rest = line.strip()
        if not rest.startswith("store <"):
            return "", []
        kind, pointer, _ = _access(rest)
        _, value = typed(operands(rest.removeprefix("store "))[0])
        made = self._defined.get(value, "")
        operation, _, given = made.partition(" ")
        if operation not in ("insertelement", "shufflevector"):
            return "", []
        first, second, third, *_ = operands(given)
        old = typed(first)[1]
        loaded = self._defined.get(old, "")
        if not loaded.startswith("load ") or len(self._users[old]) != 1 or _access(loaded)[:2] != (kind, pointer):
            return "", []
        if operation == "insertelement":
            return old, [_Part(third.partition(", !")[0], typed(second)[1])]
        mask = [int(index) if index.isdigit() else -1 for index in _LANE.findall(third.partition("> ")[2])]
        kept = [index == at or index >= kind.count for at, index in enumerate(mask)]
        if len(mask) != kind.count or not all(kept):
            return "", []
        vector, value = typed(second)
        new = [(at, index - kind.count) for at, index in enumerate(mask) if index >= kind.count]
        return old, [_Part(f"i64 {at}", value, lane, vector) for at, lane in new]

    def _atomic(self, name: str, rest: str, line: str, site: int) -> Iterator[str]:
        given = operands(rest)
        pointer = typed(given[0][given[0].index("ptr ") :])[1]
        kind = type_of(typed(given[1])[0])
        if self._is_private(pointer):
            yield line
            return
        target, align = self._name(), _ALIGN.search(rest)
        how = int(align[1] if align else kind.element_bytes) | _How.ATOMIC
        yield f"  {target} = call ptr @metal_atomic(ptr {pointer}, i32 {kind.bytes}, i32 {how}, i32 {site})"
        yield line.replace(f"ptr {pointer}", f"ptr {target}", 1)

    def _copy(self, function: str, line: str, site: int) -> Iterator[str]:
        to, second, size, *_ = arguments(line)
        target = typed(to)[1]
        if function == "memset":
            if self._is_private(target):
                yield line
                return
            wide = self._name()
            yield f"  {wide} = zext {second} to i32"
            yield f"  call void @metal_fill(ptr {target}, i32 {wide}, {size}, i32 {_alignment(to)}, i32 {site})"
            return
        source = typed(second)[1]
        if self._is_private(target) and self._is_private(source):
            yield line
            return
        aligned = f"i32 {_alignment(to)}, i32 {_alignment(second)}"
        yield f"  call void @metal_copy(ptr {target}, ptr {source}, {size}, {aligned}, i32 {site})"

    def _is_private(self, pointer: str) -> bool:
        return pointer in self._private or not pointer.startswith("%")

    def _name(self) -> str:
        self._count += 1
        return f"%metal.a{self._count}"


def _private(defined: Mapping[str, str]) -> frozenset[str]:
    """Pointers to a thread's own variables and to the program's constants, as far as they are computed from those and
    lead nowhere else: by constant indices, or by one into an array, which has been checked."""
    private = {name for name, rest in defined.items() if rest.startswith("alloca ")}
    for name, rest in defined.items():  # what a pointer is computed from comes before it
        if rest.startswith("getelementptr "):
            kind, base, *indices = operands(rest.partition(", !")[0])
            bounded = (" [" in kind and len(indices) == 2) or not any("%" in index for index in indices)
            if bounded and (typed(base)[1] in private or typed(base)[1].startswith("@")):
                private.add(name)
    return frozenset(private)


def _takes_elements(user: str, vector: str) -> bool:
    """Whether an instruction takes elements of a vector and does nothing else with it."""
    operation, _, given = user.partition(" ")
    if operation not in ("extractelement", "shufflevector"):
        return False
    first, second, *_ = operands(given)
    alone = operation == "extractelement" or typed(second)[1] in ("poison", "undef")
    return typed(first)[1] == vector and alone


def _identity(count: int) -> str:
    return f"<{count} x i32> <{', '.join(f'i32 {lane}' for lane in range(count))}>"


def _debug_of(line: str) -> str:
    """The place in the source that an instruction names, to be put behind another one."""
    at = line.rfind(", !dbg ")
    return line[at:] if at >= 0 else ""


def _access(rest: str) -> tuple[Type, str, int]:
    """Of a load or a store: the type, the pointer and the alignment."""
    given = operands(re.sub(r"^(?:load|store) (?:atomic )?(?:volatile )?", "", rest))
    pointer = _POINTER.search(given[1].removeprefix("ptr "))
    align = _ALIGN.search(rest)
    kind = typed(given[0])[0] if rest.startswith("store") else given[0]
    return type_of(kind), pointer[0] if pointer else "", int(align[1]) if align else 1


def _stored(value: str, kind: Type) -> Type:
    """What a store is about: of a vector of three, which is stored as one of four, three."""
    if kind.count == 4 and re.match(
        r"shufflevector <3 x .*<4 x i32> <i32 0, i32 1, i32 2, i32 (?:3|poison|undef)>", value
    ):
        return type_of(f"<3 x {kind.element}>")
    return kind


def _alignment(operand: str) -> int:
    match = _ALIGN.search(operand)
    return int(match[1]) if match else 1
