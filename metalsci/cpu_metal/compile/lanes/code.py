"""A growing piece of LLVM's text with names of its own, and the vectors in it."""

from dataclasses import dataclass, field

from metalsci.cpu_metal.compile.llvm.text import operands, split_type
from metalsci.cpu_metal.compile.llvm.value_types import type_of

_SUFFIXES = {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64", "ptr": "p0"}

NOT_UNROLLED = ", !llvm.loop !900000"
"""Text behind a branch that goes back in a loop, which tells LLVM not to unroll it."""
VECTORISED = ", !llvm.loop !900002"
"""Text behind a branch that goes back in a loop of scalars, which LLVM is to make vectors of."""
SIDE_BY_SIDE = ", !llvm.loop !900005"
"""Text behind a branch that goes back in a loop of which LLVM is to run four turns side by side, if it can."""
HINTS = (
    "!900000 = distinct !{!900000, !900001}",
    '!900001 = !{!"llvm.loop.unroll.disable"}',
    "!900002 = distinct !{!900002, !900003, !900004}",
    '!900003 = !{!"llvm.loop.vectorize.enable", i1 true}',
    '!900004 = !{!"llvm.loop.interleave.count", i32 1}',
    "!900005 = distinct !{!900005, !900006}",
    '!900006 = !{!"llvm.loop.unroll_and_jam.count", i32 4}',
)
"""The module's lines that those texts are about."""
_AVX512 = 16  # lanes of a vector, with it


@dataclass
class Code:
    """Lines of a function's body. prefix: of all names; allocas: lines for the function's entry."""

    prefix: str
    width: int
    lines: list[str] = field(default_factory=list)
    allocas: list[str] = field(default_factory=list)
    declared: dict[str, str] = field(default_factory=dict)
    """Declarations of the intrinsics that are called, by name."""
    _count: int = 0

    def name(self) -> str:
        self._count += 1
        return f"%{self.prefix}{self._count}"

    def new(self, text: str) -> str:
        """Add an instruction with a value; return the value's name."""
        name = self.name()
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Add an instruction without a value."""
        self.lines.append(f"  {text}")

    def label(self, label: str) -> None:
        """Begin a block."""
        self.lines.append(f"{label.removeprefix('%')}:")

    def alloca(self, kind: str, align: int = 0) -> str:
        name = self.name()
        self.allocas.append(f"  {name} = alloca {kind}" + (f", align {align}" if align else ""))
        return name

    def vector(self, kind: str) -> str:
        """Return the type of a value of `kind`, a scalar, in all lanes."""
        return f"<{self.width} x {kind}>"

    @property
    def mask(self) -> str:
        return self.vector("i1")

    @property
    def bits(self) -> str:
        """An integer with a bit for each lane."""
        return f"i{self.width}"

    def splat(self, kind: str, value: str) -> str:
        """Spread a scalar over the lanes."""
        if not value.startswith(("%", "@")):
            return constant_vector(kind, value)
        first = self.new(f"insertelement {self.vector(kind)} poison, {kind} {value}, i64 0")
        zeros = f"<{self.width} x i32> zeroinitializer"
        return self.new(f"shufflevector {self.vector(kind)} {first}, {self.vector(kind)} poison, {zeros}")

    @property
    def has_mask_registers(self) -> bool:
        """True if a comparison's answer for each lane can be used by any operation: AVX-512."""
        return self.width == _AVX512

    def shift_counts(self, count: str) -> str:
        """Spread a count, an i32, over the lanes, for a shift.

        LLVM shifts by one count for all lanes if it sees that there is one. With AVX-512 that takes two operations, of
        which the unit that moves counts between registers does one; by a count for each lane it takes one. Loops over
        bits took 1.3 times as long.
        """
        if not self.has_mask_registers:
            return self.splat("i32", count)
        spread = 'asm "vpbroadcastd $1, $0", "=v,r"'
        return self.new(f"call {self.vector('i32')} {spread}(i32 {count}) nounwind memory(none)")

    def steps(self, kind: str, step: int) -> str:
        """Return `step` times the lane, as a constant."""
        bits = int(kind[1:])
        values = [(lane * step) % (1 << bits) for lane in range(self.width)]
        return "<" + ", ".join(f"{kind} {value}" for value in values) + ">"

    def ramp(self, kind: str, start: str, step: int) -> str:
        """Return `start` in lane 0, and `step` more in each further lane; of pointers, bytes."""
        base = self.splat(kind, start)
        if kind == "ptr":
            return self.new(
                f"getelementptr i8, {self.vector('ptr')} {base}, {self.vector('i64')} {self.steps('i64', step)}"
            )
        return self.new(f"add {self.vector(kind)} {base}, {self.steps(kind, step)}")

    def as_bits(self, mask: str) -> str:
        return self.new(f"bitcast {self.mask} {mask} to {self.bits}")

    def any(self, mask: str) -> str:
        """Test whether any lane is set, as an i1."""
        return self.new(f"icmp ne {self.bits} {self.as_bits(mask)}, 0")

    def all(self, mask: str) -> str:
        """Test whether all lanes are set, as an i1."""
        return self.new(f"icmp eq {self.bits} {self.as_bits(mask)}, -1")

    def first(self, mask: str) -> str:
        """Find the first lane that is set, as an i64."""
        return self._lane("cttz", mask)

    def last(self, mask: str) -> str:
        """Find the last lane that is set, as an i64."""
        leading = self._lane("ctlz", mask)
        return self.new(f"sub i64 {self.width - 1}, {leading}")

    def _lane(self, count: str, mask: str) -> str:
        bits = self.as_bits(mask)
        found = self.call(self.bits, f"llvm.{count}.{self.bits}", [f"{self.bits} {bits}", "i1 false"])
        return self.new(f"zext {self.bits} {found} to i64")

    def call(self, kind: str, name: str, given: list[str], flags: str = "", metadata: str = "") -> str:
        """Call an intrinsic that returns a value."""
        self.declare(kind, name, given)
        return self.new(f"call {flags + ' ' if flags else ''}{kind} @{name}({', '.join(given)}){metadata}")

    def run(self, name: str, given: list[str]) -> None:
        """Call an intrinsic that returns nothing."""
        self.declare("void", name, given)
        self.do(f"call void @{name}({', '.join(given)})")

    def declare(self, kind: str, name: str, given: list[str]) -> None:
        self.declared[name] = f"declare {kind} @{name}({', '.join(split_type(each)[0] for each in given)})"


def suffix(kind: str) -> str:
    """Spell a type as the suffix of an intrinsic's name: `v8f32`."""
    known = type_of(kind)
    element = _SUFFIXES.get(known.element, known.element)
    if known.is_vector:
        return f"v{known.count}{element}"
    return element


def constant_vector(kind: str, value: str) -> str:
    """Spread a constant over the lanes."""
    if value in ("zeroinitializer", "null"):
        return "zeroinitializer"
    if value in ("poison", "undef"):
        return value
    return f"splat ({kind} {value})"


def constant_elements(kind: str, value: str) -> list[str]:
    """Take a constant apart: a vector's elements, or the scalar itself."""
    known = type_of(kind)
    if not known.is_vector:
        return [value]
    if value.startswith("<"):
        return [split_type(each)[1] for each in operands(value[1:-1])]
    if value.startswith("splat"):
        return [split_type(value[value.index("(") + 1 : -1])[1]] * known.count
    return [value] * known.count


def zero(kind: str) -> str:
    """Return the zero of a scalar type."""
    return {"ptr": "null", "i1": "false"}.get(kind, "0" if kind.startswith("i") else "0.0")
