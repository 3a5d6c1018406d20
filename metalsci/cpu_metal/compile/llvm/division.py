"""Integer division that cannot trap, put into a module after Clang and before LLVM optimises it.

A GPU gives some value for a division by zero, and for that of the least integer by -1; a CPU traps. So LLVM must not
divide where the program does not, and its vectoriser puts a division under a condition on the lanes that meet it. Where
operands are the same in all lanes it divides once, on the condition of the first lane alone (LLVM 22), which leaves
rubbish when that lane is not active and another is: `tests/cpu_metal/test_division.py` has the shortest case. Division
of doubles has none of this: it is exact before truncation for integers of 32 bits, cannot trap, vectorises, and may be
moved out of a loop. Wider integers are divided by 1 where their division would trap.
"""

import re

_DIVISION = re.compile(
    r"^(?P<result> +%\S+ = )(?P<sign>[us])(?P<operation>div|rem)(?: exact)? "
    r"(?P<type>(?:<(?P<lanes>\d+) x )?i(?P<bits>\d+)>?) "
    r"(?P<left>%[^,\s]+|-?\d+|<.+>|splat \(.+?\)|zeroinitializer), (?P<right>%[^,\s]+|0|-1|zeroinitializer)"
    r"(?P<rest>,.*)?$",
    re.MULTILINE,
)
_CONSTANT = re.compile(r"^(?P<name>@\S+) = (?:[\w()]+ )*constant i\d+ (?P<number>-?\d+)", re.MULTILINE)
_LOAD = re.compile(r"^ +(?P<result>%\S+) = load i\d+, ptr (?P<name>@[^,\s]+),")
_OPERATIONS = ("udiv", "sdiv", "urem", "srem")
_WIDTH = re.compile(r"@metal\.[us](?:div|rem)\.(?:v\d+)?i(?P<bits>\d+)$")  # of a function's name, as written here

_NARROW = """
define internal {type} @metal.{sign}div.{name}({type} %a, {type} %b) alwaysinline nounwind {{
  %x = {sign}itofp {type} %a to {double}
  %y = {sign}itofp {type} %b to {double}
  %q = fdiv {double} %x, %y
  %t = fpto{sign}i {double} %q to {type}
  %r = freeze {type} %t
  ret {type} %r
}}
"""
_WIDE = """
define internal {type} @metal.{sign}div.{name}({type} %a, {type} %b) alwaysinline nounwind {{
  %zero = icmp eq {type} %b, {splat_zero}
  %negative = icmp eq {type} %b, {splat_minus_one}
  %least = icmp eq {type} %a, {splat_least}
  %overflow = and {truth} %negative, %least
  %trap = {trap}
  %safe = select {truth} %trap, {type} {splat_one}, {type} %b
  %r = {sign}div {type} %a, %safe
  ret {type} %r
}}
"""
_REMAINDER = """
define internal {type} @metal.{sign}rem.{name}({type} %a, {type} %b) alwaysinline nounwind {{
  %q = call {type} @metal.{sign}div.{name}({type} %a, {type} %b)
  %p = mul {type} %q, %b
  %r = sub {type} %a, %p
  ret {type} %r
}}
"""


def divides_wide(function: str) -> bool:
    """Return True if a function divides more than 32 bits, which no double holds: it must not be vectorised."""
    found = _WIDTH.match(function)
    return found is not None and int(found["bits"]) > 32


def without_traps(module: str) -> str:
    """Replace every division of integers in LLVM's text that might trap."""
    if not any(f" = {operation} " in module for operation in _OPERATIONS):
        return module
    used: set[tuple[str, int, int]] = set()

    def call(found: re.Match[str]) -> str:
        sign, kind, lanes, bits = found["sign"], found["type"], int(found["lanes"] or 0), int(found["bits"])
        used.add((sign, lanes, bits))
        function = f"@metal.{sign}{found['operation']}.{_name(lanes, bits)}"
        operands = f"({kind} {found['left']}, {kind} {found['right']})"
        return f"{found['result']}call {kind} {function}{operands}{found['rest'] or ''}"

    text = _DIVISION.sub(call, _by_constants(module))
    return text + "".join(_functions(*each) for each in sorted(used))


def _by_constants(module: str) -> str:
    """Write the numbers of the program's constants (`constant uint W = 32;`) into divisions by them.

    Clang has them loaded, and LLVM, which would see the number later, makes shifts and masks of divisions alone.
    """
    variables, _, _ = module.partition("\ndefine ")
    numbers = {found["name"]: found["number"] for found in _CONSTANT.finditer(variables)}
    if not numbers:
        return module
    loaded: dict[str, str] = {}
    lines = module.split("\n")
    for at, line in enumerate(lines):
        if line.startswith("define "):
            loaded = {}
        elif " = load i" in line:
            load = _LOAD.match(line)
            if load and load["name"] in numbers:
                loaded[load["result"]] = numbers[load["name"]]
        elif loaded and (found := _DIVISION.match(line)) and found["right"] in loaded:
            start, end = found.span("right")
            lines[at] = f"{line[:start]}{loaded[found['right']]}{line[end:]}"
    return "\n".join(lines)


def _functions(sign: str, lanes: int, bits: int) -> str:
    division = _NARROW if bits <= 32 else _WIDE
    return (division + _REMAINDER).format(
        sign=sign,
        type=_type(lanes, f"i{bits}"),
        name=_name(lanes, bits),
        double=_type(lanes, "double"),
        truth=_type(lanes, "i1"),
        trap=f"or {_type(lanes, 'i1')} %zero, {'%overflow' if sign == 's' else '%zero'}",
        splat_zero=_constant(lanes, bits, 0),
        splat_one=_constant(lanes, bits, 1),
        splat_minus_one=_constant(lanes, bits, -1),
        splat_least=_constant(lanes, bits, -(1 << bits - 1)),
    )


def _type(lanes: int, element: str) -> str:
    if lanes:
        return f"<{lanes} x {element}>"
    return element


def _name(lanes: int, bits: int) -> str:
    if lanes:
        return f"v{lanes}i{bits}"
    return f"i{bits}"


def _constant(lanes: int, bits: int, value: int) -> str:
    if lanes:
        return f"splat (i{bits} {value})"
    return str(value)
