"""Blocks in the order in which lanes should meet in them: a loop's body before what follows the loop.

Lanes that are apart come together at the first place in the code that some of them have still to reach. LLVM prints
exits of loops before their bodies: in that order lanes that leave a loop early would run ahead of the others.
"""

from collections.abc import Mapping, Sequence

Graph = Mapping[str, Sequence[str]]


def in_loop_order(graph: Graph, entry: str) -> list[str]:
    """Order all blocks that the entry leads to.

    Each comes before its successors, except for edges that close a loop.
    """
    depth = loop_depths(graph, entry)
    # A depth-first walk puts first the block that it leaves last: so it goes to a loop's exits before its body.
    order: list[str] = []
    seen = {entry}
    stack = [(entry, iter(_exits_first(graph, entry, depth)))]
    while stack:
        block, successors = stack[-1]
        for successor in successors:
            if successor not in seen:
                seen.add(successor)
                stack.append((successor, iter(_exits_first(graph, successor, depth))))
                break
        else:
            order.append(block)
            stack.pop()
    return order[::-1]


def _exits_first(graph: Graph, block: str, depth: Mapping[str, int]) -> list[str]:
    return sorted(graph[block], key=lambda successor: depth[successor])


def loop_depths(graph: Graph, entry: str) -> dict[str, int]:
    """Count the loops around each block.

    A loop is the code that leads back to a block through an edge that closes it.
    """
    predecessors: dict[str, list[str]] = {block: [] for block in graph}
    for block, successors in graph.items():
        for successor in successors:
            predecessors[successor].append(block)
    bodies: dict[str, set[str]] = {}
    for end, header in _closing_edges(graph, entry):
        body = bodies.setdefault(header, {header})
        waiting = [end]
        while waiting:
            block = waiting.pop()
            if block not in body:
                body.add(block)
                waiting += predecessors[block]
    return {block: sum(block in body for body in bodies.values()) for block in graph}


def _closing_edges(graph: Graph, entry: str) -> list[tuple[str, str]]:
    """Find edges to a block that the walk is still in."""
    edges: list[tuple[str, str]] = []
    seen, within = {entry}, {entry}
    stack = [(entry, iter(graph[entry]))]
    while stack:
        block, successors = stack[-1]
        for successor in successors:
            if successor in within:
                edges.append((block, successor))
            elif successor not in seen:
                seen.add(successor)
                within.add(successor)
                stack.append((successor, iter(graph[successor])))
                break
        else:
            within.discard(block)
            stack.pop()
    return edges
