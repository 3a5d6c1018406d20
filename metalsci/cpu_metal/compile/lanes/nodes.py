"""A node for the lanes that run it, all of them or some: its instructions, its branch and its edges.

An edge passes lanes on: the mask of its target, if that runs under one, and the values of its target's phis.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

from metalsci.cpu_metal.compile.lanes.code import Code
from metalsci.cpu_metal.compile.lanes.flow import END, Edge, FlowNode, RefusedError
from metalsci.cpu_metal.compile.lanes.idle import Guards
from metalsci.cpu_metal.compile.lanes.plan import MaskedGroup, Plan
from metalsci.cpu_metal.compile.lanes.steps import step
from metalsci.cpu_metal.compile.lanes.values import INCOMING, Values
from metalsci.cpu_metal.compile.llvm.instruction import Operand

NEXT = "next"
"""Purpose of the places that keep a loop's next turn: its phis' values, and the lanes that take it."""

Incoming = Sequence[tuple[str, str, str | list[str]]]
"""Values for a node's phis: their names, types, and scalars or vectors."""


@dataclass
class NodeWriter:
    """Writer of nodes of one region in one version.

    exits: the heads of further regions. live: where the mask of the threads that have not ended is kept.
    guards: branches that tell whether further vectors have work. in_row: all threads of a vector lie in one row.
    """

    values: Values
    plan: Plan
    exits: Container[str]
    live: str
    guards: Guards | None
    in_row: bool
    _masks: dict[tuple[str, str], str] = field(default_factory=dict)

    def mask(self, label: str, purpose: str = "") -> str:
        """Return where the mask of a node is kept. purpose: NEXT for that of a loop's next turn, at its header."""
        key = (label, purpose)
        if key not in self._masks:
            self._masks[key] = self.values.code.alloca(self.values.code.mask)
        return self._masks[key]

    def clear(self, group: MaskedGroup) -> None:
        """Begin with no lane in any node of a group."""
        code = self.values.code
        for label in self.values.graph.ordered(group.nodes):
            code.do(f"store {code.mask} zeroinitializer, ptr {self.mask(label)}")

    def run(self, node: FlowNode) -> None:
        """Write a node's instructions. Raises RefusedError with the one that cannot run in lanes."""
        for phi in node.phis:
            self.values.leave(phi.result, phi.type)
        for each in node.body:
            try:
                step(self.values, each)
            except RefusedError as error:
                error.at = error.at or each
                raise
        if self.guards is not None:
            self.guards.ask(self.values, node, in_row=self.in_row)

    def choose(self, node: FlowNode, condition: Operand, go: Callable[[FlowNode, Edge], None]) -> None:
        """Write a branch by what all lanes answer alike. go: writes an edge."""
        code, scalar = self.values.code, self.values.scalar(condition)
        ways = [code.name() for _ in node.edges]
        if node.cases:
            cases = " ".join(f"{case}, label {way}" for case, way in zip(node.cases, ways[1:], strict=True))
            code.do(f"switch {condition.type} {scalar}, label {ways[0]} [ {cases} ]")
        else:
            code.do(f"br i1 {scalar}, label {ways[0]}, label {ways[1]}")
        for way, edge in zip(ways, node.edges, strict=True):
            with self.values.on_one_way():
                code.label(way)
                go(node, edge)

    def incoming(self, node: FlowNode, edge: Edge) -> Incoming:
        """Return the values that an edge gives to the phis of its target, as scalars or vectors."""
        values, found = self.values, list[tuple[str, str, str | list[str]]]()
        if edge.target == END or edge.ends:
            return found
        for phi in values.graph.nodes[edge.target].phis:
            at = phi.labels.index(node.label)
            operand, scalar = phi.operands[at], values.known.shapes[phi.result].is_scalar
            found.append((phi.result, phi.type, values.scalar(operand) if scalar else values.vector(operand)))
        return found

    def give(self, node: FlowNode, edge: Edge) -> None:
        """Keep the values of an edge that all lanes take."""
        for name, kind, value in self.incoming(node, edge):
            self.values.keep_phi(name, kind, value, self._purpose(edge, name))

    def _purpose(self, edge: Edge, name: str, otherwise: str = "") -> str:
        """Return what a phi's value is kept for: behind a barrier, other vectors may still need the one before."""
        if edge.target in self.exits and (name, 0, INCOMING) in self.values.slots:
            return INCOMING
        return otherwise

    def take_edges(self, node: FlowNode) -> None:
        """Pass the lanes of a node on, each to the edge that it takes."""
        taken = list(zip(node.edges, self._edge_masks(node), strict=True))
        incoming = [self.incoming(node, edge) for edge, _ in taken]
        for (edge, mask), phis in zip(taken, incoming, strict=True):
            self.take(node, edge, mask, phis)

    def take(self, node: FlowNode, edge: Edge, mask: str, phis: Incoming) -> None:
        """Pass the lanes of a mask on along an edge."""
        values, code = self.values, self.values.code
        loop = self.plan.begun_again(node.label, edge.target)
        back = "" if loop is None else NEXT
        for name, kind, value in phis:
            purpose = self._purpose(edge, name, back)
            if isinstance(value, str) and loop is not None and loop.has_one_way_back:
                pass  # without a lane there is no next turn
            elif isinstance(value, str):
                slot = values.slot(name, kind, 0, purpose)
                old = code.new(f"load {kind}, ptr {slot}")
                value = code.new(f"select i1 {code.any(mask)}, {kind} {value}, {kind} {old}")
            else:
                value = values.blended(name, kind, value, mask, purpose)
            values.keep_phi(name, kind, value, purpose)
        if edge.ends:
            self._end(mask)
        elif self.plan.group(edge.target) is not None:
            slot = self.mask(edge.target, back)
            old = code.new(f"load {code.mask}, ptr {slot}")
            code.do(f"store {code.mask} {code.new(f'or {code.mask} {old}, {mask}')}, ptr {slot}")

    def _end(self, mask: str) -> None:
        code = self.values.code
        alive = code.new(f"load {code.mask}, ptr {self.live}")
        left = code.new(f"select {code.mask} {mask}, {code.mask} zeroinitializer, {code.mask} {alive}")
        code.do(f"store {code.mask} {left}, ptr {self.live}")

    def _edge_masks(self, node: FlowNode) -> list[str]:
        values, code, mask = self.values, self.values.code, self.values.mask
        if node.condition is None:
            return [mask]
        condition = values.vector(node.condition)[0]
        if not node.cases:
            first = self._both(mask, condition)
            return [first, code.new(f"xor {code.mask} {mask}, {first}")]
        rest, found = mask, list[str]()
        vector = code.vector(node.condition.type)
        for case in node.cases:
            same = code.new(f"icmp eq {vector} {condition}, splat ({case})")
            found.append(self._both(mask, same))
            rest = self._both(rest, negated(code, same))
        return [rest, *found]

    def _both(self, mask: str, condition: str) -> str:
        """Return the lanes of `mask` that meet a condition; in the others it may be poison."""
        code = self.values.code
        return code.new(f"select {code.mask} {mask}, {code.mask} {condition}, {code.mask} zeroinitializer")


def negated(code: Code, condition: str) -> str:
    return code.new(f"xor {code.mask} {condition}, splat (i1 true)")
