"""Integer division that cannot trap, put into a module after Clang and before LLVM optimises it.

A GPU gives some value for a division by zero; a CPU traps. So LLVM must not divide where the program does not, and its
vectoriser puts a division under a condition on the lanes that meet it. Where operands are the same in all lanes it
divides once, on the condition of the first lane alone (LLVM 22), which leaves rubbish when that lane is not active and
another is: `tests/cpu_metal/test_division.py` has the shortest case. Division of doubles has none of this: it is exact
before truncation for integers of 32 bits, cannot trap, vectorises, and may be moved out of a loop.
"""

import re

_DIVISION = re.compile(
    r"^(?P<result> +%\S+ = )(?P<sign>[us])(?P<operation>div|rem)(?: exact)? "
    r"(?P<type>i\d+) (?P<left>\S+), (?P<right>%\S+)$",
    re.MULTILINE,
)
_WIDE = ("i64", "i128")

_FUNCTIONS = """
define internal {type} @metal.{sign}div.{type}({type} %a, {type} %b) alwaysinline nounwind {{
  %x = {sign}itofp {type} %a to double
  %y = {sign}itofp {type} %b to double
  %q = fdiv double %x, %y
  %r = call {type} @llvm.fpto{sign}i.sat.{type}.f64(double %q)
  ret {type} %r
}}
define internal {type} @metal.{sign}rem.{type}({type} %a, {type} %b) alwaysinline nounwind {{
  %q = call {type} @metal.{sign}div.{type}({type} %a, {type} %b)
  %p = mul {type} %q, %b
  %r = sub {type} %a, %p
  ret {type} %r
}}
declare {type} @llvm.fpto{sign}i.sat.{type}.f64(double)
"""


def without_traps(module: str) -> tuple[str, bool]:
    """LLVM's text with every division of a scalar by a variable of up to 32 bits replaced; and whether wider ones are
    left, which a double cannot hold, so that the module must not be vectorised."""
    used: set[tuple[str, str]] = set()
    wide = False

    def call(found: re.Match[str]) -> str:
        nonlocal wide
        kind, sign = found["type"], found["sign"]
        if kind in _WIDE:
            wide = True
            return found[0]
        used.add((kind, sign))
        function = f"@metal.{sign}{found['operation']}.{kind}"
        return f"{found['result']}call {kind} {function}({kind} {found['left']}, {kind} {found['right']})"

    text = _DIVISION.sub(call, module)
    return text + "".join(_FUNCTIONS.format(type=kind, sign=sign) for kind, sign in sorted(used)), wide
