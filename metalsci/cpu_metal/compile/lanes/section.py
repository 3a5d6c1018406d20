"""The part of a kernel's wrapper that is one thread's code, cut at its barriers."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from metalsci.cpu_metal.compile.lanes.flow import END, Edge, FlowNode, Graph, RefusedError, node_of, order
from metalsci.cpu_metal.compile.llvm.function import Block, Function
from metalsci.cpu_metal.compile.llvm.instruction import Instruction

BEGIN, STOP, LANE = "metal_lanes_begin", "metal_lanes_end", "metal_lane"
BARRIER = "metal_threadgroup_barrier"
X, Y, Z, INDEX = range(4)
"""Places of a thread that `metal_lane` gives: in its group's or the grid's row, and so on; in the group as a whole.

They count from the number that it is given: a multiple of 64 for a part of the grid's row, 0 for a group.
"""


@dataclass(frozen=True)
class Section:
    """The code between the two calls that mark it.

    before: blocks that come before or around it; the one that ends with the first mark has no terminator, and the one
        that follows the second is called `after`.
    size: the three numbers that the first mark was given.
    """

    before: tuple[Block, ...]
    marked: str
    after: str
    graph: Graph
    size: tuple[str, str, str]


def section(function: Function) -> Section:
    """Find the threads' code. Raises RefusedError."""
    begins = [block for block in function.blocks if _call(block, BEGIN) is not None]
    stops = [block for block in function.blocks if _call(block, STOP) is not None]
    if len(begins) != 1 or len(stops) != 1:
        raise RefusedError("the compiler has moved where threads begin and end")
    begin, stop = begins[0], stops[0]
    entry, after = "%metal.threads", "%metal.after"
    start = _call(begin, BEGIN) or 0
    marker = begin.instructions[start]
    pieces: dict[str, Block] = {}
    if begin.label == stop.label:
        end = _call(begin, STOP) or 0
        pieces[entry] = Block(entry, (*begin.instructions[start + 1 : end], _jump(END)))
        tail = begin.instructions[end + 1 :]
    else:
        end = _call(stop, STOP) or 0
        pieces[entry] = Block(entry, begin.instructions[start + 1 :])
        pieces[stop.label] = Block(stop.label, (*stop.instructions[:end], _jump(END)))
        tail = stop.instructions[end + 1 :]
    blocks = {block.label: block for block in function.blocks} | pieces
    successors = {label: block.successors for label, block in blocks.items()} | {END: ()}
    inside = [label for label in order(entry, successors) if label != END]
    if begin.label in inside:
        raise RefusedError("the compiler has moved where threads begin and end")
    graph = Graph(entry)
    for label in inside:
        graph.nodes[label] = _renamed(node_of(blocks[label]), begin.label, entry)
    outside = [block for block in function.blocks if block.label not in graph.nodes and block.label != begin.label]
    moved = stop.label if begin.label != stop.label else begin.label
    around = [
        *(_moved(block, moved, after) for block in outside),
        Block(begin.label, tuple(_moved(begin, moved, after).instructions[:start])),
        _moved(Block(after, tail), moved, after),
    ]
    inside_values = graph.place()
    around = [_without_leftovers(block, inside_values) for block in around]
    around.sort(key=lambda block: block.label != function.blocks[0].label)
    size = tuple(operand.value for operand in marker.operands)
    _split_at_barriers(graph)
    return Section(tuple(around), begin.label, after, graph, (size[0], size[1], size[2]))


def with_addresses_inside(found: Section) -> Section:
    """Bring back the code that the compiler has moved out: addresses of parts of the threads' own variables."""
    own = {each.result for block in found.before for each in block.instructions if each.opcode == "alloca"}
    moved: list[Instruction] = []
    used = {name for node in found.graph.nodes.values() for each in [*node.phis, *node.body] for name in each.used}
    blocks = []
    for block in found.before:
        kept = []
        for each in block.instructions:
            is_part = each.opcode == "getelementptr" and each.operands[0].value in own
            if is_part and each.result in used:
                moved.append(each)
                own.add(each.result)
            else:
                kept.append(each)
        blocks.append(Block(block.label, tuple(kept)))
    elsewhere = {name for block in blocks for each in block.instructions for name in each.used}
    if any(each.result in elsewhere for each in moved):
        return found
    entry = found.graph.nodes[found.graph.entry]
    entry.body[:0] = moved
    return replace(found, before=tuple(blocks))


def _call(block: Block, name: str) -> int | None:
    return next((i for i, each in enumerate(block.instructions) if each.callee == name), None)


def _jump(label: str) -> Instruction:
    return Instruction(f"br label {label}", "br", labels=(label,))


def _renamed(node: FlowNode, old: str, new: str) -> FlowNode:
    if not any(old in each.labels for each in node.phis):
        return node
    phis = [replace(each, labels=tuple(new if label == old else label for label in each.labels)) for each in node.phis]
    return replace(node, phis=phis)


def _moved(block: Block, old: str, new: str) -> Block:
    """Rename the source `old` of a block's phis to `new`."""
    instructions = []
    for each in block.instructions:
        if each.opcode == "phi" and old in each.labels:
            pairs = ", ".join(
                f"[ {operand.value}, {new if label == old else label} ]"
                for operand, label in zip(each.operands, each.labels, strict=True)
            )
            labels = tuple(new if label == old else label for label in each.labels)
            each = replace(each, text=f"{each.result} = phi {each.type} {pairs}", labels=labels)
        instructions.append(each)
    return Block(block.label, tuple(instructions))


def _without_leftovers(block: Block, inside: Container[str]) -> Block:
    """Replace what threads leave in variables that have no value when the next ones begin.

    LLVM keeps the vector of which a thread sets some elements for the threads of the next group, which set them too.
    """
    instructions = []
    for each in block.instructions:
        if each.opcode == "phi" and any(name in inside for name in each.used):
            pairs = ", ".join(
                f"[ {'undef' if operand.value in inside else operand.value}, {label} ]"
                for operand, label in zip(each.operands, each.labels, strict=True)
            )
            each = replace(each, text=f"{each.result} = phi {each.type} {pairs}")
        instructions.append(each)
    return Block(block.label, tuple(instructions))


def _split_at_barriers(graph: Graph) -> None:
    for label in list(graph.nodes):
        node, part = graph.nodes[label], 0
        while True:
            at = next((i for i, each in enumerate(node.body) if each.callee == BARRIER), None)
            if at is None:
                break
            if any(operand.is_local for operand in node.body[at].operands):
                raise RefusedError("a barrier of which threads say different things")  # a call by hand: no header does
            line = next((operand.value for operand in node.body[at].operands), "")
            part += 1
            rest = f"{label}.b{part}"
            following = FlowNode(rest, [], node.body[at + 1 :], node.edges, node.condition, node.cases)
            graph.nodes[rest] = following
            node.body, node.edges, node.condition, node.cases = (
                node.body[:at],
                [Edge(rest, barrier=True, line=line)],
                None,
                (),
            )
            node = following
        if part:
            come_from(graph, label, node.label)


def come_from(graph: Graph, old: str, new: str) -> None:
    """Rename where the ways out of the node `new` come from, which was a part of `old`."""
    for label in graph.nodes[new].targets:
        if label in graph.nodes:
            graph.nodes[label] = _renamed(graph.nodes[label], old, new)


def regions(graph: Graph) -> dict[str, str]:
    """Cut the threads' code so that no barrier lies inside a region; return the head of each node's region."""
    heads = [graph.entry]
    heads += [edge.target for node in graph.nodes.values() for edge in node.edges if edge.barrier]
    while True:
        found: dict[str, str] = {}
        more = next((label for head in heads for label in _reached(graph, head, heads, found)), None)
        if more is None:
            return found
        heads.append(more)


def _reached(graph: Graph, head: str, heads: Sequence[str], found: dict[str, str]) -> list[str]:
    """Return a node that another head reaches as well, if there is one."""
    pending = [head]
    while pending:
        label = pending.pop()
        if label in found and found[label] != head:
            return [label]
        if label in found:
            continue
        found[label] = head
        pending += [edge.target for edge in graph.nodes[label].edges if edge.target not in heads and edge.target != END]
    return []
