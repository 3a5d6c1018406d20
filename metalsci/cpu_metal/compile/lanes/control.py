"""Control flow for a vector of threads: real branches where all lanes go the same way, masks where they part.

Nodes that only some lanes may run are laid out one after the other; each runs for the lanes in its mask, and is skipped
if there are none. A loop among them goes on as long as a lane is left in it.

Most vectors have all of their lanes everywhere: few threads return early, and few are at an edge. Nodes are written
once more for them, whole, without a mask (see whole.py). A vector leaves the whole copy where its lanes part. It comes
back where all have come together again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from metalsci.cpu_metal.compile.lanes.agreement import agreement
from metalsci.cpu_metal.compile.lanes.code import NOT_UNROLLED, VECTORISED
from metalsci.cpu_metal.compile.lanes.flow import END, Edge, FlowNode, RefusedError, order
from metalsci.cpu_metal.compile.lanes.idle import Guards
from metalsci.cpu_metal.compile.lanes.steps import step, touches_memory
from metalsci.cpu_metal.compile.lanes.together import Together, together
from metalsci.cpu_metal.compile.lanes.values import INCOMING, Values
from metalsci.cpu_metal.compile.lanes.whole import copied_arms
from metalsci.cpu_metal.compile.llvm.instruction import Operand

_CHEAP = 24  # instructions that run without asking first if a lane needs them


@dataclass
class _Loop:
    header: str
    items: list["_Loop | str"]
    nodes: frozenset[str]


@dataclass
class _Group:
    """Nodes under masks that are laid out together."""

    nodes: set[str]
    start: str
    end: str


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
    _masks: dict[tuple[str, str], str] = field(default_factory=dict)
    _groups: dict[str, _Group] = field(default_factory=dict)
    _loops: list[_Loop] = field(default_factory=list)
    _copied: frozenset[str] = frozenset()
    """Nodes under masks that whole vectors run without one."""

    def write(self, head: str, *, whole: str = "", part: str = "") -> None:
        """Write the region that begins with the node `head`.

        whole, part: places to begin at, if the caller knows whether all lanes are there.
        """
        self._find_groups()
        code, groups = self.values.code, list({id(group): group for group in self._groups.values()}.values())
        if head in self._groups:
            raise RefusedError("a barrier where threads may go different ways")
        if self.twice or not self.live:
            nodes = [group.nodes for group in groups]
            self._copied = copied_arms(self.values.graph, self.values.known, self.inside, nodes)
        if whole:
            for place, is_whole in ((whole, True), (part, False)):
                code.label(place)
                code.do(f"br label {self._target(head, is_whole)}")
        else:
            self._go_on(head)
        self._write_pending()
        for group in groups:
            self._write_group(group)
            self._write_pending()

    def _write_pending(self) -> None:
        while self._pending:
            self._whole_or_live(*self._pending.pop(0))

    def _find_groups(self) -> None:
        known = self.values.known
        for label in self.inside:
            region = set(known.influenced.get(label, ()))
            if not region:
                continue
            if not region <= set(self.inside):
                raise RefusedError("a barrier where threads have gone different ways")
            for group in {id(g): g for name in region if (g := self._groups.get(name))}.values():
                region |= group.nodes
            merged = _Group(region, self.values.code.name(), self.values.code.name())
            for name in self.values.graph.ordered(region):
                self._groups[name] = merged

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
        if label in self._groups:
            return label in self._copied
        return self.twice or not self.live

    def _mask(self, label: str, purpose: str = "") -> str:
        key = (label, purpose)
        if key not in self._masks:
            self._masks[key] = self.values.code.alloca(self.values.code.mask)
        return self._masks[key]

    def _begin(self, node: FlowNode) -> None:
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

    # Nodes that all lanes run.

    def _whole_or_live(self, label: str, is_whole: bool) -> None:
        """Write a node for a vector with all of its lanes, or for those lanes that have not ended."""
        values, code, node = self.values, self.values.code, self.values.graph.nodes[label]
        self._is_whole = is_whole
        code.label(self._target(label, is_whole))
        values.enter(label)
        values.mask = "splat (i1 true)" if is_whole else code.new(f"load {code.mask}, ptr {self.live}")
        values.full, values.full_or_dead = is_whole, True
        self._begin(node)
        if label in values.known.branches:
            self._part(node)
        elif node.condition is None:
            self._go(node, node.edges[0])
        else:
            self._choose(node, node.condition, self._go)

    def _choose(self, node: FlowNode, condition: Operand, go: Callable[[FlowNode, Edge], None]) -> None:
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

    def _go(self, node: FlowNode, edge: Edge) -> None:
        """Write an edge that all lanes take."""
        code = self.values.code
        if edge.ends:
            code.do(f"store {code.mask} zeroinitializer, ptr {self.live}")
            code.do(f"br label {self.done}")
            return
        for name, kind, value in self._incoming(node, edge):
            self.values.keep_phi(name, kind, value, self._purpose(edge, name))
        group = self._groups.get(edge.target)
        if group is None or (self._is_whole and edge.target in self._copied):
            # Few vectors are not whole; to unroll loops for those too took LLVM up to a third of its time.
            hint = "" if self._is_whole else NOT_UNROLLED
            code.do(f"br label {self._target(edge.target, self._is_whole)}{hint}")
        else:
            self._clear(group)
            code.do(f"store {code.mask} {self.values.mask}, ptr {self._mask(edge.target)}")
            code.do(f"br label {group.start}")

    def _incoming(self, node: FlowNode, edge: Edge) -> list[tuple[str, str, str | list[str]]]:
        """Return the values that an edge gives to the phis of its target, as scalars or vectors."""
        values, found = self.values, []
        if edge.target == END or edge.ends:
            return []
        for phi in values.graph.nodes[edge.target].phis:
            at = phi.labels.index(node.label)
            operand, scalar = phi.operands[at], values.known.shapes[phi.result].is_scalar
            found.append((phi.result, phi.type, values.scalar(operand) if scalar else values.vector(operand)))
        return found

    def _purpose(self, edge: Edge, name: str, otherwise: str = "") -> str:
        """Return what a phi's value is kept for: behind a barrier, other vectors may still need the one before."""
        if edge.target in self.exits and (name, 0, INCOMING) in self.values.slots:
            return INCOMING
        return otherwise

    def _part(self, node: FlowNode) -> None:
        """Write the edges of a node whose lanes take different ones."""
        values, code = self.values, self.values.code
        if self._is_whole:
            self._stay_whole(node)
        # Not that of any target: where they come together may be another group's, if they part again there.
        group = next((self._groups[label] for label in values.known.influenced[node.label]), None)
        if group is not None:
            self._clear(group)
        self._take_edges(node)
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
        if node.condition is None or node.cases or (influenced and not influenced & self._copied):
            return
        for answer, edge in zip((True, False), node.edges, strict=True):
            leads_out = edge.target == END or edge.target in self.exits
            if edge.ends or not (leads_out or self._has_copy(edge.target)):
                continue
            way, otherwise = code.name(), code.name()
            agreed = agreement(values, node.condition, answer)
            if not agreed:
                condition = values.vector(node.condition)[0]
                agreed = code.all(condition if answer else self._not(condition))
            code.do(f"br i1 {agreed}, label {way}, label {otherwise}")
            with values.on_one_way():
                code.label(way)
                self._go(node, edge)
            code.label(otherwise)

    def _rejoin(self, targets: set[str]) -> None:
        """Continue where lanes come together again, if there are any."""
        code = self.values.code
        if len(targets) > 1:
            raise RefusedError("threads that part come together in two places")
        node = next(iter(targets), END)
        group = self._groups.get(node)
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
        self._clear(group)
        code.do(f"store {code.mask} {all_of_them}, ptr {self._mask(node)}")
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

    def _clear(self, group: _Group) -> None:
        code = self.values.code
        for label in self.values.graph.ordered(group.nodes):
            code.do(f"store {code.mask} zeroinitializer, ptr {self._mask(label)}")

    # Nodes under masks.

    def _take_edges(self, node: FlowNode) -> None:
        """Pass the lanes of a node on, each to the edge that it takes."""
        taken = list(zip(node.edges, self._edge_masks(node), strict=True))
        incoming = [self._incoming(node, edge) for edge, _ in taken]
        for (edge, mask), phis in zip(taken, incoming, strict=True):
            self._take(node, edge, mask, phis)

    def _take(self, node: FlowNode, edge: Edge, mask: str, phis: Sequence[tuple[str, str, str | list[str]]]) -> None:
        """Pass the lanes of a mask on along an edge."""
        values, code = self.values, self.values.code
        back = "next" if self._goes_back(node.label, edge.target) else ""
        for name, kind, value in phis:
            purpose = self._purpose(edge, name, back)
            if isinstance(value, str) and self._is_sole_way_back(edge.target, back):
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
        elif edge.target in self._groups:
            slot = self._mask(edge.target, back)
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
            rest = self._both(rest, self._not(same))
        return [rest, *found]

    def _both(self, mask: str, condition: str) -> str:
        """Return the lanes of `mask` that meet a condition; in the others it may be poison."""
        code = self.values.code
        return code.new(f"select {code.mask} {mask}, {code.mask} {condition}, {code.mask} zeroinitializer")

    def _not(self, condition: str) -> str:
        return self.values.code.new(f"xor {self.values.code.mask} {condition}, splat (i1 true)")

    def _goes_back(self, label: str, target: str) -> bool:
        return any(loop.header == target and label in loop.nodes for loop in self._loops)

    def _is_sole_way_back(self, target: str, back: str) -> bool:
        loop = next((loop for loop in self._loops if back and loop.header == target), None)
        return loop is not None and sum(target in self.values.graph.nodes[each].targets for each in loop.nodes) == 1

    def _write_group(self, group: _Group) -> None:
        code = self.values.code
        graph = self.values.graph
        items = self._items(group.nodes, set(group.nodes))
        code.label(group.start)
        self._line(items, group.end)
        code.label(group.end)
        parting = [graph.nodes[each] for each in self.inside if each not in group.nodes and self._feeds(each, group)]
        outside = {
            edge.target
            for node in [*(graph.nodes[label] for label in group.nodes), *parting]
            for edge in node.edges
            if not edge.ends and edge.target not in group.nodes
        }
        self._rejoin(outside)

    def _feeds(self, label: str, group: _Group) -> bool:
        return label in self.values.known.branches and bool(self.values.known.influenced[label] & group.nodes)

    def _items(self, nodes: set[str], cut: set[str]) -> "list[_Loop | str]":
        """Bring nodes into an order in which each follows all that lead to it; loops become items of their own.

        cut: nodes between which edges count; a loop's header is not among them for the edges that go back to it.
        """
        graph, loops = self.values.graph, self.values.known.loops
        within = [loop for loop in loops if loop.nodes <= nodes and loop.header in cut]
        outer = [loop for loop in within if not any(loop.nodes < other.nodes for other in within)]
        owner = {label: loop.header for loop in outer for label in loop.nodes}
        follows: dict[str, list[str]] = {}
        for label in graph.ordered(nodes):
            own = owner.get(label, label)
            follows.setdefault(own, [])
            for target in graph.nodes[label].targets:
                other = owner.get(target, target)
                if target in cut and other != own and other not in follows[own]:
                    follows[own].append(other)
        reached = {target for targets in follows.values() for target in targets}
        roots = [label for label in follows if label not in reached]
        sequence = order("", {**follows, "": roots})[1:]
        if len(sequence) < len(follows):
            raise RefusedError("its loops have more than one entry")
        items: list[_Loop | str] = []
        by_header = {loop.header: loop for loop in outer}
        for label in sequence:
            if label in by_header:
                inner = set(by_header[label].nodes)
                loop = _Loop(label, [], by_header[label].nodes)
                self._loops.append(loop)
                loop.items = self._items(inner, inner - {label})
                items.append(loop)
            else:
                items.append(label)
        return items

    def _line(self, items: "list[_Loop | str]", end: str) -> None:
        starts = [self.values.code.name() for _ in items]
        if starts:
            self.values.code.do(f"br label {starts[0]}")
        else:
            self.values.code.do(f"br label {end}")
        for item, start, following in zip(items, starts, [*starts[1:], end], strict=True):
            if isinstance(item, str):
                self._masked(self.values.graph.nodes[item], start, following)
            else:
                self._loop(item, start, following)

    def _masked(self, node: FlowNode, start: str, following: str) -> None:
        values, code = self.values, self.values.code
        code.label(start)
        mask = code.new(f"load {code.mask}, ptr {self._mask(node.label)}")
        if len(node.body) > _CHEAP or any(touches_memory(each) for each in node.body):
            run = code.name()
            code.do(f"br i1 {code.any(mask)}, label {run}, label {following}")
            code.label(run)
        values.enter(node.label)
        values.mask, values.full, values.full_or_dead = mask, False, False
        self._begin(node)
        self._take_edges(node)
        code.do(f"br label {following}")

    def _loop(self, loop: _Loop, start: str, following: str) -> None:
        values, code = self.values, self.values.code
        top, end, again = code.name(), code.name(), code.name()
        code.label(start)
        code.do(f"store {code.mask} zeroinitializer, ptr {self._mask(loop.header, 'next')}")
        entering = code.any(code.new(f"load {code.mask}, ptr {self._mask(loop.header)}"))
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
            code.do(f"store {code.mask} zeroinitializer, ptr {self._mask(label)}")
        self._line(loop.items, end)
        code.label(end)
        left = code.new(f"load {code.mask}, ptr {self._mask(loop.header, 'next')}")
        code.do(f"store {code.mask} zeroinitializer, ptr {self._mask(loop.header, 'next')}")
        code.do(f"br i1 {code.any(left)}, label {again}, label {following}")
        code.label(again)
        code.do(f"store {code.mask} {left}, ptr {self._mask(loop.header)}")
        values.enter(loop.header)
        for phi in values.graph.nodes[loop.header].phis:
            self._advance(phi.result, phi.type)
        code.do(f"br label {top}")

    def _turns_together(self, loop: _Loop, shared: Together, start: str, part: str, following: str) -> None:
        """Write a loop's turns that all lanes that come to it take together, as those of a loop without masks.

        part: where the loop goes on when they have parted.
        """
        values, code, graph, parting = self.values, self.values.code, self.values.graph, shared.parting
        labels = {label: code.name() for label in graph.ordered(loop.nodes)}
        hint = VECTORISED if shared.is_of_scalars else "" if parting is not None else NOT_UNROLLED

        def go(node: FlowNode, edge: Edge) -> None:
            phis = self._incoming(node, edge)
            if edge.target in labels:
                for name, kind, value in phis:
                    values.keep_phi(name, kind, value)
                code.do(f"br label {labels[edge.target]}{hint if edge.target == loop.header else ''}")
                return
            self._leave(loop)
            self._take(node, edge, values.mask, phis)
            code.do(f"br label {following}")

        code.label(start)
        values.enter(loop.header)
        values.mask = code.new(f"load {code.mask}, ptr {self._mask(loop.header)}")
        values.full, values.full_or_dead = False, False
        bound = parting.bound(values) if parting is not None else ""
        code.do(f"br label {labels[loop.header]}")
        for node in (graph.nodes[label] for label in labels):
            code.label(labels[node.label])
            values.enter(node.label)
            values.all_stay = True
            self._begin(node)
            values.all_stay = False
            if parting is not None and node.label == parting.label:
                stay, parted = code.name(), code.name()
                code.do(f"br i1 {parting.agreed(values, bound)}, label {stay}, label {parted}")
                with values.on_one_way():
                    code.label(stay)
                    go(node, node.edges[parting.stays])
                code.label(parted)
                self._leave(loop)
                self._take_edges(node)
                code.do(f"br label {part}")
            elif node.condition is None:
                go(node, node.edges[0])
            else:
                self._choose(node, node.condition, go)

    def _leave(self, loop: _Loop) -> None:
        """Keep the values of a turn in which lanes leave a loop that all have stayed in up to then."""
        nodes = self.values.graph.nodes
        for label in self.values.graph.ordered(loop.nodes):
            for each in [*nodes[label].phis, *nodes[label].body]:
                if each.result:
                    self.values.leave(each.result, each.type)

    def _advance(self, name: str, kind: str) -> None:
        """Give a phi of a loop's header the value for the next turn."""
        values, code = self.values, self.values.code
        if values.known.shapes[name].is_scalar:
            value = code.new(f"load {kind}, ptr {values.slot(name, kind, 0, 'next')}")
            values.keep_phi(name, kind, value)
        else:
            values.keep_phi(name, kind, values.loaded(name, kind, "next"))
