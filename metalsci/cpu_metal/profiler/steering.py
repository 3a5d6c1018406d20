"""The arguments whose contents decide where a kernel goes: it branches on them or uses them as addresses.

If earlier dispatches computed those contents, they must run in full before this one is counted.
"""

from metalsci.cpu_metal.profiler.counted_text import CountedBody, CountedInstruction

_ARGUMENTS = 64  # bytes of struct Dispatch before its arguments: runtime/runtime.h
UNKNOWN = -1
_Origins = frozenset[int]


def steering_slots(body: CountedBody) -> frozenset[int]:
    """Return the slots of arguments, and UNKNOWN for contents whose argument cannot be told."""
    pointers = _pointers(body)
    data: dict[str, _Origins] = {}
    changed = True
    while changed:
        changed = False
        for block in body.blocks.values():
            for instruction in block.instructions:
                found = _data(instruction, pointers, data)
                if instruction.name and not found <= data.get(instruction.name, frozenset()):
                    data[instruction.name] = data.get(instruction.name, frozenset()) | found
                    changed = True
    steering: set[int] = set()
    for block in body.blocks.values():
        for instruction in block.instructions:
            for name in _deciding(instruction):
                steering |= data.get(name, frozenset())
    return frozenset(steering)


def _data(instruction: CountedInstruction, pointers: dict[str, _Origins], data: dict[str, _Origins]) -> _Origins:
    """Return the arguments whose contents a value depends on."""
    if not instruction.counted and instruction.operation == "load":
        return frozenset()
    found: set[int] = set()
    for name in instruction.operands:
        found |= data.get(name, frozenset())
    if instruction.operation in ("load", "atomicrmw", "cmpxchg") or _is_exchange(instruction):
        for name in instruction.operands:
            found |= pointers.get(name, frozenset())
        if not any(name in pointers for name in instruction.operands):
            found.add(UNKNOWN)
    return frozenset(found)


def _is_exchange(instruction: CountedInstruction) -> bool:
    return instruction.operation == "call" and "metal_exchange" in instruction.text


def _deciding(instruction: CountedInstruction) -> tuple[str, ...]:
    if instruction.operation in ("br", "switch"):
        return instruction.operands
    if instruction.operation == "getelementptr":
        return instruction.operands[1:]
    if instruction.operation == "inttoptr":
        return instruction.operands
    return ()


def _pointers(body: CountedBody) -> dict[str, _Origins]:
    """Return the slots of the arguments that each pointer leads into; others may lead anywhere."""
    offsets: dict[str, int] = {}
    origins: dict[str, _Origins] = {}
    for block in body.blocks.values():
        for instruction in block.instructions:
            operands = instruction.operands
            if not instruction.counted and instruction.operation == "getelementptr" and operands[:1] == ("%0",):
                offset = instruction.text.rsplit(" ", 1)[1]
                if offset.isdigit():
                    offsets[instruction.name] = int(offset)
            elif (
                not instruction.counted and instruction.operation == "load" and operands[:1] and operands[0] in offsets
            ):
                slot = (offsets[operands[0]] - _ARGUMENTS) // 8
                if slot >= 0:
                    origins[instruction.name] = frozenset([slot])
            elif instruction.operation in ("getelementptr", "inttoptr", "ptrtoint", "select", "phi", "add", "bitcast"):
                found = frozenset().union(*(origins.get(name, frozenset()) for name in operands))
                if found:
                    origins[instruction.name] = found
    return origins
