"""Stores to two or four places side by side, made one of a vector.

`v.x = …; v.y = …;` are stores of elements (see llvm/element_stores.py). For a vector of threads one after the other
would scatter what two shuffles bring into line.
"""

from collections.abc import Iterator, Mapping, Sequence

from metalsci.cpu_metal.compile.lanes.section import Section
from metalsci.cpu_metal.compile.lanes.shapes import constant, fixed, steps
from metalsci.cpu_metal.compile.lanes.steps import touches_memory
from metalsci.cpu_metal.compile.lanes.variables import pointers_from
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.value_types import type_of


def join_stores(found: Section) -> None:
    """Join stores that follow each other, with nothing else between them that happens in memory.

    Threads' own variables are left alone: with vectors in them, elements of all lanes could not lie side by side.
    """
    graph = found.graph
    everything = [each for node in graph.nodes.values() for each in [*node.phis, *node.body]]
    own = [each.result for block in found.before for each in block.instructions if each.opcode == "alloca"]
    inside_own = pointers_from(own, everything)
    defined = {each.result: each for node in graph.nodes.values() for each in node.body if each.result}
    for number, node in enumerate(graph.nodes.values()):
        body, run = list[Instruction](), list[Instruction]()
        for each in node.body:
            if each.opcode == "store" and not each.flags and each.operands[1].value not in inside_own:
                run.append(each)
                continue
            if touches_memory(each):
                body += _joined(run, defined, f"%metal.joined{number}.{len(body)}")
                run = []
            body.append(each)
        node.body[:] = [*body, *_joined(run, defined, f"%metal.joined{number}.{len(body)}")]


def _joined(run: Sequence[Instruction], defined: Mapping[str, Instruction], name: str) -> Iterator[Instruction]:
    start = 0
    while start < len(run):
        count = next((count for count in (4, 2) if _fill_a_vector(run[start : start + count], count, defined)), 1)
        if count == 1:
            yield run[start]
        else:
            yield from _vector_store(run[start : start + count], f"{name}.{start}")
        start += count


def _fill_a_vector(parts: Sequence[Instruction], count: int, defined: Mapping[str, Instruction]) -> bool:
    value, pointer = parts[0].operands
    known = type_of(value.type)
    if len(parts) < count or known.is_vector or not known.count or known.is_odd or known.element == "i1":
        return False
    base, offset = _place(pointer, defined)
    wanted = [(base, offset + place * known.element_bytes) for place in range(count)]
    is_alike = all(each.operands[0].type == value.type for each in parts)
    return is_alike and [_place(each.operands[1], defined) for each in parts] == wanted


def _place(pointer: Operand, defined: Mapping[str, Instruction]) -> tuple[str, int]:
    """Return a pointer's base and how many bytes it lies behind it."""
    name, total = pointer.value, 0
    while name in defined and defined[name].opcode == "getelementptr":
        each = defined[name]
        sizes, indices = steps(each), [constant(index) for index in each.operands[1:]]
        if sizes is None or any(index is None for index in indices):
            break
        total += fixed(each) + sum(size * (index or 0) for size, index in zip(sizes, indices, strict=True))
        name = each.operands[0].value
    return name, total


def _vector_store(parts: Sequence[Instruction], name: str) -> Iterator[Instruction]:
    value, pointer = parts[0].operands
    kind, whole = f"<{len(parts)} x {value.type}>", "poison"
    for place, part in enumerate(parts):
        new = f"{name}.{place}"
        yield Instruction.parse(f"{new} = insertelement {kind} {whole}, {part.operands[0]}, i64 {place}")
        whole = new
    yield Instruction.parse(f"store {kind} {whole}, {pointer}, align {parts[0].align}")
