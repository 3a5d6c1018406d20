"""Nodes that only some lanes run, laid out one after the other.

Each runs for the lanes in its mask, and is skipped if there are none. A loop among them goes on as long as a lane is
left in it; its first turns are those that all lanes that come to it take (see together.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.code import NOT_UNROLLED, VECTORISED
from metalsci.cpu_metal.compile.lanes.flow import Edge, FlowNode
from metalsci.cpu_metal.compile.lanes.nodes import NEXT, NodeWriter
from metalsci.cpu_metal.compile.lanes.plan import MaskedGroup, MaskedLoop
from metalsci.cpu_metal.compile.lanes.steps import touches_memory
from metalsci.cpu_metal.compile.lanes.together import Together, together

_CHEAP = 24  # instructions that run without asking first if a lane needs them


@dataclass(frozen=True)
class MaskedWriter:
    """Writer of the nodes of groups under masks."""

    nodes: NodeWriter

    def write(self, group: MaskedGroup) -> None:
        """Write a group, from its start to its end."""
        code = self.nodes.values.code
        code.label(group.start)
        self._line(group.items, group.end)
        code.label(group.end)

    def _line(self, items: Sequence[MaskedLoop | str], end: str) -> None:
        starts = [self.nodes.values.code.name() for _ in items]
        if starts:
            self.nodes.values.code.do(f"br label {starts[0]}")
        else:
            self.nodes.values.code.do(f"br label {end}")
        for item, start, following in zip(items, starts, [*starts[1:], end], strict=True):
            if isinstance(item, str):
                self._masked(self.nodes.values.graph.nodes[item], start, following)
            else:
                self._loop(item, start, following)

    def _masked(self, node: FlowNode, start: str, following: str) -> None:
        values, code = self.nodes.values, self.nodes.values.code
        code.label(start)
        mask = code.new(f"load {code.mask}, ptr {self.nodes.mask(node.label)}")
        if len(node.body) > _CHEAP or any(touches_memory(each) for each in node.body):
            run = code.name()
            code.do(f"br i1 {code.any(mask)}, label {run}, label {following}")
            code.label(run)
        values.enter(node.label)
        values.mask, values.full, values.full_or_dead = mask, False, False
        self.nodes.run(node)
        self.nodes.take_edges(node)
        code.do(f"br label {following}")

    def _loop(self, loop: MaskedLoop, start: str, following: str) -> None:
        values, code = self.nodes.values, self.nodes.values.code
        top, end, again = code.name(), code.name(), code.name()
        code.label(start)
        code.do(f"store {code.mask} zeroinitializer, ptr {self.nodes.mask(loop.header, NEXT)}")
        entering = code.any(code.new(f"load {code.mask}, ptr {self.nodes.mask(loop.header)}"))
        shared = together(values.graph, values.known, loop.header, loop.nodes)
        if shared is None:
            code.do(f"br i1 {entering}, label {top}, label {following}")
        else:
            first = code.name()
            code.do(f"br i1 {entering}, label {first}, label {following}")
            self._turns_together(loop, shared, first, end, following)
            if shared.parting is None:
                return
        code.label(top)
        for label in values.graph.ordered(loop.nodes - {loop.header}):
            code.do(f"store {code.mask} zeroinitializer, ptr {self.nodes.mask(label)}")
        self._line(loop.items, end)
        code.label(end)
        left = code.new(f"load {code.mask}, ptr {self.nodes.mask(loop.header, NEXT)}")
        code.do(f"store {code.mask} zeroinitializer, ptr {self.nodes.mask(loop.header, NEXT)}")
        code.do(f"br i1 {code.any(left)}, label {again}, label {following}")
        code.label(again)
        code.do(f"store {code.mask} {left}, ptr {self.nodes.mask(loop.header)}")
        values.enter(loop.header)
        for phi in values.graph.nodes[loop.header].phis:
            self._advance(phi.result, phi.type)
        code.do(f"br label {top}")

    def _turns_together(self, loop: MaskedLoop, shared: Together, start: str, part: str, following: str) -> None:
        """Write a loop's turns that all lanes that come to it take together, as those of a loop without masks.

        part: where the loop goes on when they have parted.
        """
        values, parting = self.nodes.values, shared.parting
        code, graph = values.code, values.graph
        labels = {label: code.name() for label in graph.ordered(loop.nodes)}
        hint = VECTORISED if shared.is_of_scalars else "" if parting is not None else NOT_UNROLLED

        def go(node: FlowNode, edge: Edge) -> None:
            phis = self.nodes.incoming(node, edge)
            if edge.target in labels:
                for name, kind, value in phis:
                    values.keep_phi(name, kind, value)
                code.do(f"br label {labels[edge.target]}{hint if edge.target == loop.header else ''}")
                return
            self._leave(loop)
            self.nodes.take(node, edge, values.mask, phis)
            code.do(f"br label {following}")

        code.label(start)
        values.enter(loop.header)
        values.mask = code.new(f"load {code.mask}, ptr {self.nodes.mask(loop.header)}")
        values.full, values.full_or_dead = False, False
        bound = parting.bound(values) if parting is not None else ""
        code.do(f"br label {labels[loop.header]}")
        for node in (graph.nodes[label] for label in labels):
            code.label(labels[node.label])
            values.enter(node.label)
            values.all_stay = True
            self.nodes.run(node)
            values.all_stay = False
            if parting is not None and node.label == parting.label:
                stay, parted = code.name(), code.name()
                code.do(f"br i1 {parting.agreed(values, bound)}, label {stay}, label {parted}")
                with values.on_one_way():
                    code.label(stay)
                    go(node, node.edges[parting.stays])
                code.label(parted)
                self._leave(loop)
                self.nodes.take_edges(node)
                code.do(f"br label {part}")
            elif node.condition is None:
                go(node, node.edges[0])
            else:
                self.nodes.choose(node, node.condition, go)

    def _leave(self, loop: MaskedLoop) -> None:
        """Keep the values of a turn in which lanes leave a loop that all have stayed in up to then."""
        values, nodes = self.nodes.values, self.nodes.values.graph.nodes
        for label in values.graph.ordered(loop.nodes):
            for each in [*nodes[label].phis, *nodes[label].body]:
                if each.result:
                    values.leave(each.result, each.type)

    def _advance(self, name: str, kind: str) -> None:
        """Give a phi of a loop's header the value for the next turn."""
        values, code = self.nodes.values, self.nodes.values.code
        if values.known.shapes[name].is_scalar:
            value = code.new(f"load {kind}, ptr {values.slot(name, kind, 0, NEXT)}")
            values.keep_phi(name, kind, value)
        else:
            values.keep_phi(name, kind, values.loaded(name, kind, NEXT))
