"""Turns of a loop that lanes take together, found before any of them is run.

Under a mask each turn of a loop asks which lanes go on, gives their values the next turn's one by one, and skips nodes
that none is in. None of that is needed while all that have come to the loop stay in it: in a loop that lanes leave
together, or up to the least limit of any lane in `for (t = start; t < i; ++t)`. There the turns' values are those of a
loop that all lanes run, so that what depends on `t` alone is a scalar.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.code import Code, suffix
from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import FlowNode, Graph
from metalsci.cpu_metal.compile.lanes.shapes import constant
from metalsci.cpu_metal.compile.lanes.steps import touches_memory
from metalsci.cpu_metal.compile.lanes.values import Values
from metalsci.cpu_metal.compile.llvm.conditions import OPPOSITE, SWAPPED
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand


@dataclass(frozen=True)
class Parting:
    """The branch by which lanes leave a loop at different times: by an index of all and limits of their own.

    label: its node, the only one that goes back. stays: its edge that goes back. predicate: what holds between index
        and limit of a lane that stays. first: the loop's phi and what it is moved by to be the index, if the limit is
        met by the index and not passed.
    """

    label: str
    stays: int
    predicate: str
    index: Operand
    limit: Operand
    first: tuple[Operand, int] | None = None

    def bound(self, values: Values) -> str:
        """Return what all active lanes' limits are for the index: before the first turn, at the loop's header."""
        code, kind = values.code, self.limit.type
        limits = values.vector(self.limit)[0]
        if self.first is None:
            return _least(code, self.predicate, kind, limits, values.mask)
        phi, step = self.first
        start = code.new(f"add {kind} {values.scalar(phi)}, {step if self.index.value != phi.value else 0}")
        ends = limits, code.splat(kind, start)
        further, nearer = ends if step == 1 else ends[::-1]
        distances = code.new(f"sub {code.vector(kind)} {further}, {nearer}")
        least = _least(code, "ult", kind, distances, values.mask)
        return code.new(f"{'add' if step == 1 else 'sub'} {kind} {start}, {least}")

    def agreed(self, values: Values, bound: str) -> str:
        """Return an i1: all lanes stay."""
        return values.code.new(f"icmp {self.predicate} {self.index.type} {values.scalar(self.index)}, {bound}")


@dataclass(frozen=True)
class Together:
    """A loop that has such turns. parting: None if lanes never part in it."""

    parting: Parting | None
    is_of_scalars: bool
    """Nothing in it depends on the lane, and it writes nothing: LLVM can make vectors of its turns."""


def together(graph: Graph, known: Divergence, header: str, nodes: Set[str]) -> Together | None:
    """Return how lanes leave a loop; None if they may part in other ways too."""
    inside = [graph.nodes[label] for label in graph.ordered(nodes)]
    if any(edge.ends or edge.barrier for node in inside for edge in node.edges):
        return None
    parting = [node for node in inside if node.label in known.branches]
    if not parting:
        return Together(None, _is_of_scalars(known, inside))
    back = [node for node in inside if header in node.targets]
    if parting != back or len(back) != 1:
        return None
    found = _parting(graph, known, header, nodes, back[0])
    if found is None:
        return None
    return Together(found, _is_of_scalars(known, inside))


def _is_of_scalars(known: Divergence, nodes: Sequence[FlowNode]) -> bool:
    if len(nodes) > 1:
        return False
    (node,) = nodes
    asked = node.condition.value if node.condition is not None else ""
    others = [each for each in [*node.phis, *node.body] if each.result != asked]
    return all(
        each.result
        and known.shapes[each.result].kind == "uniform"
        and (each.opcode == "load" or not touches_memory(each))
        for each in others
    )


def _parting(graph: Graph, known: Divergence, header: str, nodes: Set[str], node: FlowNode) -> Parting | None:
    defined = {each.result: each for label in nodes for each in graph.nodes[label].body if each.result}
    compared = defined.get(node.condition.value) if node.condition is not None and not node.cases else None
    leaves = [edge.target not in nodes for edge in node.edges]
    if compared is None or compared.opcode != "icmp" or sum(leaves) != 1 or not compared.operands[0].type[1:].isdigit():
        return None
    stays = leaves.index(False)
    predicate = OPPOSITE[compared.detail] if stays else compared.detail
    index, limit = compared.operands
    if known.shape(index, node.label).kind != "uniform":
        index, limit, predicate = limit, index, SWAPPED[predicate]
    if known.shape(index, node.label).kind != "uniform" or known.place.get(limit.value) in nodes:
        return None
    first = None
    if predicate == "ne":
        first = _counted(graph.nodes[header], defined, node.label, index)
    if predicate == "eq" or (predicate == "ne" and first is None):
        return None
    return Parting(node.label, stays, predicate, index, limit, first)


def _counted(
    header: FlowNode, defined: Mapping[str, Instruction], latch: str, index: Operand
) -> tuple[Operand, int] | None:
    """Return the phi that counts by one from turn to turn, up or down, if an index is it or its next value."""
    for phi in header.phis:
        following = phi.operands[phi.labels.index(latch)].value
        each = defined.get(following)
        if each is None or each.opcode != "add" or each.operands[0].value != phi.result:
            continue
        step = constant(each.operands[1])
        if index.value in (phi.result, following) and step in (1, -1):
            return Operand(phi.type, phi.result), step
    return None


def _least(code: Code, predicate: str, kind: str, vector: str, mask: str) -> str:
    """Reduce the limits in the lanes of a mask to the one that is reached first."""
    bits, sign = int(kind[1:]), predicate[0]
    least, most = (0, (1 << bits) - 1) if sign == "u" else (-1 << (bits - 1), (1 << (bits - 1)) - 1)
    name, other = ("min", most) if predicate[1] == "l" else ("max", least)
    all_of_them = code.new(
        f"select {code.mask} {mask}, {code.vector(kind)} {vector}, {code.vector(kind)} splat ({kind} {other})"
    )
    given = [f"{code.vector(kind)} {all_of_them}"]
    return code.call(kind, f"llvm.vector.reduce.{sign}{name}.{suffix(code.vector(kind))}", given)
