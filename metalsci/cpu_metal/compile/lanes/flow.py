"""Control flow of the threads' code: nodes, loops, and the nodes that a branch decides about."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from metalsci.cpu_metal.compile.llvm.function import Block
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand

END = "%end"
"""Label at which threads end."""


DOUBLED = 64
"""Instructions of a shared end that may be written twice."""


class RefusedError(Exception):
    """A kernel that cannot run in lanes; the message gives the reason.

    at: the instruction that it is about, if it is about one.
    """

    def __init__(self, reason: str, at: Instruction | None = None) -> None:
        super().__init__(reason)
        self.at = at


class OwnPlacesError(RefusedError):
    """A kernel of which each thread has a loop of its own that loads from places of its own."""


class FewThreadsError(RefusedError):
    """A kernel of which few threads have all the work.

    one_of: threads next to each other in a row of which only the first has any; 1 if others may have.
    """

    def __init__(self, reason: str, at: Instruction, one_of: int) -> None:
        super().__init__(reason, at)
        self.one_of = one_of


class TooLongError(RefusedError):
    """A kernel of which LLVM would make vectors for too long a time."""


@dataclass(frozen=True)
class Edge:
    """A way out of a node. barrier: threads wait for one another on it.

    ends: threads that take it have ended, though the others go on with `target`.
    """

    target: str
    barrier: bool = False
    ends: bool = False
    line: str = ""
    """The user's, of a barrier."""


@dataclass
class FlowNode:
    """A basic block. condition: of a branch (edges: true, false) or a switch (the default, then one for each case)."""

    label: str
    phis: list[Instruction]
    body: list[Instruction]
    edges: list[Edge]
    condition: Operand | None = None
    cases: Sequence[Operand] = ()

    @property
    def targets(self) -> list[str]:
        if len(self.edges) == 1:
            return [self.edges[0].target]
        if len(self.edges) > 2:
            return list(dict.fromkeys(edge.target for edge in self.edges))
        first, second = self.edges[0].target, self.edges[1].target
        return [first] if first == second else [first, second]


@dataclass
class Graph:
    """Nodes by label, the entry first. Threads end at END, which is no node."""

    entry: str
    nodes: dict[str, FlowNode] = field(default_factory=dict)

    def ordered(self, labels: Container[str]) -> list[str]:
        """Return labels as they stand in the text: the order of a set is another one in each process."""
        return [label for label in self.nodes if label in labels]

    def predecessors(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {label: [] for label in [*self.nodes, END]}
        for node in self.nodes.values():
            for target in node.targets:
                found[target].append(node.label)
        return found

    def successors(self) -> dict[str, list[str]]:
        return {label: node.targets for label, node in self.nodes.items()} | {END: []}

    def place(self) -> dict[str, str]:
        """Return the node of each value that is defined here."""
        found = {}
        for node in self.nodes.values():
            for each in [*node.phis, *node.body]:
                if each.result:
                    found[each.result] = node.label
        return found


def node_of(block: Block) -> FlowNode:
    """Make a node of a block that ends with a branch. Raises RefusedError."""
    *body, last = block.instructions
    if last.opcode not in ("br", "switch"):
        raise RefusedError(f"it ends with '{last.opcode}' in the middle", last)
    phis = [each for each in body if each.opcode == "phi"]
    rest = [each for each in body if each.opcode != "phi"]
    edges = [Edge(label) for label in last.labels]
    if len(set(last.labels)) == 1:
        return FlowNode(block.label, phis, rest, edges[:1])
    return FlowNode(block.label, phis, rest, edges, last.operands[0], last.operands[1:])


def order(entry: str, successors: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the nodes that can be reached from `entry` in reverse postorder."""
    seen, done = {entry}, list[str]()
    stack: list[tuple[str, Iterator[str]]] = [(entry, iter(successors[entry]))]
    while stack:
        label, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            done.append(label)
            stack.pop()
        elif following not in seen:
            seen.add(following)
            stack.append((following, iter(successors[following])))
    return done[::-1]


def immediate_dominators(
    entry: str, successors: Mapping[str, Sequence[str]], predecessors: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Compute immediate dominators (Cooper, Harvey and Kennedy). Nodes that `entry` does not reach are left out."""
    sequence = order(entry, successors)
    number = {label: index for index, label in enumerate(sequence)}
    found = {entry: entry}
    changed = True
    while changed:
        changed = False
        for label in sequence[1:]:
            known = [each for each in predecessors[label] if each in found]
            common = known[0]
            for other in known[1:]:
                while common != other:
                    while number[common] > number[other]:
                        common = found[common]
                    while number[other] > number[common]:
                        other = found[other]
            if found.get(label) != common:
                found[label] = common
                changed = True
    return found


def influence(graph: Graph, joined: Mapping[str, str], label: str) -> set[str]:
    """Return the nodes that threads which part at `label` may run before they come together again.

    joined: immediate postdominators.
    """
    stop = joined[label]
    found: set[str] = set()
    pending = [target for target in graph.nodes[label].targets if target != stop]
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            pending += [target for target in graph.nodes[current].targets if target != stop and target != END]
    return found


def joins(
    graph: Graph,
    predecessors: Mapping[str, Sequence[str]],
    number: Mapping[str, int],
    region: set[str],
    label: str,
    stop: str,
) -> set[str]:
    """Return the nodes at which threads that parted at `label` may come from different sides.

    number: the nodes' places in reverse postorder.
    """
    side: dict[str, str] = {target: target for target in graph.nodes[label].targets}
    inside = [*sorted(region, key=lambda each: number[each]), stop]
    found: set[str] = set()
    if stop in graph.nodes[label].targets:
        side[stop] = stop + "'"
    changed = True
    while changed:
        changed = False
        for each in inside:
            sides = {side[before] for before in predecessors[each] if before in region and before in side}
            if each in graph.nodes[label].targets:
                sides.add(stop + "'" if each == stop else each)
            if not sides or each in found:
                continue
            new = sides.pop() if len(sides) == 1 else each
            if sides:
                found.add(each)
            if side.get(each) != new:
                side[each] = new
                changed = True
    return found


@dataclass(frozen=True)
class Loop:
    header: str
    nodes: frozenset[str]


def loops(graph: Graph) -> list[Loop]:
    """Find natural loops, one for each header. Raises RefusedError for flow that has others."""
    successors, predecessors = graph.successors(), graph.predecessors()
    dominators = immediate_dominators(graph.entry, successors, predecessors)
    number = {label: index for index, label in enumerate(order(graph.entry, successors))}
    found: dict[str, set[str]] = {}
    for label, node in graph.nodes.items():
        if label not in number:
            continue
        for target in node.targets:
            if number[target] > number[label]:
                continue
            if not _dominates(dominators, target, label):
                raise RefusedError("its loops have more than one entry")
            body = found.setdefault(target, {target})
            pending = [label]
            while pending:
                current = pending.pop()
                if current not in body:
                    body.add(current)
                    pending += [each for each in predecessors[current] if each in number]
    return [Loop(header, frozenset(nodes)) for header, nodes in found.items()]


def _dominates(dominators: Mapping[str, str], above: str, label: str) -> bool:
    while label != above:
        if dominators[label] == label:
            return False
        label = dominators[label]
    return True


def postdominators(graph: Graph) -> dict[str, str]:
    """Return where the ways out of each node come together. Raises RefusedError if threads may never end."""
    successors, predecessors = graph.successors(), graph.predecessors()
    found = immediate_dominators(END, predecessors, successors)
    if any(label not in found for label in order(graph.entry, successors)):
        raise RefusedError("it may never end")
    return found


def end_early(graph: Graph, varying: Container[str]) -> bool:
    """End threads that return early where they do, so that the path of the others need not be one of two.

    `if (i >= n) return;` would turn all the code after it into one arm of a branch. varying: labels of nodes whose
    branches threads take differently. Returns True if anything was changed.
    """
    ways = _Ways(graph)
    for label in graph.ordered(varying):
        node = graph.nodes[label]
        if len(node.edges) != 2 or any(edge.ends for edge in node.edges):
            continue
        for side in (0, 1):
            first, other = node.edges[side].target, node.edges[1 - side].target
            arm = ways.arm(label, first, other)
            if arm is None or not _ends_in(graph, label, side, arm):
                continue
            if first != END and arm:
                arm = _own_arm(graph, label, side, arm)
            for each in (graph.nodes[name] for name in [*arm, label]):
                for index, edge in enumerate(each.edges):
                    if edge.target == END and (each is not node or index == side):
                        each.edges[index] = replace(edge, target=other, ends=True)
            return True
    return False


def _ends_in(graph: Graph, start: str, side: int, arm: set[str]) -> bool:
    return graph.nodes[start].edges[side].target == END or any(
        edge.target == END for label in arm for edge in graph.nodes[label].edges
    )


class _Ways:
    """The ways of a graph while it does not change, as bits: they are asked for 4,000 times if it has 500 nodes."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._bit = {label: 1 << place for place, label in enumerate(graph.nodes)}
        self._next = {
            label: [edge.target for edge in node.edges if not edge.ends and edge.target != END]
            for label, node in graph.nodes.items()
        }
        self._reached = self._found_reached()
        self._waits = self._those(lambda node: any(edge.barrier for edge in node.edges))
        self._ending = self._those(lambda node: any(edge.target == END and not edge.ends for edge in node.edges))
        self._calling = self._those(lambda node: any(each.callee.startswith("metal_") for each in node.body))
        self._long = self._waits | self._those(self._is_in_loop)

    def arm(self, start: str, first: str, other: str) -> set[str] | None:
        """Return the nodes between an edge of `start` and the end, if threads may end there apart from others."""
        if other == END:
            return None
        arm, rest = self._reached[first], self._reached[other]
        if arm & (self._bit[start] | self._bit[other] | self._waits) or not self._leads_out(start, rest & ~arm, arm):
            return None
        if first == END:
            return set()
        # What both come to is doubled, and lanes that have ended are kept apart: that pays if others have a long way.
        both = arm & rest
        if both & self._calling:
            return None  # threads that come to one call are to come to it together
        others = rest & ~arm
        pays = others & self._waits or (others & self._long and not arm & self._long)
        if pays and sum(len(self._graph.nodes[label].body) for label in self._labels(both)) <= DOUBLED:
            return set(self._labels(arm))
        return None

    def _leads_out(self, start: str, rest: int, arm: int) -> bool:
        """Return True if the others still reach an end in another way than by the branch of `start`."""
        others = rest & ~self._bit[start]
        if others & self._ending:
            return True
        return any(arm & self._bit[target] for label in self._labels(others) for target in self._next[label])

    def _those(self, meets: Callable[[FlowNode], bool]) -> int:
        return sum(self._bit[label] for label, node in self._graph.nodes.items() if meets(node))

    def _labels(self, nodes: int) -> list[str]:
        return [label for label, bit in self._bit.items() if nodes & bit]

    def _is_in_loop(self, node: FlowNode) -> bool:
        return any(self._reached[edge.target] & self._bit[node.label] for edge in node.edges)

    def _found_reached(self) -> dict[str, int]:
        """Return what can be reached from each node, itself included."""
        found = {**self._bit, END: 0}
        last_first = order(self._graph.entry, self._graph.successors())[::-1]
        changed = True
        while changed:
            changed = False
            for label in last_first:
                if label == END:
                    continue
                reached = found[label]
                for target in self._next[label]:
                    reached |= found[target]
                if reached != found[label]:
                    found[label], changed = reached, True
        return found


def _reachable(graph: Graph, first: str) -> set[str]:
    found: set[str] = set()
    pending = [first]
    while pending:
        current = pending.pop()
        if current != END and current not in found:
            found.add(current)
            pending += [edge.target for edge in graph.nodes[current].edges if not edge.ends]
    return found


def _own_arm(graph: Graph, start: str, side: int, arm: set[str]) -> set[str]:
    """Duplicate those nodes of an arm that can be reached in other ways too."""
    predecessors = graph.predecessors()
    shared = {each for each in arm if any(before not in arm and before != start for before in predecessors[each])}
    shared = {each for first in shared for each in _reachable(graph, first)}
    if graph.nodes[start].edges[side].target not in shared and not shared:
        return arm
    own = arm - shared
    labels = double(graph, graph.ordered(shared), {*own, start}, f"{start[1:]}.own")
    for label in own:
        node = graph.nodes[label]
        node.edges = [replace(edge, target=labels.get(edge.target, edge.target)) for edge in node.edges]
    node = graph.nodes[start]
    node.edges[side] = replace(node.edges[side], target=labels.get(node.edges[side].target, node.edges[side].target))
    return own | set(labels.values())


def double(graph: Graph, shared: Sequence[str], sources: Container[str], suffix: str) -> Mapping[str, str]:
    """Give nodes a copy that is for those which come from `sources`, and leave the others' to the nodes.

    Return the copies' labels by the nodes'. Edges of the sources still lead to the nodes.
    """
    labels = {label: f"{label}.{suffix}" for label in shared}
    names = {
        each.result: f"{each.result}.{suffix}"
        for label in shared
        for each in [*graph.nodes[label].phis, *graph.nodes[label].body]
        if each.result
    }
    for label, new in labels.items():
        node = graph.nodes[label]
        phis = []
        for index, phi in enumerate(node.phis):
            mine = [i for i, source in enumerate(phi.labels) if source in sources or source in labels]
            others = [i for i, source in enumerate(phi.labels) if source not in sources]
            phis.append(_picked(phi, mine).renamed(names, labels))
            node.phis[index] = _picked(phi, others)
        body = [each.renamed(names, labels) for each in node.body]
        condition = node.condition and replace(
            node.condition, value=names.get(node.condition.value, node.condition.value)
        )
        edges = [replace(edge, target=labels.get(edge.target, edge.target)) for edge in node.edges]
        graph.nodes[new] = FlowNode(new, phis, body, edges, condition, node.cases)
    return labels


def remove(graph: Graph, labels: Container[str]) -> None:
    """Remove nodes to which nothing leads any more."""
    for label in [label for label in graph.nodes if label in labels]:
        del graph.nodes[label]
    for node in graph.nodes.values():
        for index, phi in enumerate(node.phis):
            node.phis[index] = _picked(phi, [i for i, source in enumerate(phi.labels) if source not in labels])


def _picked(phi: Instruction, places: Sequence[int]) -> Instruction:
    operands, labels = tuple(phi.operands[i] for i in places), tuple(phi.labels[i] for i in places)
    return replace(phi, operands=operands, labels=labels)
