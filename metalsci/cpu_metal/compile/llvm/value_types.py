"""First-class types of LLVM: numbers, pointers and vectors of them; all others are text."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

_ELEMENT_BYTES = {
    "i1": 1,
    "i8": 1,
    "i16": 2,
    "half": 2,
    "bfloat": 2,
    "i32": 4,
    "float": 4,
    "i64": 8,
    "double": 8,
    "ptr": 8,
}
_ODD = re.compile(r"i([1-9]|[1-5]\d|6[0-3])")  # LLVM narrows numbers to the bits that count
_VECTOR = re.compile(r"<(\d+) x ([\w.]+)>")
_ARRAY = re.compile(r"\[(\d+) x (.+)\]")
_NAME = re.compile(r"%(?:\"[^\"]+\"|[\w.$:-]+)")
_NAMED = re.compile(rf"^(?P<name>{_NAME.pattern}) = type (?P<fields>\{{.*\}})$")


@dataclass(frozen=True)
class Type:
    """A first-class type: `count` elements of type `element`; `count` is 0 for all but numbers and vectors of them."""

    text: str
    element: str
    count: int

    @property
    def element_bytes(self) -> int:
        if self.is_odd:
            return -(-int(self.element[1:]) // 8)
        return _ELEMENT_BYTES[self.element]

    @property
    def is_odd(self) -> bool:
        """True for numbers of a width that no memory has, such as i5."""
        return self.count > 0 and self.element not in _ELEMENT_BYTES

    @property
    def bytes(self) -> str:
        """The bytes it takes in memory, as an operand."""
        if self.count and self.element != "i1" and not self.is_odd:
            return str(self.count * self.element_bytes)
        return f"ptrtoint (ptr getelementptr ({self.text}, ptr null, i32 1) to i32)"

    @property
    def is_float(self) -> bool:
        return self.element in ("float", "half", "bfloat")

    @property
    def is_vector(self) -> bool:
        return self.text.startswith("<") and self.count > 0


@cache
def type_of(text: str) -> Type:
    if _is_number(text):
        return Type(text, text, 1)
    vector = _VECTOR.fullmatch(text)
    if vector and _is_number(vector[2]):
        return Type(text, vector[2], int(vector[1]))
    return Type(text, "", 0)


def _is_number(text: str) -> bool:
    return text in _ELEMENT_BYTES or _ODD.fullmatch(text) is not None


@dataclass(frozen=True)
class Layout:
    """Bytes that a type takes in an array of its own, and its alignment: of x86-64 and of aarch64, which agree."""

    size: int
    align: int


@cache
def layout(text: str) -> Layout | None:
    """Return the layout of numbers, vectors, arrays and structs of them; None for a type with a name."""
    kind = type_of(text)
    if kind.is_odd or (kind.is_vector and kind.element == "i1"):
        return None
    if kind.count:
        size = kind.count * kind.element_bytes
        rounded = 1 << (size - 1).bit_length()
        if kind.is_vector:
            return Layout(rounded, rounded)
        return Layout(size, size)
    array = _ARRAY.fullmatch(text)
    if array:
        element = layout(array[2])
        return element and Layout(int(array[1]) * element.size, element.align)
    if text.startswith("{") and text.endswith("}"):
        return _struct(text)
    return None


def fields(text: str) -> list[str]:
    """Return the types in a struct's braces."""
    from metalsci.cpu_metal.compile.llvm.text import operands

    return operands(text[1:-1].strip())


def _struct(text: str) -> Layout | None:
    end = offset_of_field(text, len(fields(text)))
    layouts = [layout(field) for field in fields(text)]
    align = max((each.align for each in layouts if each is not None), default=1)
    if end is None:
        return None
    return Layout(-(-end // align) * align, align)


def offset_of_field(struct: str, index: int) -> int | None:
    """Return the byte at which a struct's field starts; for one too many, the byte after the last."""
    offset, types = 0, fields(struct)
    for number, field in enumerate(types):
        known = layout(field)
        if known is None:
            return None
        offset = -(-offset // known.align) * known.align
        if number == index:
            return offset
        offset += known.size
    return offset


def named_structs(lines: Iterable[str]) -> Mapping[str, str]:
    """Return the structs of a module by their names, as types in braces."""
    return {match["name"]: match["fields"] for line in lines if (match := _NAMED.match(line))}


def plain(text: str, structs: Mapping[str, str]) -> str:
    """Return a type with the names of structs replaced by their fields."""
    while True:
        named = _NAME.sub(lambda match: structs.get(match[0], match[0]), text)
        if named == text:
            return text
        text = named


def without_padding(text: str) -> list[tuple[int, int]]:
    """Return the bytes that a value of a type has, as starts and sizes; empty for a type whose layout is not known."""
    if layout(text) is None:
        return []
    parts: list[tuple[int, int]] = []
    for start, size in _parts(text, 0):
        if parts and sum(parts[-1]) == start:
            parts[-1] = (parts[-1][0], parts[-1][1] + size)
        else:
            parts.append((start, size))
    return parts


def _parts(text: str, start: int) -> Iterator[tuple[int, int]]:
    kind, array = type_of(text), _ARRAY.fullmatch(text)
    if kind.count:
        yield start, kind.count * kind.element_bytes
    elif array:
        element = layout(array[2])
        inner = without_padding(array[2])
        if element is not None and inner == [(0, element.size)]:
            yield start, int(array[1]) * element.size
        elif element is not None:
            for number in range(int(array[1])):
                yield from ((start + number * element.size + at, size) for at, size in inner)
    else:
        for index, field in enumerate(fields(text)):
            offset = offset_of_field(text, index)
            if offset is not None:
                yield from _parts(field, start + offset)
