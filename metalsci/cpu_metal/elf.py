"""Just enough of the ELF format to see what a compiled kernel needs: undefined symbols and the size of a section."""

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
    """Of a 64-bit little-endian relocatable object."""
    table, entry_size, count, names_index = (
        struct.unpack_from("<Q", data, 0x28)[0],
        *struct.unpack_from("<HHH", data, 0x3A),
    )
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry_size) for i in range(count)]
    names_offset = headers[names_index][4]
    sections: dict[str, int] = {}
    undefined: set[str] = set()
    stacks: list[int] = []
    for name, kind, _, _, offset, size, link, *_ in headers:
        spelled = _string(data, names_offset + name)
        sections[spelled] = sections.get(spelled, 0) + size
        if spelled == ".stack_sizes":
            stacks += _stack_sizes(data[offset : offset + size])
        if kind != _SYMBOL_TABLE:
            continue
        strings = headers[link][4]
        for position in range(offset, offset + size, 24):
            symbol, _, _, section = struct.unpack_from("<IBBH", data, position)
            if section == 0 and symbol:
                undefined.add(_string(data, strings + symbol))
    return ObjectFile(frozenset(undefined), sections, tuple(stacks))


def _stack_sizes(data: bytes) -> list[int]:
    """Each entry is an address of eight bytes and a size in LEB128."""
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


def _string(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
