"""The nodes that are written once more, without masks, for vectors of which all lanes go the same way.

Behind `if (i >= n) return;` loads and stores would be under masks, and their addresses computed from the first lane
that is left. A kernel that adds two arrays took twice the time by it. So did what all but the threads at an edge do.
"""

from collections.abc import Iterable, Set

from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import Graph

_MOST = 400
"""Instructions of one kernel that are written once more."""


def can_all_be_copied(graph: Graph) -> bool:
    return sum(len(node.body) for node in graph.nodes.values()) <= _MOST


def copied_arms(graph: Graph, known: Divergence, inside: Iterable[str], groups: Iterable[Set[str]]) -> frozenset[str]:
    """Return the nodes, among those that not all lanes may run, that are worth a copy.

    groups: the nodes that are laid out together. A vector must be able to leave the copy wherever its lanes part, which
        it cannot in the middle of a loop among them.
    """
    found: set[str] = set()
    left = _MOST
    for label in inside:
        region = set(known.influenced.get(label, ()))
        together = next((nodes for nodes in groups if region & nodes), set[str]())
        for loop in known.loops:
            if loop.nodes <= together and not loop.nodes.isdisjoint(known.branches):
                region -= loop.nodes
        size = sum(len(graph.nodes[each].body) for each in region - found)
        if size <= left and any(_needs_masks(graph, known, each) for each in region):
            found |= region
            left -= size
    return frozenset(found)


def _needs_masks(graph: Graph, known: Divergence, label: str) -> bool:
    """Return True if a node accesses places that lie in line, which costs more under a mask."""
    return any(
        each.opcode in ("load", "store") and known.shape(each.operands[-1], label).kind in ("strided", "rows")
        for each in graph.nodes[label].body
    )
