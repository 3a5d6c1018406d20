"""Calls around every access to memory that threads share, in a kernel of which all functions have been inlined.

A load reads from where the runtime says; a store becomes a call that may decline. Variables of the thread's own, and
constants of the program, are left alone where that can be seen; of other pointers the runtime knows.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from functools import cached_property

from metalsci.cpu_metal.sanitizer.llvm import DebugInfo, Type, arguments, functions, operands, type_of, typed
from metalsci.cpu_metal.sanitizer.sites import Sites

_RESULT = re.compile(r"^ +(?P<name>%(?:\"[^\"]+\"|\S+)) = (?P<rest>.*)$")
_POINTER = re.compile(r"%(?:\"[^\"]+\"|[\w.$-]+)")
_ALIGN = re.compile(r"\balign (\d+)")
_MEMORY = re.compile(r"^ +call void @llvm\.(?P<function>memcpy|memmove|memset)\.")
_VALUE = "%metal.value"
_LARGEST_VALUE = 1024  # bytes; runtime/check.c's too
_DECLARATIONS = """
declare ptr @metal_read(ptr, i32, i32, i32)
declare void @metal_write(ptr, ptr, i32, i32, i32)
declare ptr @metal_atomic(ptr, i32, i32, i32)
declare void @metal_copy(ptr, ptr, i64, i32, i32, i32)
declare void @metal_fill(ptr, i32, i64, i32, i32)
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

    index: str
    value: str
    lane: int | None = None
    vector: str = ""


class _Accesses:
    def __init__(self, body: Sequence[str], debug: DebugInfo, sites: Sites) -> None:
        self._debug = debug
        self._sites = sites
        self._count = 0
        self._defined = {match["name"]: match["rest"] for line in body if (match := _RESULT.match(line))}
        self._uses = Counter(name for line in body for name in _POINTER.findall(line.partition(" = ")[2] or line))
        self._private = _private(self._defined)
        # Loads of whole vectors of which some elements are replaced and all are stored again.
        self._merged = {name for line in body for name, _ in [self._replacement(line)] if name}

    def line(self, line: str) -> Iterator[str]:
        place = self._debug.place(line)
        if place is None:
            yield line
            return
        site = self._sites.number(place)
        match = _RESULT.match(line)
        rest = match["rest"] if match else line.strip()
        if match and rest.startswith("load "):
            yield from self._load(match["name"], rest, line, site)
        elif rest.startswith("store "):
            yield from self._store(rest, line, site)
        elif match and rest.startswith(("atomicrmw ", "cmpxchg ")):
            yield from self._atomic(match["name"], rest, line, site)
        elif memory := _MEMORY.match(line):
            yield from self._copy(memory["function"], line, site)
        else:
            yield line

    def _load(self, name: str, rest: str, line: str, site: int) -> Iterator[str]:
        kind, pointer, align = _access(rest)
        if self._is_private(pointer):
            yield line
            return
        source = self._name()
        atomic = rest.startswith("load atomic ")
        how = _How.ATOMIC if atomic else _How.QUIET if name in self._merged else _How(0)
        size = self._loaded(name, kind)
        yield f"  {source} = call ptr @metal_read(ptr {pointer}, i32 {size}, i32 {align | how}, i32 {site})"
        moved = line.replace(f"ptr {pointer}", f"ptr {source}", 1)
        yield moved if atomic else _ALIGN.sub("align 1", moved, count=1)

    def _loaded(self, name: str, kind: Type) -> str:
        """The bytes that a load is about: of a vector of three, which is loaded as one of four, three."""
        shuffle = self._shuffled.get(name, "").partition(", !")[0] if self._uses[name] == 1 else ""
        three = kind.count == 4 and shuffle.endswith("<3 x i32> <i32 0, i32 1, i32 2>")
        return str(3 * kind.element_bytes) if three else kind.bytes

    @cached_property
    def _shuffled(self) -> Mapping[str, str]:
        """By vector, a shuffle of it."""
        shuffles = (rest for rest in self._defined.values() if rest.startswith("shufflevector "))
        return {typed(operands(rest.removeprefix("shufflevector "))[0])[1]: rest for rest in shuffles}

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
            target, value = self._name(), part.value
            yield f"  {target} = getelementptr {element.text}, ptr {pointer}, i32 {part.index}"
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
        if not loaded.startswith("load ") or self._uses[old] != 1 or _access(loaded)[:2] != (kind, pointer):
            return "", []
        if operation == "insertelement":
            return old, [_Part(typed(third)[1], typed(second)[1])]
        mask = [int(index) if index.isdigit() else -1 for index in re.findall(r"i32 (\w+)", third.partition("> ")[2])]
        kept = [index == at or index >= kind.count for at, index in enumerate(mask)]
        if len(mask) != kind.count or not all(kept):
            return "", []
        vector, value = typed(second)
        new = [(at, index - kind.count) for at, index in enumerate(mask) if index >= kind.count]
        return old, [_Part(str(at), value, lane, vector) for at, lane in new]

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
    """Pointers to a thread's own variables and to the program's constants, as far as they are computed from those."""
    private = {name for name, rest in defined.items() if rest.startswith("alloca ")}
    for name, rest in defined.items():  # what a pointer is computed from comes before it
        if rest.startswith("getelementptr "):
            base = typed(operands(rest)[1])[1]
            if base in private or base.startswith("@"):
                private.add(name)
    return frozenset(private)


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
