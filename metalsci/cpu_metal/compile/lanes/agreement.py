"""Questions that all lanes answer alike, found by scalars.

A thread's index is compared with the ends of a row: what the first and the last lane answer says it for all, and the
mask of the lanes need not be made first. Masks of eight lanes are what AVX2 has no instructions for: heat2d's seed
kernel, which asks for edges, spent a third of its time on them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.code import Code
from metalsci.cpu_metal.compile.lanes.values import Values
from metalsci.cpu_metal.compile.llvm.conditions import OPPOSITE, SWAPPED, halves
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand


def agreement(values: Values, condition: Operand, answer: bool) -> str:
    """Return an i1 that is true only if all lanes give an answer; empty if scalars cannot say so.

    It may be false though they do, if indices wrap around within a vector.
    """
    shape = values.shape(condition)
    if shape.kind == "uniform":
        scalar = values.scalar(condition)
        return scalar if answer else values.code.new(f"xor i1 {scalar}, true")
    each = values.defined.get(condition.value)
    # Operands of instructions in other nodes may not be kept for this one.
    if each is None or each.type != "i1" or values.known.place.get(each.result) != values.at:
        return ""
    return _of_instruction(values, each, answer)


def _of_instruction(values: Values, each: Instruction, answer: bool) -> str:
    if each.opcode == "icmp":
        return _comparison(values, each, each.detail if answer else OPPOSITE[each.detail])
    if each.opcode == "xor" and each.operands[1].value == "true":
        return agreement(values, each.operands[0], not answer)
    parts = halves(each)
    if parts is None:
        return ""
    joined, left, right = parts
    first = agreement(values, left, answer)
    second = agreement(values, right, answer) if first else ""
    if not second:
        return ""
    # Where one answer settles it, the other may be poison.
    if (joined == "and") is answer:
        return values.code.new(f"select i1 {first}, i1 {second}, i1 false")
    return values.code.new(f"select i1 {first}, i1 true, i1 {second}")


def _comparison(values: Values, each: Instruction, predicate: str) -> str:
    """Compare an index that grows from lane to lane with a limit that all have in common."""
    index, limit = each.operands
    if values.shape(index).kind == "uniform":
        index, limit, predicate = limit, index, SWAPPED[predicate]
    shape = values.shape(index)
    if shape.kind != "strided" or not shape.exact or values.shape(limit).kind != "uniform" or index.type == "ptr":
        return ""
    further = shape.stride * (values.code.width - 1)
    if not 0 < further < 1 << (int(index.type[1:]) - 1):
        return ""
    lanes = _Lanes(values.code, index.type, values.scalar(index), further, values.scalar(limit))
    return _RANGES[predicate](lanes)


@dataclass(frozen=True)
class _Lanes:
    """The index of the first lane, how much further that of the last is, and the limit. kind: their type."""

    code: Code
    kind: str
    first: str
    further: int
    limit: str

    @property
    def bits(self) -> int:
        return int(self.kind[1:])

    def test(self, predicate: str, left: str, right: str | int) -> str:
        return self.code.new(f"icmp {predicate} {self.kind} {left}, {right}")

    def both(self, left: str, right: str) -> str:
        return self.code.new(f"and i1 {left}, {right}")

    def lowered(self, opcode: str) -> str:
        """Return the limit less what the last lane is further, or the least number there is."""
        given = [f"{self.kind} {self.limit}", f"{self.kind} {self.further}"]
        return self.code.call(self.kind, f"llvm.{opcode}.sat.{self.kind}", given)

    def above(self, predicate: str) -> str:
        """Compare the first lane with the limit, if none behind it wraps around."""
        most = (1 << (self.bits - (predicate[0] == "s"))) - 1 - self.further
        return self.both(self.test(predicate, self.first, self.limit), self.test(f"{predicate[0]}le", self.first, most))

    def up_to(self, sign: str) -> str:
        least = self.further - (1 << (self.bits - 1) if sign == "s" else 0)
        top = self.code.new(f"sub {self.kind} {self.limit}, {self.further}")
        return self.both(self.test(f"{sign}ge", self.limit, least), self.test(f"{sign}le", self.first, top))

    def apart(self) -> str:
        return self.test("ugt", self.code.new(f"sub {self.kind} {self.limit}, {self.first}"), self.further)


_RANGES: dict[str, Callable[[_Lanes], str]] = {
    "eq": lambda _: "false",
    "ne": _Lanes.apart,
    "ult": lambda lanes: lanes.test("ugt", lanes.lowered("usub"), lanes.first),
    "slt": lambda lanes: lanes.test("sgt", lanes.lowered("ssub"), lanes.first),
    "ule": lambda lanes: lanes.up_to("u"),
    "sle": lambda lanes: lanes.up_to("s"),
    "uge": lambda lanes: lanes.above("uge"),
    "ugt": lambda lanes: lanes.above("ugt"),
    "sge": lambda lanes: lanes.above("sge"),
    "sgt": lambda lanes: lanes.above("sgt"),
}
