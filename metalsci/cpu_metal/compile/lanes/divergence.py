"""Branches by which lanes go different ways, and the shapes of all values that follow from them."""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.flow import Graph, Loop, influence, joins, loops, order, postdominators
from metalsci.cpu_metal.compile.lanes.shapes import RULES, UNIFORM, VARYING, Shape, lower, shape_of, shape_of_phi
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand


@dataclass(frozen=True)
class Divergence:
    """Shapes by value; branches that lanes take differently, and everything that they decide about."""

    shapes: Mapping[str, Shape]
    branches: frozenset[str]
    influenced: Mapping[str, frozenset[str]]
    joined: Mapping[str, str]
    loops: tuple[Loop, ...]
    divergent: frozenset[str]
    """Headers of loops that lanes leave at different times."""
    place: Mapping[str, str]

    def shape(self, operand: Operand, at: str) -> Shape:
        """Return the shape of an operand of an instruction in the node `at`."""
        if not operand.is_local:
            return UNIFORM
        if self.has_left(operand.value, at):
            return VARYING
        return self.shapes.get(operand.value, UNIFORM)

    def has_left(self, value: str, at: str) -> bool:
        """Return True if lanes may have left the loop in which they computed `value` at different times."""
        if not self.divergent:
            return False
        defined = self.place.get(value)
        return defined is not None and any(
            loop.header in self.divergent and defined in loop.nodes and at not in loop.nodes for loop in self.loops
        )


class Searches:
    """The searches for the shapes of a graph's values, which differ in the shapes that are given.

    What does not depend on those is found once: a kernel is searched up to four times. fixed: names of values whose
    shapes are given. Raises RefusedError for flow that lanes cannot follow.
    """

    def __init__(self, graph: Graph, fixed: Container[str]) -> None:
        self.graph, self.fixed = graph, fixed
        self.sequence = [label for label in order(graph.entry, graph.successors()) if label in graph.nodes]
        self.number = {label: number for number, label in enumerate(self.sequence)}
        self.joined, self.place, self.loops = postdominators(graph), graph.place(), tuple(loops(graph))
        self.before = graph.predecessors()
        self.defined = {each.result: each for node in graph.nodes.values() for each in node.body if each.result}
        # The names of operands that have a shape of their own; all others are the same in all lanes.
        self.nodes = [
            (
                label,
                [(each, self._names(each)) for each in graph.nodes[label].phis if each.result not in fixed],
                [
                    (each, self._names(each))
                    for each in graph.nodes[label].body
                    if each.result and each.result not in fixed
                ],
            )
            for label in self.sequence
        ]
        self.users: dict[str, list[str]] = defaultdict(list)
        for _, phis, body in self.nodes:
            for each, names in [*phis, *body]:
                for name in names:
                    self.users[name].append(each.result)

    def _names(self, each: Instruction) -> Sequence[str]:
        values = (operand.value for operand in each.operands)
        return [value if value in self.place or value in self.fixed else "" for value in values]

    def divergence(self, given: Mapping[str, Shape]) -> Divergence:
        """Find shapes and divergence. given: the shapes of the values that are fixed."""
        graph, joined = self.graph, self.joined
        branches: set[str] = set()
        search = _Search(self, given)
        divergent: set[str] = set()
        influenced: dict[str, frozenset[str]] = {}
        while True:
            search.find([loop for loop in self.loops if loop.header in divergent])
            known = Divergence(
                search.found(), frozenset(branches), influenced, joined, self.loops, frozenset(divergent), self.place
            )
            new = [label for label in self.sequence if label not in branches and _parts(graph, known, label)]
            if not new:
                return known
            for label in new:
                branches.add(label)
                region = influence(graph, joined, label)
                influenced[label] = frozenset(region)
                for place_of_join in joins(graph, self.before, self.number, region, label, joined[label]):
                    ways = frozenset(each for each in self.before[place_of_join] if each in region or each == label)
                    search.parted.setdefault(place_of_join, []).append(ways)
                targets = [*graph.nodes[label].targets, joined[label]]
                for loop in self.loops:
                    if label in loop.nodes and any(target not in loop.nodes for target in targets):
                        divergent.add(loop.header)


def _parts(graph: Graph, known: Divergence, label: str) -> bool:
    condition = graph.nodes[label].condition
    return condition is not None and known.shape(condition, label).kind != "uniform"


class _Search:
    """A search for shapes: from the highest ones on, each only goes down, also when more is known of branches.

    parted: nodes at which threads come together again, and the ways on which they may have come.
    """

    def __init__(self, all_searches: Searches, given: Mapping[str, Shape]) -> None:
        self.parted: dict[str, list[frozenset[str]]] = {}
        self._all = all_searches
        # What is the same in all lanes has no name: see Searches.
        self._shapes: dict[str, Shape] = {"": UNIFORM, **given}
        self._is_first = True
        self._left: Sequence[Loop] = ()
        self._of_left: frozenset[str] = frozenset()
        """Nodes of loops that lanes leave at different times."""
        self._waiting: set[str] = set()
        """Values that may be lower than was found, since an operand is."""

    def found(self) -> Mapping[str, Shape]:
        found = dict(self._shapes)
        del found[""]
        return found

    def _shape(self, name: str, at: str) -> Shape | None:
        if self._left:
            defined = self._all.place.get(name)
            if defined in self._of_left and any(defined in loop.nodes and at not in loop.nodes for loop in self._left):
                return VARYING
        return self._shapes.get(name)

    def find(self, left: Sequence[Loop]) -> None:
        """Lower shapes until they follow from each other. left: loops that lanes leave at different times."""
        waiting, shapes = self._waiting, self._shapes
        if self._is_first:
            waiting |= {each.result for _, phis, body in self._all.nodes for each, _ in [*phis, *body]}
        else:
            waiting |= self._asked_again(left)
        self._is_first, self._left, self._of_left = False, left, frozenset[str]().union(*(loop.nodes for loop in left))
        while waiting:
            for label, phis, body in self._all.nodes:
                for each, names in phis:
                    if each.result in waiting:
                        waiting.discard(each.result)
                        self._find_phi(each, names, label)
                for each, names in body:
                    if each.result not in waiting:
                        continue
                    waiting.discard(each.result)
                    if left:
                        operands = [self._shape(name, label) for name in names]
                    else:
                        operands = [shapes.get(name) for name in names]
                    known = [shape for shape in operands if shape is not None]
                    if len(known) == len(operands):
                        self._lower(each.result, shape_of(each, known))

    def _asked_again(self, left: Sequence[Loop]) -> set[str]:
        """Return the values that depend on the loops that lanes leave at different times, or on the ways they come."""
        found = {each.result for label, phis, _ in self._all.nodes if label in self.parted for each, _ in phis}
        new = frozenset[str]().union(*(loop.nodes for loop in left if loop not in self._left))
        return found.union(*(self._all.users[name] for name, label in self._all.place.items() if label in new))

    def _find_phi(self, phi: Instruction, names: Sequence[str], label: str) -> None:
        # Lanes may leave a loop on the way here, or may have left one before: in different turns, either way.
        ways = zip(names, phi.labels, strict=True)
        new = shape_of_phi([self._shape(name, at) for name, before in ways for at in (before, label)])
        if new is None:
            return
        if any(not _same(phi, ways, self._all.defined) for ways in self.parted.get(label, ())):
            new = VARYING
        self._lower(phi.result, new)

    def _lower(self, name: str, new: Shape) -> None:
        old = self._shapes.get(name)
        if old is new or old == new:
            return
        self._shapes[name] = lower(old, new)
        if self._shapes[name] != old:
            self._waiting.update(self._all.users[name])


def _same(phi: Instruction, ways: frozenset[str], defined: Mapping[str, Instruction]) -> bool:
    """Check that a phi takes one value whichever of some ways a thread has come."""
    values = {o.value for o, label in zip(phi.operands, phi.labels, strict=True) if label in ways}
    return len(values) <= 1 or len({_computed(defined.get(value), value) for value in values}) == 1


def _computed(each: Instruction | None, value: str) -> tuple[str, ...]:
    """Describe how a value is computed, so that two that LLVM has computed on two ways are seen to be one."""
    if each is None or each.opcode not in RULES or each.opcode == "freeze":
        return (value,)
    return (each.opcode, each.type, each.detail, *(operand.value for operand in each.operands))
