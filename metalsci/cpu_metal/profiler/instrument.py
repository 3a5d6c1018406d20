"""Calls of the runtime in an optimised kernel: one at the start of each block, one before each access to memory."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.llvm.text import arguments, operands, typed
from metalsci.cpu_metal.compile.llvm.value_types import type_of
from metalsci.cpu_metal.profiler.counted_text import CountedBody, CountedInstruction

_DECLARATIONS = """
declare void @metal_profile_block(i32)
declare void @metal_profile_touch(ptr, i32)
declare void @metal_profile_change(ptr, i32, i32)
"""
_ATTRIBUTES = re.compile(r"^attributes #\d+ = \{.*\}$", re.MULTILINE)
_GROUP = re.compile(r" #\d+")
_POINTER = re.compile(r"ptr ([%@](?:\"[^\"]+\"|[\w.$-]+))")
_MEMORY = re.compile(r"@llvm\.(memcpy|memmove|memset)\.")
MOST_SITES = 1 << 15
"""Accesses in the code that can be numbered."""
LOAD, STORE, ATOMIC = 0, 1, 2  # enum ProfileKind of runtime/profile.h


@dataclass(frozen=True)
class AccessSite:
    """An access in the code. block: index in the order of blocks. index: of its line in the module."""

    kind: int
    bytes: int
    block: int
    line: int
    index: int


@dataclass(frozen=True)
class _Access:
    kind: int
    pointer: str
    bytes: int


def instrument(
    module: str, body: CountedBody, order: Sequence[str], private: frozenset[str]
) -> tuple[str, tuple[AccessSite, ...]]:
    """Put calls into the module, for any machine. Return it and the accesses by number.

    private: pointers that lead to a thread's own variables, which are not followed.
    """
    lines = module.split("\n")
    before: dict[int, list[str]] = {}
    sites: list[AccessSite] = []
    for number, label in enumerate(order):
        instructions = body.blocks[label].instructions
        start = next(i for i in instructions if i.operation not in ("phi", "alloca"))
        before.setdefault(start.index, []).append(f"  call void @metal_profile_block(i32 {number})")
        for instruction in instructions:
            for access in accesses(instruction) if instruction.counted else ():
                if access.pointer in private:
                    continue
                given = f"ptr {access.pointer}, i32 {len(sites)}"
                call = (
                    f"  call void @metal_profile_touch({given})"
                    if access.kind == LOAD
                    else f"  call void @metal_profile_change({given}, i32 {access.bytes})"
                )
                before.setdefault(instruction.index, []).append(call)
                sites.append(AccessSite(access.kind, access.bytes, number, instruction.line, instruction.index))
    text = [part for index, line in enumerate(lines) for part in (*before.get(index, ()), line)]
    return _for_any_machine("\n".join(text)) + _DECLARATIONS, tuple(sites)


def accesses(instruction: CountedInstruction) -> Iterator[_Access]:
    """Yield the memory that an instruction reads and writes."""
    operation, rest = instruction.operation, instruction.rest
    if operation == "load":
        kind, address, *_ = operands(rest)
        yield from _access(LOAD, address, kind)
    elif operation == "store":
        value, address, *_ = operands(rest)
        yield from _access(STORE, address, typed(value)[0])
    elif operation in ("atomicrmw", "cmpxchg"):
        address, value, *_ = operands(rest)
        yield from _access(ATOMIC, address, typed(value)[0])
    elif operation == "call" and (memory := _MEMORY.search(instruction.text)):
        to, second, size, *_ = arguments(instruction.text)
        length = typed(size)[1]
        count = int(length) if length.isdigit() else 16
        if memory[1] != "memset":
            yield _Access(LOAD, typed(second)[1], count)
        yield _Access(STORE, typed(to)[1], count)


def _access(how: int, address: str, kind: str) -> Iterator[_Access]:
    pointer = _POINTER.search(address)
    if pointer:
        yield _Access(how, pointer[1], _bytes(kind))


def _bytes(kind: str) -> int:
    found = type_of(kind)
    if not found.count:
        return 8
    return found.count * found.element_bytes


def _for_any_machine(module: str) -> str:
    """Remove processor features, and attributes that no longer hold for functions that call the runtime."""
    kept = [_GROUP.sub("", line) if line.startswith("define ") else line for line in module.split("\n")]
    return _ATTRIBUTES.sub(_portable, "\n".join(kept))


def _portable(match: re.Match[str]) -> str:
    words = [word for word in ("convergent", "nomerge", "nounwind") if re.search(rf"\b{word}\b", match[0])]
    return f"{match[0].partition('{')[0]}{{ {' '.join(words)} }}"
