"""Just enough of the ELF format to read a compiled kernel's undefined symbols and sections."""

import struct
from dataclasses import dataclass

_SYMBOL_TABLE = 2


@dataclass(frozen=True)
class ObjectFile:
    undefined: frozenset[str]
    sections: dict[str, int]
    """Size in bytes by name; sections of one name added up."""
    stacks: tuple[int, ...]
    """Bytes of stack of each function, where it was compiled with -fstack-size-section."""


def read_object(data: bytes) -> ObjectFile:
    """Read a 64-bit little-endian relocatable object."""
    headers, names_offset = _headers(data)
    sections: dict[str, int] = {}
    undefined: set[str] = set()
    stacks: list[int] = []
    for name, kind, _, _, offset, size, link, *_ in headers:
        spelled = string_at(data, names_offset + name)
        sections[spelled] = sections.get(spelled, 0) + size
        if spelled == ".stack_sizes":
            stacks += _stack_sizes(data[offset : offset + size])
        if kind != _SYMBOL_TABLE:
            continue
        strings = headers[link][4]
        for position in range(offset, offset + size, 24):
            symbol, _, _, section = struct.unpack_from("<IBBH", data, position)
            if section == 0 and symbol:
                undefined.add(string_at(data, strings + symbol))
    return ObjectFile(frozenset(undefined), sections, tuple(stacks))


@dataclass(frozen=True)
class SectionHeader:
    """A section's header, and its name. link, info: numbers of the sections that it needs and that it is about."""

    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


def read_sections(data: bytes) -> list[SectionHeader]:
    """Read the headers of an object's sections, the first of which stands for none."""
    headers, names = _headers(data)
    return [
        SectionHeader(string_at(data, names + name), kind, flags, offset, size, link, info, align)
        for name, kind, flags, _, offset, size, link, info, align, _ in headers
    ]


@dataclass(frozen=True)
class Variable:
    """A name in a section, `offset` bytes from its start."""

    name: str
    offset: int
    size: int


def read_variables(data: bytes, section: str) -> tuple[Variable, ...]:
    """Read the variables in a section of an object or shared object, in order."""
    headers, names = _headers(data)
    found = []
    for _, kind, _, _, offset, size, link, *_ in headers:
        if kind != _SYMBOL_TABLE:
            continue
        for position in range(offset, offset + size, 24):
            symbol, _, _, index, value, length = struct.unpack_from("<IBBHQQ", data, position)
            if index < len(headers) and length and string_at(data, names + headers[index][0]) == section:
                found.append(Variable(string_at(data, headers[link][4] + symbol), value - headers[index][3], length))
    return tuple(sorted(found, key=lambda variable: variable.offset))


def _stack_sizes(data: bytes) -> list[int]:
    """Read stack sizes. Each entry is an address of eight bytes and a size in LEB128."""
    sizes, position = [], 0
    while position < len(data):
        position += 8
        size = shift = 0
        while True:
            byte = data[position]
            position += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        sizes.append(size)
    return sizes


def _headers(data: bytes) -> tuple[list[tuple[int, ...]], int]:
    """Read the section headers, and the place of their names."""
    table, entry_size, count, names_index = (
        struct.unpack_from("<Q", data, 0x28)[0],
        *struct.unpack_from("<HHH", data, 0x3A),
    )
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry_size) for i in range(count)]
    return headers, headers[names_index][4]


def string_at(data: bytes, offset: int) -> str:
    """Read a name, which ends with a zero."""
    return data[offset : data.index(b"\0", offset)].decode()
