"""Threads that end at once by their place in the row, as all but one of 32 do behind `if (i % 32 != 0) return;`."""

from collections.abc import Mapping

from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import END, Edge, Graph
from metalsci.cpu_metal.compile.lanes.section import LANE, X
from metalsci.cpu_metal.compile.lanes.shapes import constant
from metalsci.cpu_metal.compile.llvm.conditions import halves
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand

WHOLE_ROW = 1 << 32
"""Threads of which one has work, if that is the first of a row."""
_MOST_NODES = 8  # that are looked at before the question, and behind it


def one_of(graph: Graph, known: Divergence) -> int:
    """Return the number of neighbouring threads of a row of which only the first has work; 1 if others may.

    The first is one whose place is a multiple of that number.
    """
    defined = {each.result: each for node in graph.nodes.values() for each in node.body if each.result}
    label = graph.entry
    for _ in range(_MOST_NODES):
        node = graph.nodes.get(label)
        if node is None or any(_matters(each, known, label) for each in node.body):
            return 1
        edges = node.edges
        if node.condition is not None and len(edges) == 2:
            found = _idle(node.condition, defined)
            if found is not None and _leads_nowhere(graph, edges[0 if found[0] else 1]):
                return found[1]
            edges = [edge for edge in edges if not _leads_nowhere(graph, edge)]
        if len(edges) != 1 or edges[0].barrier:
            return 1
        label = edges[0].target
    return 1


def joined(value: Operand, defined: Mapping[str, Instruction]) -> list[Operand]:
    """Return the values whose bits make up one: all are 0 if it is. LLVM so asks `x != 0 || y != 0` at once."""
    each = defined.get(value.value)
    if each is None or each.opcode != "or":
        return [value]
    return [part for operand in each.operands for part in joined(operand, defined)]


def _idle(condition: Operand, defined: Mapping[str, Instruction]) -> tuple[bool, int] | None:
    """Return the answer of threads at all places but multiples of a number, and the number; None if there is none."""
    each = defined.get(condition.value)
    if each is None:
        return None
    if each.opcode == "freeze":
        return _idle(each.operands[0], defined)
    if each.opcode == "icmp" and each.detail in ("eq", "ne") and each.operands[1].value == "0":
        counts = [_count(part, defined) for part in joined(each.operands[0], defined)]
        return next(((each.detail == "ne", count) for count in counts if count > 1), None)
    parts = halves(each)
    if parts is None:
        return None
    decides = parts[0] == "or"
    found = [_idle(operand, defined) for operand in parts[1:]]
    return next((answer for answer in found if answer is not None and answer[0] is decides), None)


def _count(value: Operand, defined: Mapping[str, Instruction]) -> int:
    """Return of how many neighbouring threads only the first, at a multiple of it, has 0; 1 if others may."""
    each = defined.get(value.value)
    if each is None:
        return 1
    if _is_place(each):
        return WHOLE_ROW
    if each.opcode not in ("and", "urem"):
        return 1
    place, by = defined.get(each.operands[0].value), constant(each.operands[1])
    if place is None or not _is_place(place) or by is None or by <= 0:
        return 1
    if each.opcode == "urem":
        return by
    return by + 1 if by & (by + 1) == 0 else 1


def _is_place(each: Instruction) -> bool:
    return each.callee == LANE and each.operands[0].value == str(X)


def _matters(each: Instruction, known: Divergence, label: str) -> bool:
    """Return True if it matters that a thread runs an instruction, though it ends then. A load may fault."""
    if each.opcode == "load":
        return bool(each.flags) or known.shape(each.operands[0], label).kind != "uniform"
    if each.opcode == "call":
        return each.callee != LANE and (not each.callee.startswith("llvm.") or each.callee.startswith("llvm.mem"))
    return each.opcode in ("store", "atomicrmw", "cmpxchg", "fence")


def _leads_nowhere(graph: Graph, edge: Edge) -> bool:
    """Return True if a thread that takes an edge only ends."""
    for _ in range(_MOST_NODES):
        if edge.ends or edge.target == END:
            return True
        node = graph.nodes[edge.target]
        if edge.barrier or node.body or len(node.edges) != 1:
            return False
        edge = node.edges[0]
    return False
