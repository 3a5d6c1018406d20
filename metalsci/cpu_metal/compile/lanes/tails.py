"""The last nodes of a kernel, which several of its parts between barriers may share: each part is given its own.

LLVM writes what two ways end with only once: a result that one thread stores, before a barrier if there is nothing to
wait for and behind it otherwise. Threads that part before the barrier would meet there with others, in no region of
their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from metalsci.cpu_metal.compile.lanes.flow import DOUBLED, END, Graph, double, remove


def part_tails(graph: Graph) -> None:
    """Copy short nodes behind which threads do not wait any more for all parts but one that lead to them."""
    tails = _tails(graph)
    if graph.entry in tails:
        return
    reached = _reached(graph, tails)
    shared = [label for label in tails if len(reached[label]) > 1]
    everything = [each for label in shared for each in [*graph.nodes[label].phis, *graph.nodes[label].body]]
    if not shared or len(everything) > DOUBLED or any(each.callee.startswith("metal_") for each in everything):
        return  # threads that come to one call are to come to it together
    keeps, *others = dict.fromkeys(head for label in shared for head in reached[label])
    for number, head in enumerate(others):
        sources = [label for label, found in reached.items() if found == [head]]
        labels = double(graph, [label for label in shared if head in reached[label]], sources, f"tail{number}")
        for label in sources:
            node = graph.nodes[label]
            node.edges = [replace(edge, target=labels.get(edge.target, edge.target)) for edge in node.edges]
    remove(graph, {label for label in shared if keeps not in reached[label]})


def _tails(graph: Graph) -> list[str]:
    """List the nodes from which no barrier is reached."""
    predecessors = graph.predecessors()
    pending = [label for label, node in graph.nodes.items() if any(edge.barrier for edge in node.edges)]
    waiting: set[str] = set()
    while pending:
        label = pending.pop()
        if label not in waiting:
            waiting.add(label)
            pending += predecessors[label]
    return [label for label in graph.nodes if label not in waiting]


def _reached(graph: Graph, tails: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the heads of the parts between barriers that each node is reached from: tails from several."""
    heads = [graph.entry, *(edge.target for node in graph.nodes.values() for edge in node.edges if edge.barrier)]
    while True:
        found: dict[str, list[str]] = {label: [] for label in graph.nodes}
        for head in heads:
            for label in _part(graph, head, heads):
                found[label].append(head)
        more = next((label for label in graph.nodes if len(found[label]) > 1 and label not in tails), None)
        if more is None:
            return found
        heads.append(more)


def _part(graph: Graph, head: str, heads: Sequence[str]) -> set[str]:
    pending, found = [head], set[str]()
    while pending:
        label = pending.pop()
        if label not in found:
            found.add(label)
            pending += [target for target in graph.nodes[label].targets if target != END and target not in heads]
    return found
