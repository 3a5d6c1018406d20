"""Atomic operations on threadgroup memory without the processor's lock.

All threads of a threadgroup run on one worker, one after the other between two of their operations, so that a load, an
operation and a store are as good as one locked instruction, which takes some 20 cycles. `<metal_atomic>` marks those
operations by their order, acq_rel, which nothing else has. They are taken apart as late as possible, right before
LLVM's optimiser: what comes before, compile/lanes among that, must see them whole. Load and store are volatile, which
keeps the vectoriser from them as it is kept from atomic operations.
"""

import re

_MARKED = re.compile(
    r"^ +(?:(?P<name>%\S+) = )?atomicrmw (?:volatile )?(?P<operation>\w+) ptr (?P<pointer>[^,\n]+),"
    r" i32 (?P<value>\S+) acq_rel, align 4(?P<debug>(?:, !dbg !\d+)?).*$",
    re.MULTILINE,
)
_COMPARISONS = {"min": "slt", "max": "sgt", "umin": "ult", "umax": "ugt"}
_OPERATIONS = frozenset({"add", "sub", "and", "or", "xor"})


def without_locks(module: str) -> str:
    """Take apart each atomic read-modify-write of threadgroup memory in LLVM's text."""
    if " acq_rel, " not in module:
        return module
    count = 0

    def apart(found: re.Match[str]) -> str:
        nonlocal count
        operation, value, debug = found["operation"], found["value"], found["debug"]
        if operation not in _OPERATIONS and operation not in _COMPARISONS:
            return found[0]
        count += 1
        before, new = found["name"] or f"%metal.before.{count}", f"%metal.after.{count}"
        lines = [f"{before} = load volatile i32, ptr {found['pointer']}, align 4{debug}"]
        if operation in _OPERATIONS:
            lines.append(f"{new} = {operation} i32 {before}, {value}{debug}")
        else:
            lines.append(f"%metal.keeps.{count} = icmp {_COMPARISONS[operation]} i32 {before}, {value}{debug}")
            lines.append(f"{new} = select i1 %metal.keeps.{count}, i32 {before}, i32 {value}{debug}")
        lines.append(f"store volatile i32 {new}, ptr {found['pointer']}, align 4{debug}")
        return "\n".join(f"  {line}" for line in lines)

    return _MARKED.sub(apart, module)
