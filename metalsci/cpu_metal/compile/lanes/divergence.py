"""Branches by which lanes go different ways, and the shapes of all values that follow from them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
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


def divergence(graph: Graph, given: Mapping[str, Shape]) -> Divergence:
    """Find shapes and divergence. given: shapes of values that do not follow from operands."""
    sequence = [label for label in order(graph.entry, graph.successors()) if label in graph.nodes]
    joined, place, found_loops = postdominators(graph), graph.place(), tuple(loops(graph))
    branches: set[str] = set()
    before = graph.predecessors()
    search = _Search(graph, sequence, given, place)
    divergent: set[str] = set()
    influenced: dict[str, frozenset[str]] = {}
    while True:
        search.find([loop for loop in found_loops if loop.header in divergent])
        known = Divergence(
            dict(search.shapes), frozenset(branches), influenced, joined, found_loops, frozenset(divergent), place
        )
        new = [label for label in sequence if label not in branches and _parts(graph, known, label)]
        if not new:
            return known
        for label in new:
            branches.add(label)
            region = influence(graph, joined, label)
            influenced[label] = frozenset(region)
            for place_of_join in joins(graph, before, sequence, region, label, joined[label]):
                ways = frozenset(each for each in before[place_of_join] if each in region or each == label)
                search.parted.setdefault(place_of_join, []).append(ways)
            for loop in found_loops:
                leaves = any(target not in loop.nodes for target in graph.nodes[label].targets)
                if label in loop.nodes and (leaves or joined[label] not in loop.nodes):
                    divergent.add(loop.header)


def _parts(graph: Graph, known: Divergence, label: str) -> bool:
    condition = graph.nodes[label].condition
    return condition is not None and known.shape(condition, label).kind != "uniform"


class _Search:
    """The search for shapes: from the highest ones on, each only goes down, also when more is known of branches.

    parted: nodes at which threads come together again, and the ways on which they may have come.
    """

    def __init__(
        self, graph: Graph, sequence: Sequence[str], given: Mapping[str, Shape], place: Mapping[str, str]
    ) -> None:
        self.shapes: dict[str, Shape] = dict(given)
        self.parted: dict[str, list[frozenset[str]]] = {}
        self._place = place
        self._given = given
        self._left: Sequence[Loop] = ()
        self._defined = {each.result: each for node in graph.nodes.values() for each in node.body if each.result}
        # The names of operands that have a shape of their own; all others are the same in all lanes.
        self._nodes = [
            (
                label,
                [(each, [self._name(operand) for operand in each.operands]) for each in graph.nodes[label].phis],
                [
                    (each, [self._name(operand) for operand in each.operands])
                    for each in graph.nodes[label].body
                    if each.result and each.result not in given
                ],
            )
            for label in sequence
        ]
        self._users: dict[str, list[str]] = defaultdict(list)
        for _, phis, body in self._nodes:
            for each, names in [*phis, *body]:
                for name in names:
                    self._users[name].append(each.result)
        self._waiting: set[str] = set()
        """Values that may be lower than was found, since an operand is."""

    def _name(self, operand: Operand) -> str:
        if operand.value in self._place or operand.value in self._given:
            return operand.value
        return ""

    def _shape(self, name: str, at: str) -> Shape | None:
        if not name:
            return UNIFORM
        if self._left:
            defined = self._place.get(name)
            if defined and any(defined in loop.nodes and at not in loop.nodes for loop in self._left):
                return VARYING
        return self.shapes.get(name)

    def find(self, left: Sequence[Loop]) -> None:
        """Lower shapes until they follow from each other. left: loops that lanes leave at different times."""
        self._left = left
        waiting = self._waiting
        waiting |= {each.result for _, phis, body in self._nodes for each, _ in [*phis, *body]}
        while waiting:
            for label, phis, body in self._nodes:
                for each, names in phis:
                    if each.result in waiting:
                        waiting.discard(each.result)
                        self._find_phi(each, names, label)
                for each, names in body:
                    if each.result not in waiting:
                        continue
                    waiting.discard(each.result)
                    operands = [self._shape(name, label) for name in names]
                    known = [shape for shape in operands if shape is not None]
                    if len(known) == len(operands):
                        self._lower(each.result, shape_of(each, known))

    def _find_phi(self, phi: Instruction, names: Sequence[str], label: str) -> None:
        if phi.result in self._given:
            return
        # Lanes may leave a loop on the way here, or may have left one before: in different turns, either way.
        ways = zip(names, phi.labels, strict=True)
        new = shape_of_phi([self._shape(name, at) for name, before in ways for at in (before, label)])
        if new is None:
            return
        if any(not _same(phi, ways, self._defined) for ways in self.parted.get(label, ())):
            new = VARYING
        self._lower(phi.result, new)

    def _lower(self, name: str, new: Shape) -> None:
        old = self.shapes.get(name)
        if old == new:
            return
        self.shapes[name] = lower(old, new)
        if self.shapes[name] != old:
            self._waiting.update(self._users[name])


def _same(phi: Instruction, ways: frozenset[str], defined: Mapping[str, Instruction]) -> bool:
    """Check that a phi takes one value whichever of some ways a thread has come."""
    values = {o.value for o, label in zip(phi.operands, phi.labels, strict=True) if label in ways}
    return len(values) <= 1 or len({_computed(defined.get(value), value) for value in values}) == 1


def _computed(each: Instruction | None, value: str) -> tuple[str, ...]:
    """Describe how a value is computed, so that two that LLVM has computed on two ways are seen to be one."""
    if each is None or each.opcode not in RULES or each.opcode == "freeze":
        return (value,)
    return (each.opcode, each.type, each.detail, *(operand.value for operand in each.operands))
