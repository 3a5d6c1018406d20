"""Loops whose turns are run side by side: products of a matrix with an array of a thread's own.

In `for (i…) { sum = 0; for (j…) sum += A[i][j] * x[j]; y[i] = sum; }` each addition waits for the one before, and each
multiplication loads an element of `x`. Four turns of the outer loop at once share these, and their sums do not wait for
one another; each sum is computed in its own order, as before.
"""

from collections.abc import Iterable, Mapping

from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import Graph, Loop
from metalsci.cpu_metal.compile.lanes.steps import touches_memory
from metalsci.cpu_metal.compile.llvm.instruction import Instruction

_MOST = 40
"""Instructions of such a loop and of the one in it, of which LLVM writes four times as many."""


def side_by_side(graph: Graph, known: Divergence, variables: Iterable[str]) -> frozenset[str]:
    """Return the headers of loops that LLVM is to be asked to run so. variables: threads' own, by name.

    All lanes run them together. They hold one loop, which writes nothing, and write to variables that this one does not
    read. LLVM looks for what else is in the way.
    """
    places = _places(graph, variables)
    return frozenset(
        outer.header
        for outer in known.loops
        for inner in _inside(known, outer)
        if known.branches.isdisjoint(outer.nodes)
        and _is_short(graph, outer)
        and _are_apart(graph, places, outer, inner)
    )


def _inside(known: Divergence, outer: Loop) -> list[Loop]:
    """Return the loop in another one; nothing if there are several, or none."""
    found = [each for each in known.loops if each.nodes < outer.nodes]
    if len(found) == 1:
        return found
    return []


def _is_short(graph: Graph, loop: Loop) -> bool:
    return sum(len(graph.nodes[label].body) for label in loop.nodes) <= _MOST


def _are_apart(graph: Graph, places: Mapping[str, str], outer: Loop, inner: Loop) -> bool:
    """Check that what the loops write belongs to the threads and is not read in the inner one."""
    written, read = set[str](), set[str]()
    for label in outer.nodes:
        for each in filter(touches_memory, graph.nodes[label].body):
            place = places.get(each.operands[-1].value, "") if each.operands else ""
            if each.opcode == "load" and not each.flags:
                if label in inner.nodes:
                    read.add(place)
            elif each.opcode == "store" and not each.flags and place and label not in inner.nodes:
                written.add(place)
            else:
                return False
    return bool(written) and written.isdisjoint(read)


def _places(graph: Graph, variables: Iterable[str]) -> dict[str, str]:
    """Find the variable that each address leads to: of those that are computed step by step from it alone."""
    found = {name: name for name in variables}
    addresses: list[Instruction] = [
        each for node in graph.nodes.values() for each in node.body if each.opcode == "getelementptr"
    ]
    changed = True
    while changed:
        changed = False
        for each in addresses:
            base = each.operands[0].value
            if base in found and each.result not in found:
                found[each.result] = found[base]
                changed = True
    return found
