"""Instructions that may be executed though nobody needs them: they end nothing, write nothing and take little time."""

from metalsci.cpu_metal.compile.llvm.instruction import Instruction, words

_OPERATIONS = words(
    "add sub mul shl lshr ashr and or xor fadd fsub fmul fdiv fneg icmp fcmp select freeze trunc zext sext fptrunc "
    "fpext uitofp sitofp bitcast getelementptr extractelement insertelement shufflevector"
)
_FUNCTIONS = tuple(
    f"llvm.{name}."
    for name in words(
        "fabs sqrt floor ceil trunc rint nearbyint roundeven fma fmuladd minnum maxnum minimum maximum minimumnum "
        "maximumnum copysign umin umax smin smax abs fshl fshr"
    )
)


def may_be_needless(each: Instruction) -> bool:
    """Return True if an instruction may be executed before it is known whether its value is needed."""
    return each.opcode in _OPERATIONS or each.callee.startswith(_FUNCTIONS)
