"""A guess of whether a vector of threads is faster than one thread after the other."""

from metalsci.cpu_metal.compile.lanes.flow import Graph, Loop
from metalsci.cpu_metal.compile.lanes.shapes import Divergence
from metalsci.cpu_metal.compile.llvm.instruction import Instruction

# Operations for which lanes must do work, for each element that is gathered, to make up for it. Measured: a sparse
# product has 3 and takes 8 times as long in lanes, a count of what comes before has 5 and takes 6 times as long, forces
# of neighbours in a list have 9 and take as long; escape times have no gather and take a tenth.
_FEWEST = 8
_FREE = frozenset({"phi", "getelementptr", "zext", "sext", "trunc", "bitcast", "freeze", "br", "switch"})


def gathers_too_much(graph: Graph, known: Divergence) -> bool:
    """Find loops that threads leave at different times and that do little but load, each from its own places."""
    return any(_is_slow(graph, known, loop) for loop in known.loops if loop.header in known.divergent)


def _is_slow(graph: Graph, known: Divergence, loop: Loop) -> bool:
    gathered = operations = 0
    for label in loop.nodes:
        for each in graph.nodes[label].body:
            if _gathers(each, known, label):
                gathered += 1
            elif each.opcode not in _FREE and not each.callee.startswith(("llvm.lifetime", "llvm.assume")):
                operations += 1
    return gathered > 0 and operations < _FEWEST * gathered


def _gathers(each: Instruction, known: Divergence, label: str) -> bool:
    if each.opcode != "load":
        return False
    return known.shape(each.operands[0], label).kind in ("varying", "strided")
