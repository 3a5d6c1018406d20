"""A guess of whether a vector of threads is faster than one thread after the other."""

from collections.abc import Callable, Iterable

from metalsci.cpu_metal.compile.lanes.flow import Graph
from metalsci.cpu_metal.compile.lanes.shapes import Divergence
from metalsci.cpu_metal.compile.llvm.instruction import Instruction
from metalsci.cpu_metal.compile.llvm.value_types import layout, type_of

# Operations for which lanes must do work, for each element that is gathered, to make up for it. Measured: a sparse
# product has 3 and takes 8 times as long in lanes, a count of what comes before has 5 and takes 6 times as long, forces
# of neighbours in a list have 9 and take as long; escape times have no gather and take a tenth.
_FEWEST = 8
# The same for threads without loops. Measured, with AVX-512 and with AVX2: a gate on qubits has 1 for each element that
# it accesses and takes 3 times as long in lanes. A transposed copy has 5 and takes 0.56 and 1.0 times as long, a coarse
# grid's values brought to a fine one have 6 and take 1.1 and 0.6 times as long.
_FEWEST_WITHOUT_LOOPS = 5
_NEAR = 4  # elements from lane to lane that are loaded with those between them and taken apart
_NOTHING = ("llvm.lifetime", "llvm.assume")
_FREE = frozenset({"phi", "getelementptr", "zext", "sext", "trunc", "bitcast", "freeze", "br", "switch"})


def gathers_too_much(graph: Graph, known: Divergence) -> bool:
    """Find loops that threads leave at different times and that do little but load, each from its own places."""
    left = [loop for loop in known.loops if loop.header in known.divergent]
    return any(_is_slow(graph, known, loop.nodes, _gathered, _FEWEST) for loop in left)


def scatters_too_much(graph: Graph, known: Divergence) -> bool:
    """Find threads without loops that do little but access places that do not lie next to those of other threads."""
    return not known.loops and _is_slow(graph, known, graph.nodes, _scattered, _FEWEST_WITHOUT_LOOPS)


def _is_slow(
    graph: Graph,
    known: Divergence,
    labels: Iterable[str],
    dear: Callable[[Instruction, Divergence, str], int],
    fewest: int,
) -> bool:
    elements = operations = 0
    for label in labels:
        for each in graph.nodes[label].body:
            count = dear(each, known, label)
            elements += count
            if not count and each.opcode not in _FREE and not each.callee.startswith(_NOTHING):
                operations += 1
    return elements > 0 and operations < fewest * elements


def _gathered(each: Instruction, known: Divergence, label: str) -> int:
    """Count a load from a thread's own places as one."""
    return int(each.opcode == "load" and _is_apart(each, each.type, known, label))


def _scattered(each: Instruction, known: Divergence, label: str) -> int:
    """Count elements that are accessed one by one; those that are written twice, since AVX2 has no scatter."""
    if each.opcode in ("atomicrmw", "cmpxchg"):
        return 2
    if each.opcode == "load":
        kind, factor = each.type, 1
    elif each.opcode == "store":
        kind, factor = each.operands[0].type, 2
    else:
        return 0
    if _is_apart(each, kind, known, label):
        return factor * max(1, type_of(kind).count)
    return 0


def _is_apart(access: Instruction, kind: str, known: Divergence, label: str) -> bool:
    """Return True if the places that lanes access are accessed one by one."""
    size, shape = layout(kind), known.shape(access.operands[-1], label)
    if shape.kind != "strided" or size is None:
        return shape.kind in ("varying", "strided")
    element = type_of(kind).element_bytes
    if access.opcode == "load" and element and shape.stride % element == 0:
        return not 0 < shape.stride <= _NEAR * element
    return shape.stride != size.size
