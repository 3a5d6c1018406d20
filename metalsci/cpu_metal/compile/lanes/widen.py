"""Instructions that compute, in all lanes at once."""

import re
from collections.abc import Callable

from metalsci.cpu_metal.compile.lanes.code import suffix
from metalsci.cpu_metal.compile.lanes.flow import RefusedError
from metalsci.cpu_metal.compile.lanes.shapes import constant, fixed, steps
from metalsci.cpu_metal.compile.lanes.values import Values, pieces
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.text import operands as split_operands
from metalsci.cpu_metal.compile.llvm.text import split_type
from metalsci.cpu_metal.compile.llvm.value_types import fields, type_of

_BINARY = frozenset({
    "add", "sub", "mul", "udiv", "sdiv", "urem", "srem", "shl", "lshr", "ashr", "and",
    "or", "xor", "fadd", "fsub", "fmul", "fdiv", "frem",
})  # fmt: skip
_SHIFTS = frozenset({"shl", "lshr", "ashr"})
_CASTS = frozenset(
    ("trunc", "zext", "sext", "fptrunc", "fpext", "fptoui", "fptosi", "uitofp", "sitofp", "ptrtoint", "inttoptr")
)
# Of LLVM's own functions, those that work on each element alone.
_ELEMENTWISE = frozenset(
    f"llvm.{name}"
    for name in (
        *("fabs", "sqrt", "floor", "ceil", "trunc", "rint", "nearbyint", "round", "roundeven", "fma", "fmuladd"),
        *("minnum", "maxnum", "minimum", "maximum", "minimumnum", "maximumnum", "copysign", "canonicalize"),
        *("umin", "umax", "smin", "smax", "abs", "ctpop", "ctlz", "cttz", "bswap", "bitreverse", "fshl", "fshr"),
        *("uadd.sat", "usub.sat", "sadd.sat", "ssub.sat", "sshl.sat", "ushl.sat", "is.fpclass", "ldexp"),
        *("fptosi.sat", "fptoui.sat", "exp", "exp2", "log", "log2", "log10", "sin", "cos", "pow", "powi"),
        *("umul.fix", "smul.fix", "scmp", "ucmp"),
    )
)
_TYPE_SUFFIX = re.compile(r"(?:\.(?:v\d+)?(?:i\d+|f\d+|bf16|p\d+))+$")
_FIXED = {"llvm.abs": 1, "llvm.ctlz": 1, "llvm.cttz": 1, "llvm.is.fpclass": 1}  # arguments that must be constants
_SCALAR = {"llvm.powi": 1}
_REDUCTIONS = {
    "add": "add", "mul": "mul", "and": "and", "or": "or", "xor": "xor", "fadd": "fadd", "fmul": "fmul",
    "umin": "llvm.umin", "umax": "llvm.umax", "smin": "llvm.smin", "smax": "llvm.smax",
    "fmin": "llvm.minnum", "fmax": "llvm.maxnum", "fminimum": "llvm.minimum", "fmaximum": "llvm.maximum",
}  # fmt: skip
_REDUCE = "llvm.vector.reduce."


def is_elementwise(name: str) -> bool:
    return _base(name) in _ELEMENTWISE or name.startswith(_REDUCE)


def _base(name: str) -> str:
    return _TYPE_SUFFIX.sub("", name)


def widen(values: Values, each: Instruction) -> list[str]:
    """Compute an instruction's value in all lanes; raises RefusedError for one that is not known."""
    if each.opcode in _BINARY:
        return _binary(values, each)
    if each.opcode in _CASTS:
        return _cast(values, each)
    if each.opcode == "call":
        return _call(values, each)
    rule = _RULES.get(each.opcode)
    if rule is None:
        raise RefusedError(f"'{each.opcode}' is not known in lanes")
    return rule(values, each)


def _precision(each: Instruction) -> str:
    found = re.search(r", !fpmath !\d+", each.metadata)
    if found:
        return found[0]
    return ""


def _binary(values: Values, each: Instruction) -> list[str]:
    if each.opcode == "shl" and (moved := _moved_bit(values, each)):
        return moved
    left, right = (values.vector(operand) for operand in each.operands)
    kind = values.code.vector(type_of(each.type).element)
    count = each.operands[1]
    if each.opcode in _SHIFTS and count.is_local and values.shape(count).kind == "uniform" and count.type == "i32":
        right = [values.code.shift_counts(values.scalar(count))]
    flags = each.flags + " " if each.flags else ""
    return [
        values.code.new(f"{each.opcode} {flags}{kind} {a}, {b}{_precision(each)}")
        for a, b in zip(left, right, strict=True)
    ]


def _moved_bit(values: Values, each: Instruction) -> list[str]:
    """Compute `((x >> from) & 1) << to`, of places that all lanes have in common, by asking for the bit.

    Shifts were most of loops over bits, and of vectors of 512 bits a processor shifts one in a cycle. A kernel on a
    grid in Morton order took 1.28 times as long. Without mask registers asking takes as many operations as shifting.
    """
    code, kind = values.code, each.type
    if not code.has_mask_registers or kind not in ("i32", "i64"):
        return []
    bit = _computed_here(values, each.operands[0], "and")
    shifted = bit and bit.operands[1].value == "1" and _computed_here(values, bit.operands[0], "lshr")
    if not shifted:
        return []
    places = (shifted.operands[1], each.operands[1])
    if not all(place.is_local and values.shape(place).kind == "uniform" for place in places):
        return []
    old, new = (code.splat(kind, code.new(f"shl {kind} 1, {values.scalar(place)}")) for place in places)
    vector = code.vector(kind)
    found = []
    for part in values.vector(shifted.operands[0]):
        asked = code.new(f"and {vector} {part}, {old}")
        is_set = code.new(f"icmp ne {vector} {asked}, zeroinitializer")
        found.append(code.new(f"select {code.mask} {is_set}, {vector} {new}, {vector} zeroinitializer"))
    return found


def _computed_here(values: Values, operand: Operand, opcode: str) -> Instruction | None:
    """Return the operation that computes an operand, if it is one of the same node: its own operands are at hand."""
    each = values.defined.get(operand.value)
    if each is None or each.opcode != opcode or values.known.place.get(each.result) != values.at:
        return None
    return each


def _negate(values: Values, each: Instruction) -> list[str]:
    kind = values.code.vector(type_of(each.type).element)
    flags = each.flags + " " if each.flags else ""
    return [values.code.new(f"{each.opcode} {flags}{kind} {a}") for a in values.vector(each.operands[0])]


def _compare(values: Values, each: Instruction) -> list[str]:
    left, right = (values.vector(operand) for operand in each.operands)
    kind = values.code.vector(type_of(each.operands[0].type).element)
    flags = each.flags + " " if each.flags else ""
    return [
        values.code.new(f"{each.opcode} {flags}{each.detail} {kind} {a}, {b}") for a, b in zip(left, right, strict=True)
    ]


def _cast(values: Values, each: Instruction) -> list[str]:
    source, target = type_of(each.operands[0].type), type_of(each.type)
    if source.count != target.count:
        raise RefusedError(f"'{each.opcode}' of {source.text} is not known in lanes")
    before, after = values.code.vector(source.element), values.code.vector(target.element)
    flags = each.flags + " " if each.flags else ""
    return [values.code.new(f"{each.opcode} {flags}{before} {a} to {after}") for a in values.vector(each.operands[0])]


def _bitcast(values: Values, each: Instruction) -> list[str]:
    source, target = type_of(each.operands[0].type), type_of(each.type)
    code, given = values.code, values.vector(each.operands[0])
    unknown = "i1" in (source.element, target.element) or source.is_odd or target.is_odd
    if not source.count or not target.count or unknown:
        raise RefusedError(f"a bitcast of {source.text} is not known in lanes")
    if source.count == target.count:
        before, after = code.vector(source.element), code.vector(target.element)
        return [code.new(f"bitcast {before} {a} to {after}") for a in given]
    whole = [_as_integer(values, source.element, a) for a in given]
    narrow, wide = source.element_bytes * 8, target.element_bytes * 8
    if narrow < wide:
        joined = []
        for start in range(0, source.count, wide // narrow):
            total = ""
            for number, part in enumerate(whole[start : start + wide // narrow]):
                bits = code.new(f"zext {code.vector(f'i{narrow}')} {part} to {code.vector(f'i{wide}')}")
                if number:
                    bits = code.new(f"shl {code.vector(f'i{wide}')} {bits}, splat (i{wide} {number * narrow})")
                    bits = code.new(f"or {code.vector(f'i{wide}')} {total}, {bits}")
                total = bits
            joined.append(total)
        return [_from_integer(values, target.element, a) for a in joined]
    parts = []
    for part in whole:
        for number in range(narrow // wide):
            shift = f"splat (i{narrow} {number * wide})"
            moved = code.new(f"lshr {code.vector(f'i{narrow}')} {part}, {shift}")
            parts.append(code.new(f"trunc {code.vector(f'i{narrow}')} {moved} to {code.vector(f'i{wide}')}"))
    return [_from_integer(values, target.element, a) for a in parts]


def _as_integer(values: Values, element: str, vector: str) -> str:
    integer = f"i{type_of(element).element_bytes * 8}"
    if element == integer:
        return vector
    operation = "ptrtoint" if element == "ptr" else "bitcast"
    return values.code.new(f"{operation} {values.code.vector(element)} {vector} to {values.code.vector(integer)}")


def _from_integer(values: Values, element: str, vector: str) -> str:
    integer = f"i{type_of(element).element_bytes * 8}"
    if element == integer:
        return vector
    operation = "inttoptr" if element == "ptr" else "bitcast"
    return values.code.new(f"{operation} {values.code.vector(integer)} {vector} to {values.code.vector(element)}")


def _freeze(values: Values, each: Instruction) -> list[str]:
    return [
        values.code.new(f"freeze {values.code.vector(kind)} {a}")
        for kind, a in zip(pieces(each.type), values.vector(each.operands[0]), strict=True)
    ]


def _select(values: Values, each: Instruction) -> list[str]:
    condition, left, right = each.operands
    code = values.code
    chosen = values.vector(left), values.vector(right)
    flags = each.flags + " " if each.flags else ""
    if values.shape(condition).kind == "uniform" and condition.type == "i1":
        which = [f"i1 {values.scalar(condition)}"] * len(chosen[0])
    else:
        masks = values.vector(condition)
        which = [f"{code.mask} {mask}" for mask in (masks * len(chosen[0]) if len(masks) == 1 else masks)]
    found = []
    for mask, kind, a, b in zip(which, pieces(each.type), *chosen, strict=True):
        found.append(code.new(f"select {flags}{mask}, {code.vector(kind)} {a}, {code.vector(kind)} {b}"))
    return found


def _extract(values: Values, each: Instruction) -> list[str]:
    vector, index = each.operands
    elements, kind = values.vector(vector), values.code.vector(each.type)
    at = constant(index)
    if at is not None:
        return [elements[at] if at < len(elements) else "poison"]
    which, found = values.vector(index)[0], elements[0]
    for number, element in enumerate(elements[1:], 1):
        same = _is_index(values, index, which, number)
        found = values.code.new(f"select {values.code.mask} {same}, {kind} {element}, {kind} {found}")
    return [found]


def _insert(values: Values, each: Instruction) -> list[str]:
    vector, element, index = each.operands
    elements, new = list(values.vector(vector)), values.vector(element)[0]
    at = constant(index)
    if at is not None:
        if at < len(elements):
            elements[at] = new
        return elements
    which, kind = values.vector(index)[0], values.code.vector(element.type)
    for number, old in enumerate(elements):
        same = _is_index(values, index, which, number)
        elements[number] = values.code.new(f"select {values.code.mask} {same}, {kind} {new}, {kind} {old}")
    return elements


def _is_index(values: Values, index: Operand, which: str, number: int) -> str:
    return values.code.new(f"icmp eq {values.code.vector(index.type)} {which}, splat ({index.type} {number})")


def _shuffle(values: Values, each: Instruction) -> list[str]:
    first, second, mask = each.operands
    count = type_of(each.type).count
    if mask.value.startswith("<"):
        picked = [split_type(part)[1] for part in split_operands(mask.value[1:-1])]
    elif mask.value.startswith("splat"):
        picked = [split_type(mask.value[mask.value.index("(") + 1 : -1])[1]] * count
    else:
        picked = ["0" if mask.value == "zeroinitializer" else mask.value] * count
    elements = [*values.vector(first), *values.vector(second)]
    return [elements[int(index)] if index.isdigit() else "poison" for index in picked]


def _field(values: Values, each: Instruction) -> list[str]:
    """Extract a field of a struct of scalars, such as cmpxchg returns."""
    aggregate, index = each.operands[0], int(each.detail)
    before = sum(len(pieces(kind)) for kind in fields(aggregate.type)[:index])
    return values.vector(aggregate)[before : before + len(pieces(each.type))]


def _pointer(values: Values, each: Instruction) -> list[str]:
    base, *indices = each.operands
    code, sizes = values.code, steps(each)
    if sizes is None or each.type != "ptr":
        raise RefusedError("an address of a kind that is not known in lanes")
    scale = values.apart(base)
    where = values.vector(base)[0]
    total = fixed(each) * scale
    if total:
        where = code.new(f"getelementptr i8, {code.vector('ptr')} {where}, i64 {total}")
    for size, index in zip(sizes, indices, strict=True):
        if not size or index.value == "0":
            continue
        wide = _wide_index(values, index)
        step = wide if size * scale == 1 else code.new(f"mul {code.vector('i64')} {wide}, splat (i64 {size * scale})")
        where = code.new(f"getelementptr i8, {code.vector('ptr')} {where}, {code.vector('i64')} {step}")
    return [where]


def _wide_index(values: Values, index: Operand) -> str:
    code, found = values.code, values.vector(index)[0]
    if index.type == "i64":
        return found
    return code.new(f"sext {code.vector(index.type)} {found} to {code.vector('i64')}")


def _call(values: Values, each: Instruction) -> list[str]:
    name = each.callee
    if name.startswith(_REDUCE):
        return [_reduce(values, each)]
    base, code = _base(name), values.code
    flags = each.flags.replace("tail", "").strip()
    result = pieces(each.type)
    found = []
    vectors = [
        [] if index in (_FIXED.get(base), _SCALAR.get(base)) else values.vector(operand)
        for index, operand in enumerate(each.operands)
    ]
    for number, kind in enumerate(result):
        given, kinds = [], [code.vector(kind)]
        for index, operand in enumerate(each.operands):
            if index == _FIXED.get(base):
                given.append(str(operand))
            elif index == _SCALAR.get(base):
                if values.shape(operand).kind != "uniform":
                    raise RefusedError(f"'{base}' with different exponents")
                given.append(f"{operand.type} {values.scalar(operand)}")
                kinds.append(operand.type)
            else:
                vector = code.vector(pieces(operand.type)[0])
                given.append(f"{vector} {vectors[index][number]}")
                kinds.append(vector)
        spelled = f"{base}.{'.'.join(_mangled(base, kinds))}"
        found.append(code.call(code.vector(kind), spelled, given, flags, _precision(each)))
    return found


def _mangled(base: str, kinds: list[str]) -> list[str]:
    """Return the suffixes of an intrinsic's name: its type, or its result's and its operand's."""
    if base == "llvm.is.fpclass":
        return [suffix(kinds[1])]
    if base in ("llvm.ldexp", "llvm.powi"):
        return [suffix(kinds[0]), suffix(kinds[-1])]
    if base in ("llvm.fptosi.sat", "llvm.fptoui.sat", "llvm.scmp", "llvm.ucmp"):
        return [suffix(kinds[0]), suffix(kinds[1])]
    return [suffix(kinds[0])]


def _reduce(values: Values, each: Instruction) -> str:
    """Reduce a vector's elements, one after the other; of floats, from the first operand on."""
    operation = _REDUCTIONS[_base(each.callee).removeprefix(_REDUCE)]
    *start, vector = each.operands
    elements = [*(values.vector(operand)[0] for operand in start), *values.vector(vector)]
    element = type_of(vector.type).element
    kind, code = values.code.vector(element), values.code
    flags = each.flags.replace("tail", "").strip()
    total = elements[0]
    for other in elements[1:]:
        if operation.startswith("llvm."):
            total = code.call(kind, f"{operation}.{suffix(kind)}", [f"{kind} {total}", f"{kind} {other}"], flags)
        else:
            total = code.new(f"{operation} {flags + ' ' if flags else ''}{kind} {total}, {other}")
    return total


_RULES: dict[str, Callable[[Values, Instruction], list[str]]] = {
    "fneg": _negate,
    "icmp": _compare,
    "fcmp": _compare,
    "bitcast": _bitcast,
    "freeze": _freeze,
    "select": _select,
    "extractelement": _extract,
    "insertelement": _insert,
    "shufflevector": _shuffle,
    "extractvalue": _field,
    "getelementptr": _pointer,
}
