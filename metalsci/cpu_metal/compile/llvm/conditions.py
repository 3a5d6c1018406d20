"""Conditions in LLVM's text: comparisons the other way, and conditions that are made of two."""

from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand

OPPOSITE = {
    "eq": "ne", "ult": "uge", "ule": "ugt", "slt": "sge", "sle": "sgt",
    "ne": "eq", "uge": "ult", "ugt": "ule", "sge": "slt", "sgt": "sle",
}  # fmt: skip
"""Predicates of integers that are true where another one is false."""
SWAPPED = {
    "eq": "eq", "ult": "ugt", "ule": "uge", "slt": "sgt", "sle": "sge",
    "ne": "ne", "ugt": "ult", "uge": "ule", "sgt": "slt", "sge": "sle",
}  # fmt: skip
"""Predicates that say the same of the operands the other way round."""


def halves(each: Instruction) -> tuple[str, Operand, Operand] | None:
    """Return "and" or "or" and the two conditions of which one is made, also by a select; None for others."""
    if each.type != "i1":
        return None
    if each.opcode in ("and", "or"):
        return each.opcode, each.operands[0], each.operands[1]
    if each.opcode == "select":
        condition, true, false = each.operands
        if false.value == "false":
            return "and", condition, true
        if true.value == "true":
            return "or", condition, false
    return None
