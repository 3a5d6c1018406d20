"""The shape of a value over the lanes: the same in all, growing from lane to lane, or anything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from metalsci.cpu_metal.compile.lanes.flow import (
    Graph,
    Loop,
    influence,
    joins,
    loops,
    order,
    postdominators,
)
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.value_types import layout, offset_of_field, type_of


@dataclass(frozen=True)
class Shape:
    """Shape of a value.

    kind: "uniform", "strided", "rows" (a pointer into a variable whose elements lie next to the other lanes') or
        "varying".
    stride: from lane to lane, in bytes for pointers; of rows, bytes of an element.
    exact: lane l's value is lane 0's plus l strides, whichever lanes are active. An index of 32 bits that wrapped
        around is not exact after its extension to 64.
    span: of a thread's number, a power of two of which lane 0's value is a multiple, and which no further lane reaches
        beyond. Its upper bits are the same in all lanes. 0 if nothing is known.
    """

    kind: str
    stride: int = 0
    exact: bool = True
    span: int = 0

    @property
    def is_scalar(self) -> bool:
        """True if a scalar represents it: that of lane 0."""
        return self.kind != "varying"


UNIFORM = Shape("uniform")
VARYING = Shape("varying")
SIDE_EFFECTS = ("atomicrmw", "cmpxchg")


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
            for place_of_join in joins(graph, sequence, region, label, joined[label]):
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
        self._seen: dict[str, list[Shape | None]] = {}

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
        changed = True
        while changed:
            changed = False
            for label, phis, body in self._nodes:
                for each, names in phis:
                    changed |= self._find_phi(each, names, label)
                for each, names in body:
                    operands = [self._shape(name, label) for name in names]
                    if self._seen.get(each.result) == operands:
                        continue
                    self._seen[each.result] = operands
                    known = [shape for shape in operands if shape is not None]
                    if len(known) == len(operands):
                        changed |= self._lower(each.result, shape_of(each, known))

    def _find_phi(self, phi: Instruction, names: Sequence[str], label: str) -> bool:
        if phi.result in self._given:
            return False
        # Lanes may leave a loop on the way here, or may have left one before: in different turns, either way.
        ways = zip(names, phi.labels, strict=True)
        new = _phi([self._shape(name, at) for name, before in ways for at in (before, label)])
        if new is None:
            return False
        if any(not _same(phi, ways, self._defined) for ways in self.parted.get(label, ())):
            new = VARYING
        return self._lower(phi.result, new)

    def _lower(self, name: str, new: Shape) -> bool:
        old = self.shapes.get(name)
        if old == new:
            return False
        self.shapes[name] = _lower(old, new)
        return self.shapes[name] != old


def _same(phi: Instruction, ways: frozenset[str], defined: Mapping[str, Instruction]) -> bool:
    """Check that a phi takes one value whichever of some ways a thread has come."""
    values = {o.value for o, label in zip(phi.operands, phi.labels, strict=True) if label in ways}
    return len(values) <= 1 or len({_computed(defined.get(value), value) for value in values}) == 1


def _computed(each: Instruction | None, value: str) -> tuple[str, ...]:
    """Describe how a value is computed, so that two that LLVM has computed on two ways are seen to be one."""
    if each is None or each.opcode not in _RULES or each.opcode == "freeze":
        return (value,)
    return (each.opcode, each.type, each.detail, *(operand.value for operand in each.operands))


def _lower(old: Shape | None, new: Shape) -> Shape:
    """Take the lower shape, and never go back up, so that the search for shapes ends."""
    if old is None or old == new:
        return new
    if old.kind == new.kind == "strided" and old.stride == new.stride:
        return Shape("strided", old.stride, exact=old.exact and new.exact)
    return VARYING


def _phi(incoming: list[Shape | None]) -> Shape | None:
    known = [shape for shape in incoming if shape is not None]
    if not known:
        return None
    first = known[0]
    for other in known[1:]:
        first = _lower(first, other)
    # A phi of values that are not exact would have to be computed again for each lane along the way that was taken.
    if first.kind == "uniform" or (first.kind == "strided" and first.exact):
        return first
    return VARYING


_Rule = Callable[[Instruction, list[Shape]], Shape]


def shape_of(each: Instruction, operands: list[Shape]) -> Shape:
    """Return the shape of an instruction's value by those of its operands."""
    if each.opcode in SIDE_EFFECTS or each.opcode == "alloca":
        return VARYING
    if each.opcode == "call":
        pure = each.callee.startswith("llvm.")
        if pure and all(shape == UNIFORM for shape in operands):
            return UNIFORM
        return VARYING
    if each.opcode == "load":
        is_plain = not each.flags
        if operands[0] == UNIFORM and is_plain:
            return UNIFORM
        return VARYING
    if all(shape == UNIFORM for shape in operands):
        return UNIFORM
    rule = _RULES.get(each.opcode)
    if rule is None or any(shape.kind == "varying" for shape in operands):
        return VARYING
    return rule(each, operands)


def _add(each: Instruction, operands: list[Shape]) -> Shape:
    left, right = operands
    if type_of(each.type).is_vector:
        return VARYING
    sign = -1 if each.opcode == "sub" else 1
    found = _strided(left.stride + sign * right.stride, left.exact and right.exact)
    moved = constant(each.operands[1])
    if left.span and moved is not None and moved % left.span == 0:
        return replace(found, span=left.span)
    return found


def _or(each: Instruction, operands: list[Shape]) -> Shape:
    if "disjoint" in each.flags:
        return _add(each, operands)
    return VARYING


def _multiply(each: Instruction, operands: list[Shape]) -> Shape:
    for operand, other in ((1, 0), (0, 1)):
        factor = constant(each.operands[operand])
        if factor is not None:
            return _strided(operands[other].stride * factor, operands[other].exact)
    return VARYING


def _upper(each: Instruction, operands: list[Shape]) -> Shape:
    """Divide a thread's number, of which the upper bits may be left."""
    span, by = operands[0].span, constant(each.operands[1])
    if span and by is not None and (1 << by if each.opcode == "lshr" else by) % span == 0:
        return UNIFORM
    return VARYING


def _remainder(each: Instruction, operands: list[Shape]) -> Shape:
    span, by = operands[0].span, constant(each.operands[1])
    if span and by and by % span == 0:
        return operands[0]
    return VARYING


def _and(each: Instruction, operands: list[Shape]) -> Shape:
    span, mask = operands[0].span, constant(each.operands[1])
    if span and mask is not None and mask & (span - 1) == 0:
        return UNIFORM
    if span and mask is not None and mask & (span - 1) == span - 1:
        return operands[0]
    return VARYING


def _compare(each: Instruction, operands: list[Shape]) -> Shape:
    """Compare a thread's number with a limit that does not lie between those of a vector."""
    span, limit = operands[0].span, constant(each.operands[1])
    if not span or limit is None or each.detail in ("eq", "ne"):
        return VARYING
    if (limit + (each.detail in ("ule", "ugt", "sle", "sgt"))) % span == 0:
        return UNIFORM
    return VARYING


def _shift(each: Instruction, operands: list[Shape]) -> Shape:
    bits = constant(each.operands[1])
    if bits is None:
        return VARYING
    return _strided(operands[0].stride << bits, operands[0].exact)


def _extend(each: Instruction, operands: list[Shape]) -> Shape:
    if operands[0].span:
        return operands[0]
    if operands[0].kind == "strided":
        return Shape("strided", operands[0].stride, exact=False)
    return VARYING


def _truncate(each: Instruction, operands: list[Shape]) -> Shape:
    if operands[0].kind == "strided" and operands[0].exact:
        return operands[0]
    return VARYING


def _select(each: Instruction, operands: list[Shape]) -> Shape:
    condition, left, right = operands
    same = condition == UNIFORM and left == right
    if same and left.exact and left.kind == "strided":
        return left
    return VARYING


def _freeze(each: Instruction, operands: list[Shape]) -> Shape:
    if operands[0].kind == "strided":
        return operands[0]
    return VARYING


def _pointer(each: Instruction, operands: list[Shape]) -> Shape:
    base, *indices = operands
    if base.kind == "rows":
        if all(index == UNIFORM for index in indices):
            return base
        return VARYING
    stride, exact = base.stride, base.exact
    sizes = steps(each)
    if sizes is None:
        return VARYING
    for size, index in zip(sizes, indices, strict=True):
        if index.kind == "strided":
            stride, exact = stride + size * index.stride, exact and index.exact
    return _strided(stride, exact)


def _strided(stride: int, exact: bool) -> Shape:
    if stride:
        return Shape("strided", stride, exact)
    return VARYING


_RULES: dict[str, _Rule] = {
    "add": _add,
    "sub": _add,
    "or": _or,
    "mul": _multiply,
    "shl": _shift,
    "lshr": _upper,
    "udiv": _upper,
    "urem": _remainder,
    "and": _and,
    "icmp": _compare,
    "zext": _extend,
    "sext": _extend,
    "trunc": _truncate,
    "select": _select,
    "freeze": _freeze,
    "getelementptr": _pointer,
}


def constant(operand: Operand) -> int | None:
    value = operand.value
    if value.lstrip("-").isdigit():
        return int(value)
    return None


def steps(pointer: Instruction) -> list[int] | None:
    """Return the bytes that each index of a GEP counts; of a constant index into a struct, 0: see `fixed`."""
    kind, sizes = pointer.detail, list[int]()
    for number, index in enumerate(pointer.operands[1:]):
        if number:
            if kind.startswith("{"):
                if constant(index) is None:
                    return None
                kind = _field(kind, int(index.value))
                sizes.append(0)
                continue
            kind = kind.partition(" x ")[2][:-1] if kind[:1] in "[<" else ""
        known = layout(kind) if kind else None
        if known is None:
            return None
        sizes.append(known.size)
    return sizes


def fixed(pointer: Instruction) -> int:
    """Return the bytes that a GEP's indices into structs add."""
    kind, total = pointer.detail, 0
    for number, index in enumerate(pointer.operands[1:]):
        if not number:
            continue
        if kind.startswith("{"):
            total += offset_of_field(kind, int(index.value)) or 0
            kind = _field(kind, int(index.value))
        else:
            kind = kind.partition(" x ")[2][:-1]
    return total


def _field(struct: str, index: int) -> str:
    from metalsci.cpu_metal.compile.llvm.value_types import fields

    return fields(struct)[index]
