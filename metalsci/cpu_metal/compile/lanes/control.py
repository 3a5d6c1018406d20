"""Control flow for a vector of threads: real branches where all lanes go the same way, masks where they part.

The nodes that only some lanes may run are found first (see plan.py) and written behind the others (see masked.py).

Most vectors have all of their lanes everywhere: few threads return early, and few are at an edge. Nodes are written
once more for them, whole, without a mask (see whole.py). A vector leaves the whole copy where its lanes part. It comes
back where all have come together again.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from metalsci.cpu_metal.compile.lanes.agreement import agreement
from metalsci.cpu_metal.compile.lanes.code import NOT_UNROLLED, SIDE_BY_SIDE
from metalsci.cpu_metal.compile.lanes.flow import END, Edge, FlowNode, RefusedError
from metalsci.cpu_metal.compile.lanes.idle import Guards
from metalsci.cpu_metal.compile.lanes.masked import MaskedWriter
from metalsci.cpu_metal.compile.lanes.nodes import NodeWriter, negated
from metalsci.cpu_metal.compile.lanes.plan import plan
from metalsci.cpu_metal.compile.lanes.side_by_side import side_by_side
from metalsci.cpu_metal.compile.lanes.values import Values


@dataclass
class Flow:
    """Writer of one region in one version.

    done: where a vector of threads goes at the region's end.
    exits: where it goes for each further region.
    live: where the mask of the threads that have not ended is kept, empty if all are there.
    twice: write what all lanes run once more for whole vectors, though some may have ended.
    guards: branches that tell whether further vectors have work.
    in_row: all threads of a vector lie in one row.
    """

    values: Values
    inside: Sequence[str]
    done: str
    exits: dict[str, str]
    live: str
    twice: bool = False
    guards: Guards | None = None
    in_row: bool = False
    _labels: dict[tuple[str, bool], str] = field(default_factory=dict)
    _pending: list[tuple[str, bool]] = field(default_factory=list)
    _is_whole: bool = False
    """True while the copy for whole vectors is written."""

    def __post_init__(self) -> None:
        """Plan the region. Raises RefusedError."""
        values = self.values
        graph, known, name = values.graph, values.known, values.code.name
        self._plan = plan(graph, known, self.inside, name, copies=self._has_copies)
        self._side_by_side = side_by_side(graph, known, values.variables)
        self._nodes = NodeWriter(values, self._plan, self.exits, self.live, self.guards, self.in_row)
        self._masked = MaskedWriter(self._nodes)

    def write(self, head: str, *, whole: str = "", part: str = "") -> None:
        """Write the region that begins with the node `head`.

        whole, part: places to begin at, if the caller knows whether all lanes are there.
        """
        code = self.values.code
        if self._plan.group(head) is not None:
            raise RefusedError("a barrier where threads may go different ways")
        if whole:
            for place, is_whole in ((whole, True), (part, False)):
                code.label(place)
                code.do(f"br label {self._target(head, is_whole)}")
        else:
            self._go_on(head)
        self._write_pending()
        for group in self._plan.groups:
            self._masked.write(group)
            self._rejoin(group.following)
            self._write_pending()

    def _write_pending(self) -> None:
        while self._pending:
            self._whole_or_live(*self._pending.pop(0))

    def _target(self, label: str, is_whole: bool) -> str:
        """Return the place that a branch to a node goes to if all lanes take it, all there are or all that are left."""
        if label == END:
            return self.done
        if label in self.exits:
            return self.exits[label]
        key = label, is_whole
        if key not in self._labels:
            self._labels[key] = self.values.code.name()
            self._pending.append(key)
        return self._labels[key]

    def _has_copy(self, label: str) -> bool:
        """Return True if a vector with all of its lanes can go on at a node."""
        if self._plan.group(label) is not None:
            return label in self._plan.copied
        return self._has_copies

    @property
    def _has_copies(self) -> bool:
        return self.twice or not self.live

    def _whole_or_live(self, label: str, is_whole: bool) -> None:
        """Write a node for a vector with all of its lanes, or for those lanes that have not ended."""
        values, code, node = self.values, self.values.code, self.values.graph.nodes[label]
        self._is_whole = is_whole
        code.label(self._target(label, is_whole))
        values.enter(label)
        values.mask = "splat (i1 true)" if is_whole else code.new(f"load {code.mask}, ptr {self.live}")
        values.full, values.full_or_dead = is_whole, True
        self._nodes.run(node)
        if label in values.known.branches:
            self._part(node)
        elif node.condition is None:
            self._go(node, node.edges[0])
        else:
            self._nodes.choose(node, node.condition, self._go)

    def _go(self, node: FlowNode, edge: Edge) -> None:
        """Write an edge that all lanes take."""
        code = self.values.code
        if edge.ends:
            code.do(f"store {code.mask} zeroinitializer, ptr {self.live}")
            code.do(f"br label {self.done}")
            return
        self._nodes.give(node, edge)
        group = self._plan.group(edge.target)
        if group is None or (self._is_whole and edge.target in self._plan.copied):
            # Few vectors are not whole; to unroll loops for those too took LLVM up to a third of its time.
            hint = self._hint(edge.target) if self._is_whole else NOT_UNROLLED
            code.do(f"br label {self._target(edge.target, self._is_whole)}{hint}")
        else:
            self._nodes.clear(group)
            code.do(f"store {code.mask} {self.values.mask}, ptr {self._nodes.mask(edge.target)}")
            code.do(f"br label {group.start}")

    def _hint(self, label: str) -> str:
        """Return what LLVM is told of a branch to a node that whole vectors take."""
        if label in self._side_by_side:
            return SIDE_BY_SIDE
        return ""

    def _part(self, node: FlowNode) -> None:
        """Write the edges of a node whose lanes take different ones."""
        values, code = self.values, self.values.code
        if self._is_whole:
            self._stay_whole(node)
        # Not that of any target: where they come together may be another group's, if they part again there.
        group = next(map(self._plan.group, values.known.influenced[node.label]), None)
        if group is not None:
            self._nodes.clear(group)
        self._nodes.take_edges(node)
        if group is not None:
            code.do(f"br label {group.start}")
            return
        targets = {edge.target for edge in node.edges if not edge.ends}
        self._rejoin(targets)
        values.enter(node.label)

    def _stay_whole(self, node: FlowNode) -> None:
        """Branch past what follows if all lanes take one edge, and can go on along it without masks."""
        values, code = self.values, self.values.code
        influenced = values.known.influenced[node.label]
        if node.condition is None or node.cases or (influenced and not influenced & self._plan.copied):
            return
        for answer, edge in zip((True, False), node.edges, strict=True):
            leads_out = edge.target == END or edge.target in self.exits
            if edge.ends or not (leads_out or self._has_copy(edge.target)):
                continue
            way, otherwise = code.name(), code.name()
            agreed = agreement(values, node.condition, answer)
            if not agreed:
                condition = values.vector(node.condition)[0]
                agreed = code.all(condition if answer else negated(code, condition))
            code.do(f"br i1 {agreed}, label {way}, label {otherwise}")
            with values.on_one_way():
                code.label(way)
                self._go(node, edge)
            code.label(otherwise)

    def _rejoin(self, targets: Set[str]) -> None:
        """Continue where lanes come together again, if there are any."""
        code = self.values.code
        if len(targets) > 1:
            raise RefusedError("threads that part come together in two places")
        node = next(iter(targets), END)
        group = self._plan.group(node)
        if group is None:
            self._go_on(node)
            return
        # They part there again, such as in a loop that all of them come to.
        all_of_them = "splat (i1 true)"
        if self.live:
            all_of_them = code.new(f"load {code.mask}, ptr {self.live}")
            way = code.name()
            code.do(f"br i1 {code.any(all_of_them)}, label {way}, label {self.done}")
            code.label(way)
        self._nodes.clear(group)
        code.do(f"store {code.mask} {all_of_them}, ptr {self._nodes.mask(node)}")
        code.do(f"br label {group.start}")

    def _go_on(self, label: str) -> None:
        """Continue at a node with the lanes that are left, without a mask if those are all."""
        code = self.values.code
        if not self.live or self._target(label, is_whole=False) == self.done:
            code.do(f"br label {self._target(label, is_whole=True)}")
            return
        left = code.new(f"load {code.mask}, ptr {self.live}")
        if self._has_copy(label):
            some = code.name()
            code.do(f"br i1 {code.all(left)}, label {self._target(label, is_whole=True)}, label {some}")
            code.label(some)
        code.do(f"br i1 {code.any(left)}, label {self._target(label, is_whole=False)}, label {self.done}")
