"""Vectors of threads that have nothing to do between two barriers, and how the others can tell.

`if (lid < s) t[lid] += t[lid + s];` leaves most of a group's threads idle, and a loop's own barrier leaves all of them
nothing but to decide whether the loop goes on, which one vector can do for all. To ask each vector took most of the
time of a sum over a group. So the first vector that finds its threads idle, and all behind it, is the last that runs.
"""

from collections.abc import Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import END, FlowNode, Graph
from metalsci.cpu_metal.compile.lanes.section import INDEX, LANE, X
from metalsci.cpu_metal.compile.lanes.shapes import constant
from metalsci.cpu_metal.compile.lanes.steps import EXCHANGE, SIMDGROUP_BARRIER, touches_memory
from metalsci.cpu_metal.compile.lanes.values import Values, respelled
from metalsci.cpu_metal.compile.llvm.conditions import OPPOSITE, SWAPPED, halves
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand

_FOR_LANES = frozenset({LANE, EXCHANGE, SIMDGROUP_BARRIER})
_BELOW = {"ult": "uge", "ule": "ugt", "eq": "ugt", "slt": "sge", "sle": "sgt"}
"""Comparisons of a growing number with a fixed one that are false for good once another one is true."""


@dataclass(frozen=True)
class _Limit:
    """A comparison that is false for all further threads once `over` is true of `number` and `limit`.

    chain: the instructions that compute `number` from a thread's place, the last one last. by_row: the place is one in
        a row, so that it grows from vector to vector only if there is one row.
    """

    over: str
    kind: str
    number: Operand
    limit: Operand
    chain: Sequence[Instruction]
    by_row: bool


@dataclass(frozen=True)
class Guards:
    """The branches of a region that have work on one side alone, which any of their limits ends for further threads."""

    limits: Mapping[str, Sequence[_Limit]]
    flag: str
    """Address of an i1: no vector behind the one that runs has work."""
    single: str
    """An i1, true if the group has one row."""

    def ask(self, values: Values, node: FlowNode, *, in_row: bool) -> None:
        """Let a vector that comes to a guard go on to the next vector, if there may be work."""
        limits, code = self.limits.get(node.label), values.code
        if limits is None:
            return
        idle = code.new(f"load i1, ptr {self.flag}")
        over = "false"
        for limit in limits:
            if limit.by_row and not in_row:
                continue
            over = code.new(f"or i1 {over}, {self._over(values, limit)}")
        last = code.new(f"and i1 {idle}, {code.new(f'freeze i1 {over}')}")
        code.do(f"store i1 {last}, ptr {self.flag}")

    def _over(self, values: Values, limit: _Limit) -> str:
        code, given = values.code, dict[str, str]()
        for each in limit.chain:
            operands = [operand for operand in each.operands if operand.is_local]
            known = {o.value: given.get(o.value) or values.scalar(o) for o in operands}
            given[each.result] = code.new(respelled(each, known))
        number = given.get(limit.number.value) or values.scalar(limit.number)
        found = code.new(f"icmp {limit.over} {limit.kind} {number}, {values.scalar(limit.limit)}")
        if limit.by_row:
            return code.new(f"and i1 {found}, {self.single}")
        return found


@dataclass(frozen=True)
class Idleness:
    """The search for guards. lanes: axes by the values that are threads' places. kept: values with one for each vector.

    group: shapes over all threads of the group.
    """

    graph: Graph
    lanes: Mapping[str, int]
    group: Divergence
    kept: Container[str]

    def limits(self, head: str, inside: Sequence[str]) -> Mapping[str, Sequence[_Limit]] | None:
        """Return the limits at each guard of a region, by nodes; None if any of its vectors may have work."""
        found: dict[str, Sequence[_Limit]] = {}
        seen, waiting, parts = {head}, [head], False
        while waiting:
            node = self.graph.nodes[waiting.pop()]
            if self._works(node):
                return None
            edges = list(node.edges)
            if node.condition is not None and self.group.shape(node.condition, node.label).kind != "uniform":
                side, limits = self._guard(node)
                if limits:
                    found[node.label] = limits
                    del edges[side]
                else:
                    parts = True
            for edge in edges:
                if edge.ends or any(phi.result in self.kept for phi in self._phis(edge.target)):
                    return None
                if edge.target in inside and edge.target not in seen:
                    seen.add(edge.target)
                    waiting.append(edge.target)
        if parts and found:
            return None  # this vector's threads may not come to a guard that others come to
        return found

    def _phis(self, label: str) -> Sequence[Instruction]:
        if label == END:
            return []
        return self.graph.nodes[label].phis

    def _works(self, node: FlowNode) -> bool:
        for each in node.body:
            if each.result in self.kept:
                return True
            if each.opcode == "load" and not each.flags:
                continue
            if touches_memory(each) and each.callee not in _FOR_LANES:
                return True
        return False

    def _guard(self, node: FlowNode) -> tuple[int, Sequence[_Limit]]:
        """Return the side of a branch that few threads take, and what ends them; nothing if there is none."""
        if node.condition is not None and not node.cases:
            for side in (0, 1):
                limits = list(self._conditions(node, node.condition, is_true=not side))
                if limits:
                    return side, limits
        return 0, []

    def _conditions(self, node: FlowNode, condition: Operand, *, is_true: bool) -> Iterator[_Limit]:
        """Yield what must hold, among other things, for a condition to have an answer."""
        each = self._defined.get(condition.value)
        if each is None:
            return
        given = each.operands
        if each.opcode == "icmp":
            predicate = each.detail if is_true else OPPOSITE[each.detail]
            for number, limit, over in ((0, 1, predicate), (1, 0, SWAPPED[predicate])):
                found = self._limit(node, over, given[number], given[limit])
                if found is not None:
                    yield found
        elif each.opcode == "freeze":
            yield from self._conditions(node, given[0], is_true=is_true)
        elif (parts := halves(each)) is not None and (parts[0] == "and") is is_true:
            for operand in parts[1:]:
                yield from self._conditions(node, operand, is_true=is_true)

    def _limit(self, node: FlowNode, predicate: str, number: Operand, limit: Operand) -> _Limit | None:
        chain = self._chain(node, number)
        if predicate not in _BELOW or chain is None or not self._is_at_hand(node, limit):
            return None
        if predicate.startswith("s") and not _is_place(chain):
            return None  # it may grow beyond the largest number
        names = [number.value, *(operand.value for each in chain for operand in each.operands)]
        by_row = any(self.lanes.get(name) == X for name in names)
        return _Limit(_BELOW[predicate], number.type, number, limit, chain, by_row)

    def _chain(self, node: FlowNode, number: Operand) -> Sequence[Instruction] | None:
        """Return the steps from a thread's place to a number that never gets smaller from thread to thread.

        That an addition does not wrap around is promised for every thread that comes to the branch.
        """
        if self.lanes.get(number.value) in (X, INDEX):
            return []
        each = self._defined.get(number.value)
        if each is None:
            return None
        if each.opcode in ("zext", "freeze"):
            inner, others = each.operands[0], list[Operand]()
        elif each.opcode in ("lshr", "udiv") and constant(each.operands[1]):
            inner, others = each.operands[0], []
        elif each.opcode in ("add", "mul", "shl") and "nuw" in each.flags.split():
            places = [operand for operand in each.operands if self._chain(node, operand) is not None]
            if len(places) != 1:
                return None
            inner, others = places[0], [operand for operand in each.operands if operand is not places[0]]
            if each.opcode == "shl" and inner is not each.operands[0]:
                return None
        else:
            return None
        before = self._chain(node, inner)
        if before is not None and each.opcode == "freeze" and not _is_place(before):
            return None  # what wraps around would be any number
        if before is None or not all(self._is_at_hand(node, other) for other in others):
            return None
        return [*before, each]

    def _is_at_hand(self, node: FlowNode, operand: Operand) -> bool:
        """Return True for what is the same in the whole group and is known in a node."""
        if not operand.is_local:
            return constant(operand) is not None
        if self.group.shape(operand, node.label).kind != "uniform":
            return False
        place = self.group.place.get(operand.value)
        return place in (None, node.label) or any(operand.value in each.used for each in node.body)

    @cached_property
    def _defined(self) -> Mapping[str, Instruction]:
        return {each.result: each for node in self.graph.nodes.values() for each in node.body if each.result}


def _is_place(chain: Sequence[Instruction]) -> bool:
    """Return True if steps leave a thread's place what it is."""
    return all(each.opcode in ("zext", "freeze") for each in chain)


def shared(crossing: Set[str], known: Sequence[Divergence]) -> frozenset[str]:
    """Return the values behind a barrier that all threads of a group have in common, so that one place keeps them."""
    found = set()
    for name in crossing:
        is_same = all(name in each.shapes and each.shapes[name].kind == "uniform" for each in known)
        leaves = any(
            loop.header in each.divergent and each.place.get(name) in loop.nodes
            for each in known
            for loop in each.loops
        )
        if is_same and not leaves:
            found.add(name)
    return frozenset(found)
