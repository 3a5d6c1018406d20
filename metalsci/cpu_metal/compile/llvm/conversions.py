"""Conversion of floating point to integers that is never undefined, put into a module after Clang and before LLVM.

C leaves a value that the integer type cannot hold undefined, and LLVM chooses the cheapest result: one in vectorised
code, another in scalar code, or poison. Apple's GPUs give the nearest integer of the type, and Metal's specification
(section 8.6) gives 0 for a NaN. LLVM's own intrinsics for this (`llvm.fptosi.sat`) do the lanes of a vector one by one
on x86 (LLVM 22), so each conversion becomes comparisons and selections around an ordinary one.
"""

import re

_CONVERSION = re.compile(
    r"^(?P<result> +%\S+ = )fpto(?P<sign>[su])i "
    r"(?P<source>(?:<(?P<lanes>\d+) x )?(?P<float>half|bfloat|float|double)>?) (?P<value>[^,\n]+?) "
    r"to (?P<target>(?:<\d+ x )?i(?P<bits>\d+)>?)(?P<rest>,.*)?$",
    re.MULTILINE,
)

# What is below the range is raised to it first, NaNs too. `freeze` makes some value of what is above it, which is then
# replaced.
_FUNCTION = """
define internal {target} {name}({source} %{given}) alwaysinline nounwind {{
{widened}  %above_low = fcmp ogt {wide} %x, {low}
  %raised = select {truth} %above_low, {wide} %x, {wide} {low}
  %converted = fpto{sign}i {wide} %raised to {target}
  %some = freeze {target} %converted
  %too_high = fcmp oge {wide} %x, {high}
  %bounded = select {truth} %too_high, {target} {greatest}, {target} %some
  %number = fcmp ord {wide} %x, %x
  %result = select {truth} %number, {target} %bounded, {target} zeroinitializer
  ret {target} %result
}}
"""


def saturating(module: str) -> str:
    """Make every conversion of floating point, scalar or vector, to integers in LLVM's text saturate."""
    if " = fpto" not in module:
        return module
    used: dict[str, str] = {}

    def call(found: re.Match[str]) -> str:
        name = "@metal." + "_".join(re.findall(r"\w+", f"fpto{found['sign']}i {found['source']} {found['target']}"))
        used[name] = _function(name, found)
        operand = f"{found['source']} {found['value']}"
        return f"{found['result']}call {found['target']} {name}({operand}){found['rest'] or ''}"

    text = _CONVERSION.sub(call, module)
    return text + "".join(function for _, function in sorted(used.items()))


def _function(name: str, conversion: re.Match[str]) -> str:
    lanes, bits, sign, source = (conversion[group] for group in ("lanes", "bits", "sign", "float"))
    value_bits = int(bits) - (sign == "s")
    # the bounds are no halfs
    if source in ("half", "bfloat"):
        wide = "float"
    else:
        wide = source

    def of(element: str) -> str:
        if lanes:
            return f"<{lanes} x {element}>"
        return element

    def constant(element: str, value: str) -> str:
        if lanes:
            return f"splat ({element} {value})"
        return value

    return _FUNCTION.format(
        name=name,
        sign=sign,
        source=of(source),
        target=of(f"i{bits}"),
        wide=of(wide),
        truth=of("i1"),
        given="x" if wide == source else "narrow",
        widened="" if wide == source else f"  %x = fpext {of(source)} %narrow to {of(wide)}\n",
        low=constant(wide, f"-{1 << value_bits}.0" if sign == "s" else "0.0"),
        high=constant(wide, f"{1 << value_bits}.0"),
        greatest=constant(f"i{bits}", str((1 << value_bits) - 1)),
    )
