"""The cost of each instruction on a GPU core: cycles that a simdgroup keeps an issue slot busy.

Figures are throughputs of Apple's G13 (M1) from philipturner's metal-benchmarks, "Instruction Throughputs", unless a
comment says that they are assumed. LLVM's text and a GPU's instructions are not the same: two of LLVM's that the
hardware does in one (a product and a sum, a comparison and a choice, an index scaled into an address) cost once here
too.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from metalsci.cpu_metal.compile.llvm.text import operands, split_type, typed
from metalsci.cpu_metal.compile.llvm.value_types import Type, type_of
from metalsci.cpu_metal.profiler.counted_text import CountedBody, CountedInstruction
from metalsci.cpu_metal.profiler.kept_calls import OWN_LANE, function_name


class CostKind(StrEnum):
    """A class of instructions."""

    FLOAT = "float"
    INTEGER = "integer"
    MULTIPLY = "integer multiply"
    SHIFT = "shift"
    DIVISION = "integer division"
    SPECIAL = "special function"
    CONVERSION = "conversion"
    SIMDGROUP = "simdgroup function"
    BRANCH = "branch"
    MEMORY = "memory"
    BARRIER = "barrier"
    PRIVATE = "private array"
    FREE = "free"


COMPLEX = frozenset((CostKind.MULTIPLY, CostKind.SHIFT, CostKind.SPECIAL, CostKind.CONVERSION))
"""Work of the integer and complex pipeline, while the others go on: 'IMUL32 + 2 FMUL32' and 'Fast EXP2_32 + 2 FMUL32'
take 4 cycles, as the first alone."""


@dataclass(frozen=True)
class Cost:
    """Cost of an instruction. cycles: of an issue slot.

    latency: until an instruction that needs the result can start, of a lone simdgroup.
    """

    kind: CostKind
    cycles: float
    latency: float


# Raw latencies of a lone simdgroup on each of a core's four schedulers: FADD32, FFMA32 and IADD32 3.9, comparisons with
# a choice, minima and maxima 6.4, reductions of a simdgroup 25 to 29. Those of RSQRT32, IMUL32 and EXP2 (10.7, 5.7, 6)
# are about 3 more than their throughputs. A product of 8 by 8 matrices takes 36.
DEPENDENT, CHOOSING, REDUCING, MULTIPLYING = 3.9, 6.4, 27.0, 36.0
DEPENDENT_HALF = 3.3  # FADD16, FMUL16, FFMA16, FCMPSEL16
BYTES = 8
"""Length of an instruction's code, assumed: G13's take 2 to 12, most of them 6 to 10."""
_FREE = Cost(CostKind.FREE, 0, 0)
_FLOATS = {"fadd": 1, "fsub": 1, "fmul": 1, "fdiv": 6, "frem": 20, "fcmp": 1}  # frem: assumed
_BITS = {"and": 1, "or": 1, "xor": 1, "add": 1, "sub": 1, "icmp": 1}
_CONVERSIONS = {"fptosi": 4, "fptoui": 4, "sitofp": 4, "uitofp": 4}
_NOTHING = frozenset(
    {
        "phi", "bitcast", "freeze", "trunc", "zext", "fpext", "fptrunc", "fneg", "extractelement", "insertelement",
        "shufflevector", "extractvalue", "insertvalue", "inttoptr", "ptrtoint", "addrspacecast", "alloca", "ret",
        "unreachable", "getelementptr", "fence",
    }
)  # fmt: skip
_SPECIAL = {
    "sqrt": 8, "rsqrt": 8, "exp": 4, "exp2": 4, "exp10": 4, "log": 4, "log2": 4, "log10": 4, "sin": 14.28, "cos": 14.28,
    "sinpi": 25, "cospi": 25,
    # Sequences of the above, lengths assumed.
    "tan": 35, "tanpi": 45, "asin": 30, "acos": 30, "atan": 24, "atan2": 32, "sinh": 20, "cosh": 20, "tanh": 18,
    "asinh": 24, "acosh": 24, "atanh": 22, "pow": 10, "powr": 9, "fmod": 20, "sincos": 25, "ldexp": 5,
}  # fmt: skip
_ROUNDINGS = frozenset(("floor", "ceil", "trunc", "rint", "roundeven", "round", "nearbyint"))
_ONE = frozenset(
    {
        "fma", "fmuladd", "minnum", "maxnum", "minimum", "maximum", "minimumnum", "maximumnum", "smin", "smax", "umin",
        "umax", "abs", "copysign", "sadd", "uadd", "ssub", "usub", "is",
    }
)  # fmt: skip
_FOUR = frozenset(("ctpop", "ctlz", "bitreverse", "bswap", "fptosi", "fptoui"))
_EIGHT = frozenset(("cttz", "fshl", "fshr", "smul", "umul"))
_SHUFFLE, _REDUCTION, _PREFIX, _MATRIX = 2.0, 14.5, 12.0, 18.0
_CHOICES = frozenset(("minnum", "maxnum", "minimum", "maximum", "smin", "smax", "umin", "umax"))
_DIVISION, _CONSTANT_DIVISION, _LONG_DIVISION = 40.0, 12.0, 120.0  # assumed
_LANES = re.compile(r"(?:simd|quad)_")
_SCALE = re.compile(r"shl (?:\w+ )*i32 %[\w.]+, [1-4]$")
_VECTOR = re.compile(r"<(\d+) x ")
_WORDS = {"i64": 2, "double": 2, "ptr": 1}


class Costs:
    """The prices of a body's instructions, by their lines in the module."""

    def __init__(self, body: CountedBody) -> None:
        self._defined = {i.name: i for block in body.blocks.values() for i in block.instructions if i.name}
        self._users: Mapping[str, list[CountedInstruction]] = defaultdict(list)
        for block in body.blocks.values():
            for instruction in block.instructions:
                for name in instruction.operands:
                    self._users[name].append(instruction)
        self.uniform = _uniform(body)
        """Values that are the same for a whole dispatch and known before it starts: computed once, not by threads."""
        self.private = _private(body)
        """The variable that each pointer to a thread's own arrays leads to."""
        self._fused: set[int] = set()
        self._taken: set[int] = set()  # instructions that another one has become part of
        for block in body.blocks.values():
            for instruction in block.instructions:
                self._fuse(instruction)
        self.of = {i.index: self._price(i) for block in body.blocks.values() for i in block.instructions}

    def words(self) -> dict[str, int]:
        """Return the registers that each value takes; values that need none are left out."""
        found = {}
        for name, instruction in self._defined.items():
            if not instruction.counted or name in self.uniform or instruction.index in self._fused:
                continue
            size = _result_words(instruction)
            if size:
                found[name] = size
        return found

    def _fuse(self, instruction: CountedInstruction) -> None:
        """Mark instructions that become part of the only one that needs them."""
        users = self._users[instruction.name] if instruction.name else []
        if len(users) != 1 or not instruction.counted:
            return
        user = users[0]
        partners = {"fmul": ("fadd", "fsub"), "icmp": ("select", "br"), "fcmp": ("select", "br")}
        if user.operation in partners.get(instruction.operation, ()) and user.index not in self._taken:
            self._fused.add(instruction.index)
            if instruction.operation == "fmul":
                self._taken.add(user.index)
        elif instruction.operation == "mul" and user.operation in ("add", "sub") and user.index not in self._taken:
            self._taken.add(user.index)
            self._fused.add(user.index)
        elif _SCALE.match(instruction.text) and user.operation == "add" and user.index not in self._taken:
            self._taken.add(user.index)
            self._fused.add(instruction.index)
        elif instruction.operation == "lshr" and user.operation == "and":
            self._fused.add(user.index)
        elif instruction.callee.startswith("llvm.sqrt") and user.operation == "fdiv":
            self._fused.add(instruction.index)

    def _price(self, instruction: CountedInstruction) -> Cost:
        operation = instruction.operation
        if not instruction.counted or instruction.index in self._fused or operation in _NOTHING:
            return _FREE
        if instruction.name and instruction.name in self.uniform:
            return _FREE
        count = _elements(instruction)
        if operation in _FLOATS and "half" in instruction.text and operation != "fdiv":
            return Cost(CostKind.FLOAT, _FLOATS[operation] * count, DEPENDENT_HALF)
        if operation in _FLOATS:
            return _cost(CostKind.FLOAT if operation != "fdiv" else CostKind.SPECIAL, self._float(instruction) * count)
        if operation == "select":
            return Cost(CostKind.INTEGER, count, CHOOSING)
        if operation in _BITS:
            return _cost(CostKind.INTEGER, count)
        if operation == "mul":
            return _cost(CostKind.MULTIPLY, (8 if " i64 " in f" {instruction.text} " else 4) * count)
        if operation in ("shl", "lshr", "ashr"):
            return _cost(CostKind.SHIFT, (4 if _by_constant(instruction) else 8) * count)
        if operation in ("udiv", "sdiv", "urem", "srem"):
            return _cost(CostKind.DIVISION, _division(instruction) * count)
        if operation in _CONVERSIONS:
            return _cost(CostKind.CONVERSION, 4 * count)
        if operation == "sext":
            if " to i64" in instruction.text:
                return _FREE
            return _cost(CostKind.INTEGER, count)
        if operation == "br":
            if instruction.operands:
                return _cost(CostKind.BRANCH, 2)
            return _FREE
        if operation == "switch":
            return _cost(CostKind.BRANCH, 2.0 * max(1, instruction.text.count("label") - 1))
        if operation in ("load", "store", "atomicrmw", "cmpxchg"):
            private = any(name in self.private for name in instruction.operands[-1:])
            return _cost(CostKind.PRIVATE if private else CostKind.MEMORY, 1)
        if operation == "call":
            return self._call(instruction, count)
        return _cost(CostKind.INTEGER, count)

    def _float(self, instruction: CountedInstruction) -> float:
        if instruction.operation == "fdiv" and any(
            self._defined[name].callee.startswith("llvm.sqrt") and self._defined[name].index in self._fused
            for name in instruction.operands
            if name in self._defined
        ):
            return 8.0
        return _FLOATS[instruction.operation]

    def _call(self, instruction: CountedInstruction, count: int) -> Cost:
        called = instruction.callee
        if called == "metal_threadgroup_barrier" or called == "metal_simdgroup_barrier":
            return Cost(CostKind.BARRIER, 1, 0)
        if called == "metal_exchange":
            return _cost(CostKind.SIMDGROUP, _SHUFFLE)
        if called.startswith("metal.fpto"):
            return _cost(CostKind.CONVERSION, 4 * count)
        if called.startswith("llvm."):
            return _intrinsic(called.split(".")[1], count, instruction)
        name, _ = function_name(called) if called.startswith("_ZN5metal") else (called.removesuffix("f"), "")
        if name == OWN_LANE:
            return _FREE
        name = name.lstrip("_")
        if _LANES.match(name) or name == "simdgroup_product":
            return _lanes(name)
        if name in _SPECIAL:
            # Of constants the compiler computes it.
            if instruction.operands:
                return _cost(CostKind.SPECIAL, _SPECIAL[name])
            return _FREE
        return _cost(CostKind.SPECIAL, 8.0)


def _cost(kind: CostKind, cycles: float) -> Cost:
    return Cost(kind, cycles, DEPENDENT + max(0.0, cycles - 1))


def _intrinsic(name: str, count: int, instruction: CountedInstruction) -> Cost:
    if name in _CHOICES:
        return Cost(CostKind.FLOAT if "float" in instruction.text else CostKind.INTEGER, count, CHOOSING)
    if name in _ONE:
        return _cost(CostKind.FLOAT if "float" in instruction.text else CostKind.INTEGER, count)
    if name in _SPECIAL and name != "trunc":
        if instruction.operands:
            return _cost(CostKind.SPECIAL, _SPECIAL[name] * count)
        return _FREE
    if name in _ROUNDINGS:
        return _cost(CostKind.CONVERSION, 4 * count)
    if name in _FOUR:
        return _cost(CostKind.CONVERSION if name.startswith("fp") else CostKind.SHIFT, 4 * count)
    if name in _EIGHT:
        return _cost(CostKind.SHIFT, 8 * count)
    if name in ("memcpy", "memset", "memmove"):
        return _cost(CostKind.PRIVATE, 4)
    return _FREE


def _lanes(name: str) -> Cost:
    if name == "simdgroup_product":
        return Cost(CostKind.SIMDGROUP, _MATRIX, MULTIPLYING)
    if "_prefix" in name:
        return Cost(CostKind.SIMDGROUP, _PREFIX, REDUCING)
    if re.search(r"_(?:sum|product|min|max|and|or|xor)", name):
        return Cost(CostKind.SIMDGROUP, _REDUCTION, REDUCING)
    return _cost(CostKind.SIMDGROUP, _SHUFFLE)


def _elements(instruction: CountedInstruction) -> int:
    match = _VECTOR.search(instruction.text)
    if match:
        return int(match[1])
    return 1


def _by_constant(instruction: CountedInstruction) -> bool:
    return not operands(instruction.rest)[1].startswith("%")


def _division(instruction: CountedInstruction) -> float:
    if "i64" in instruction.text:
        return _LONG_DIVISION
    if _by_constant(instruction):
        return _CONSTANT_DIVISION
    return _DIVISION


def _result_words(instruction: CountedInstruction) -> int:
    operation, rest = instruction.operation, instruction.rest
    if operation in ("zext", "sext") and rest.endswith(" to i64"):
        return 0
    if operation in ("alloca", "icmp", "fcmp"):
        return 0
    found = result_type(instruction)
    if found.element == "i1":
        return 0
    return found.count * _WORDS.get(found.element, 1)


def result_type(instruction: CountedInstruction) -> Type:
    """Return the type of an instruction's result; with no elements if it is neither a number nor a vector."""
    operation, rest = instruction.operation, instruction.rest
    if operation in ("getelementptr", "alloca"):
        return type_of("ptr")
    if operation in ("load", "phi"):
        kind = typed(operands(rest)[0])[0] if operation == "load" else typed(rest)[0]
    elif " to " in rest and operation not in ("call", "select"):
        kind = rest.rpartition(" to ")[2]
    elif operation == "call":
        match = re.search(r"(<\d+ x \w+>|\w+) @", rest)
        kind = match[1] if match else ""
    elif operation == "extractelement":
        kind = type_of(typed(operands(rest)[0])[0]).element
    elif operation == "select":
        kind = typed(operands(rest)[1])[0]
    elif operation == "shufflevector":
        vector, _, mask = (typed(operand)[0] for operand in operands(rest))
        kind = f"<{type_of(mask).count} x {type_of(vector).element}>"
    elif operation in ("icmp", "fcmp"):
        compared = type_of(split_type(rest.partition(" ")[2])[0])
        kind = f"<{compared.count} x i1>" if compared.is_vector else "i1"
    else:
        kind = typed(operands(rest)[0])[0]
    return type_of(kind)


def _uniform(body: CountedBody) -> set[str]:
    """Return values loaded through the first parameter, the dispatch, and values computed from those alone."""
    uniform = {"%0"}
    for block in body.blocks.values():
        for instruction in block.instructions:
            operation = instruction.operation
            fixed = operation not in ("phi", "call", "store", "alloca") and (
                operation != "load" or not instruction.counted
            )
            if instruction.name and fixed and instruction.operands and uniform.issuperset(instruction.operands):
                uniform.add(instruction.name)
    return uniform


def _private(body: CountedBody) -> Mapping[str, str]:
    private: dict[str, str] = {}
    for block in body.blocks.values():
        for instruction in block.instructions:
            if instruction.operation == "alloca":
                private[instruction.name] = instruction.name
            elif instruction.operation in ("getelementptr", "bitcast") and instruction.operands[0] in private:
                private[instruction.name] = private[instruction.operands[0]]
    return private
