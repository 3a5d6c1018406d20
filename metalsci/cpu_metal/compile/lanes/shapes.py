"""The shape of a value over the lanes: the same in all, growing from lane to lane, or anything.

How an instruction's follows from those of its operands; divergence.py finds those of a kernel.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.value_types import fields, layout, offset_of_field, type_of


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
_ONLY_UNIFORM = frozenset({"uniform"})
SIDE_EFFECTS = ("atomicrmw", "cmpxchg")


def lower(old: Shape | None, new: Shape) -> Shape:
    """Take the lower shape, and never go back up, so that the search for shapes ends."""
    if old is None or old == new:
        return new
    if old.kind == new.kind == "strided" and old.stride == new.stride:
        return Shape("strided", old.stride, exact=old.exact and new.exact)
    return VARYING


def shape_of_phi(incoming: list[Shape | None]) -> Shape | None:
    """Return the shape of what comes on some ways, of which it may not yet be known; None if none is."""
    known = [shape for shape in incoming if shape is not None]
    if not known:
        return None
    first = known[0]
    for other in known[1:]:
        first = lower(first, other)
    # A phi of values that are not exact would have to be computed again for each lane along the way that was taken.
    if first.kind == "uniform" or (first.kind == "strided" and first.exact):
        return first
    return VARYING


_Rule = Callable[[Instruction, list[Shape]], Shape]


def shape_of(each: Instruction, operands: list[Shape]) -> Shape:
    """Return the shape of an instruction's value by those of its operands."""
    if each.opcode in SIDE_EFFECTS or each.opcode == "alloca":
        return VARYING
    kinds = {shape.kind for shape in operands}
    is_pure = not each.flags if each.opcode == "load" else each.opcode != "call" or each.callee.startswith("llvm.")
    if kinds <= _ONLY_UNIFORM and is_pure:
        return UNIFORM
    rule = RULES.get(each.opcode)
    if rule is None or "varying" in kinds:
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


RULES: dict[str, _Rule] = {
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
    return fields(struct)[index]
