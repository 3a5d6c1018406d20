"""Comparisons that say the contrary of undefined values, which the runtime has marked.

A kernel may wait for one number among undefined values, which no random one is. So when commands run again to see if
results depend on an undefined value, the runtime puts a mark in its place: a NaN that no computation makes, and that
arithmetic hands on. A comparison of a mark is turned round. Of integers the mark itself is known, not what is computed
from it, and of 8 and 16 bits none is: random values meet all of those soon enough.
"""

import re
from collections.abc import Generator, Iterator

from metalsci.cpu_metal.compile.llvm.text import operands, typed
from metalsci.cpu_metal.compile.llvm.value_types import Type, type_of

# The marks of runtime/check.c's undefined_byte and metal_unset, without the sign of those that may be NaNs: as they are
# read, and as conversions between widths of floats leave them.
_MARKS = {
    "float": (0x7FD1CE5B, 0x7FFA2000, 0x7FD10000, 0x7BFBFBFB),
    "half": (0x7FD1, 0x7E8E, 0x7BFB),
    "bfloat": (0x7FD1, 0x7BFB),
    "i32": (0xFFD1CE5B, 0xFBFBFBFB),
    "i64": (0xFFD1CE5BFFD1CE5B, 0xFFD1CE5B, 0xFFFFFFFFFFD1CE5B, 0xFBFBFBFBFBFBFBFB),
}
_BEFORE = re.compile(r"(?:(?:reassoc|nnan|ninf|nsz|arcp|contract|afn|fast|samesign) )*\w+ ")  # flags and predicate


def contradicted(name: str, rest: str, line: str, number: int) -> Iterator[str]:
    """Yield a comparison of the name `name`, turned round where an operand is a mark.

    rest: the text behind the instruction's name. number: of the comparison, unlike any other in the module.
    """
    left, right, *_ = operands(_BEFORE.sub("", rest, count=1))
    text, first = typed(left)
    kind = type_of(text)
    values = [value for value in (first, right) if value.startswith("%")]
    if kind.element not in _MARKS or not values:
        yield line
        return
    prefix = f"%metal.c{number}."
    condition, marked = _shaped(kind, "i1"), _constant(kind, "i1", 0)
    yield line.replace(f"{name} = ", f"{prefix}plain = ", 1)
    for at, value in enumerate(values):
        bits = yield from _bits(kind, value, f"{prefix}{at}.")
        integer = f"i{8 * kind.element_bytes}"
        for mark in _MARKS[kind.element]:
            equal, either = f"{prefix}{at}.{mark:x}", f"{prefix}{at}.{mark:x}.or"
            yield f"  {equal} = icmp eq {_shaped(kind, integer)} {bits}, {_constant(kind, integer, mark)}"
            yield f"  {either} = or {condition} {marked}, {equal}"
            marked = either
    yield f"  {name} = xor {condition} {prefix}plain, {marked}"


def _bits(kind: Type, value: str, prefix: str) -> Generator[str, None, str]:
    """Yield what makes an integer of a value, of a float without its sign. Return the integer's name."""
    if not kind.is_float:
        return value
    bits = 8 * kind.element_bytes
    integer = _shaped(kind, f"i{bits}")
    yield f"  {prefix}bits = bitcast {kind.text} {value} to {integer}"
    yield f"  {prefix}plain = and {integer} {prefix}bits, {_constant(kind, f'i{bits}', (1 << bits - 1) - 1)}"
    return f"{prefix}plain"


def _shaped(kind: Type, element: str) -> str:
    """Return a type of as many elements as `kind` has."""
    if kind.is_vector:
        return f"<{kind.count} x {element}>"
    return element


def _constant(kind: Type, element: str, number: int) -> str:
    if kind.is_vector:
        return f"splat ({element} {number})"
    return str(number)
