"""A linker for kernels that call nothing: one object to one shared object.

To start LLVM's linker takes 5 ms of the 6 that it takes for a kernel, which was a twelfth of what a small kernel takes
to compile. Nearly all kernels are a function and its constants, with addresses that count from where they stand.
Whatever has more than that is left to LLVM's linker.

The result has what a loader reads and nothing else: constants, code, and the table that the loader begins with, each on
pages of its own, and one name, the kernel's. A byte's address is its place in the file.
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.elf import SectionHeader, read_sections, string_at
from metalsci.cpu_metal.compile.symbols import THREADGROUP_SECTION

_X86_64 = 62
_PAGE = 0x1000
# Of sections: what kind they are, and flags. Constants may also be ones to merge, and strings.
_PROGBITS, _SYMBOLS, _RELOCATIONS = 1, 2, 4
_ALLOCATED, _EXECUTABLE, _KNOWN_FLAGS = 0x2, 0x4, 0x2 | 0x4 | 0x10 | 0x20
_FOR_UNWINDING = ".eh_frame"
# Sections by names of the compiler's own. A source may name others, of which LLVM's linker refuses some.
_KNOWN_NAMES = re.compile(rf"\.text|\.rodata(?:\.(?:cst|str)[\d.]+)?|{THREADGROUP_SECTION}")
_RELATIVE = (2, 4)  # R_X86_64_PC32, R_X86_64_PLT32
_GLOBAL, _GLOBAL_FUNCTION = 1, 0x12
# Of segments: kinds and rights.
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551
_READ, _EXECUTE, _WRITE = 4, 1, 2
# Of the loader's table.
_HASH, _STRINGS, _SYMBOL_TABLE, _STRINGS_SIZE, _SYMBOL_SIZE, _FLAGS, _BIND_NOW = 4, 5, 6, 10, 11, 30, 8

_HEADER, _SEGMENT, _SYMBOL = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ"), struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_IDENTITY, _SHARED, _NO_SECTIONS = b"\x7fELF\x02\x01\x01" + bytes(9), 3, 64
_ONE_CHAIN = struct.pack("<6I", 1, 2, 1, 0, 0, 0)  # a hash table in which all names, which is one, are in one list
_NAMES_AT = _HEADER.size + 5 * _SEGMENT.size
_HASH_AT = _NAMES_AT + 2 * _SYMBOL.size
_TEXT_AT = _HASH_AT + len(_ONE_CHAIN)


class UnlinkedError(Exception):
    """An object that needs LLVM's linker."""


@dataclass(frozen=True)
class _Symbol:
    """A symbol of the object. address: None if it is defined elsewhere, or in a section that is left out."""

    name: str
    address: int | None
    is_global: bool


def linked(data: bytes, name: str) -> bytes:
    """Link an object that defines the function `name`. Raises UnlinkedError."""
    try:
        return _linked(data, name)
    except (struct.error, ArithmeticError, LookupError, ValueError) as error:
        raise UnlinkedError("it is not laid out as expected") from error


def _linked(data: bytes, name: str) -> bytes:
    if struct.unpack_from("<H", data, 0x12)[0] != _X86_64:
        raise UnlinkedError("it is for another machine")
    sections = read_sections(data)
    kept = {number: each for number, each in enumerate(sections) if _is_kept(each)}
    code = {number: each for number, each in kept.items() if each.flags & _EXECUTABLE}
    constants = {number: each for number, each in kept.items() if number not in code}
    head = _Head(name)
    image, places = bytearray(head.size), dict[int, int]()
    _append(image, data, constants, places)
    code_at = _on_a_new_page(image)
    _append(image, data, code, places)
    code_end = len(image)
    symbols = list(_symbols(data, sections, places))
    for each in sections:
        if each.kind == _RELOCATIONS and each.info in kept:
            _relocate(image, data, each, places[each.info], symbols)
    (entry,) = (each.address for each in symbols if each.name == name and each.is_global)
    if entry is None or not code_at <= entry < code_end:
        raise UnlinkedError("it does not define its kernel")
    table_at = _on_a_new_page(image)
    image += head.table()
    segments = [
        _segment(_LOAD, _READ, 0, code_at),
        _segment(_LOAD, _READ | _EXECUTE, code_at, code_end),
        _segment(_LOAD, _READ | _WRITE, table_at, len(image)),
        _segment(_DYNAMIC, _READ | _WRITE, table_at, len(image)),
        _segment(_STACK, _READ | _WRITE, 0, 0),
    ]
    image[: head.size] = head.written(segments, entry)
    return bytes(image)


@dataclass(frozen=True)
class _Head:
    """The beginning of the file: headers, the names for others, their hash table, and the names' text."""

    name: str

    @property
    def _text(self) -> bytes:
        return b"\0" + self.name.encode() + b"\0"

    @property
    def size(self) -> int:
        return _TEXT_AT + len(self._text)

    def table(self) -> bytes:
        """Return the table that the loader begins with."""
        found = {
            _HASH: _HASH_AT,
            _STRINGS: _TEXT_AT,
            _SYMBOL_TABLE: _NAMES_AT,
            _STRINGS_SIZE: len(self._text),
            _SYMBOL_SIZE: _SYMBOL.size,
            _FLAGS: _BIND_NOW,
            0: 0,
        }
        return b"".join(struct.pack("<QQ", *each) for each in found.items())

    def written(self, segments: Sequence[bytes], entry: int) -> bytes:
        header = _HEADER.pack(
            *(_IDENTITY, _SHARED, _X86_64, 1, 0, _HEADER.size, 0, 0),
            *(_HEADER.size, _SEGMENT.size, len(segments), _NO_SECTIONS, 0, 0),
        )
        # That it is of section 1, which there is not, says that it is defined here.
        names = bytes(_SYMBOL.size) + _SYMBOL.pack(1, _GLOBAL_FUNCTION, 0, 1, entry, 0)
        return header + b"".join(segments) + names + _ONE_CHAIN + self._text


def _is_kept(section: SectionHeader) -> bool:
    if not section.flags & _ALLOCATED or section.name == _FOR_UNWINDING:
        return False
    is_known = _KNOWN_NAMES.fullmatch(section.name) and section.kind == _PROGBITS
    if not is_known or section.flags & ~_KNOWN_FLAGS or section.align > _PAGE:
        raise UnlinkedError(f"it has a section {section.name}")
    return True


def _append(image: bytearray, data: bytes, sections: Mapping[int, SectionHeader], places: dict[int, int]) -> None:
    """Add sections to the file, and their addresses to `places`, by their numbers."""
    for number, each in sections.items():
        image += bytes(-len(image) % max(1, each.align))
        places[number] = len(image)
        image += data[each.offset : each.offset + each.size]


def _on_a_new_page(image: bytearray) -> int:
    image += bytes(-len(image) % _PAGE)
    return len(image)


def _symbols(data: bytes, sections: Sequence[SectionHeader], places: Mapping[int, int]) -> Iterator[_Symbol]:
    (table,) = (each for each in sections if each.kind == _SYMBOLS)
    strings = sections[table.link].offset
    starts = {f"__start_{sections[number].name}": place for number, place in places.items()}
    for position in range(table.offset, table.offset + table.size, _SYMBOL.size):
        at, info, _, section, value, _ = _SYMBOL.unpack_from(data, position)
        name = string_at(data, strings + at)
        if section == 0:
            address = starts.get(name)
        elif section in places:
            address = places[section] + value
        else:
            address = None
        yield _Symbol(name, address, info >> 4 == _GLOBAL)


def _relocate(image: bytearray, data: bytes, table: SectionHeader, base: int, symbols: Sequence[_Symbol]) -> None:
    """Write addresses into a section that count from where they stand. base: the section's own address."""
    for position in range(table.offset, table.offset + table.size, _RELOCATION.size):
        offset, info, addend = _RELOCATION.unpack_from(data, position)
        symbol, where = symbols[info >> 32], base + offset
        if info & 0xFFFFFFFF not in _RELATIVE or symbol.address is None:
            raise UnlinkedError(f"it needs '{symbol.name}'")
        struct.pack_into("<i", image, where, symbol.address + addend - where)


def _segment(kind: int, rights: int, start: int, end: int) -> bytes:
    return _SEGMENT.pack(kind, rights, start, start, start, end - start, end - start, _PAGE)
