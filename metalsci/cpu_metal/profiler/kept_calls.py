"""Metal's functions that a GPU has instructions for: they stay calls, which have a price, while LLVM optimises.

In software such a function is a page of arithmetic. It must not be inlined, or that page would be counted.
"""

import re

# `pow` itself knows better ways to raise to a small constant power.
_SCALAR_FUNCTIONS = frozenset(
    {
        "sin", "cos", "tan", "sinpi", "cospi", "tanpi", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
        "acosh", "atanh", "exp", "exp2", "exp10", "log", "log2", "log10", "rsqrt", "_pow", "powr", "atan2", "fmod",
    }
)  # fmt: skip
_LANES = re.compile(
    r"(?:simd|quad)_(?:shuffle|broadcast|sum|product|min|max|and|or|xor|prefix|ballot|all|any|is_first|active|vote)\w*|"
    r"_simdgroup_product"
)
OWN_LANE = "_lane"
"""A thread's number in its simdgroup, which simdgroup matrices ask for: a register of a GPU's, for nothing."""
_MENTION = re.compile(r"^(?P<head>define .*|.* call .*)@(?P<name>_ZN5metal\w+)\((?P<rest>.*)$", re.MULTILINE)
# compile/llvm/conversions.py
_CONVERSION = re.compile(r"^(define internal .*@metal\.fpto\w+\(.*\)) alwaysinline nounwind \{$", re.MULTILINE)
_GROUP = re.compile(r"#(\d+)")
_ATTRIBUTES = re.compile(r"^attributes #\d+ = \{.*\}$", re.MULTILINE)
_OWN_WAY = re.compile(r"\b(?:noinline|optnone|minsize|optsize)\b ?")  # that a source asks for, and no GPU grants
_NUMBER = re.compile(r"\d+")


def function_name(mangled: str) -> tuple[str, str]:
    """Return `('sin', 'f')` for `_ZN5metal3sinEf`: a function of Metal's namespace, and its parameters' spelling."""
    position, names = len("_ZN"), []
    while match := _NUMBER.match(mangled, position):
        end = match.end() + int(match[0])
        names.append(mangled[match.end() : end])
        position = end
    return (names[-1] if names else "", mangled[position:])


def is_priced(mangled: str) -> bool:
    """Return True if a function of one number, not of a vector, is one or few instructions of a GPU."""
    name, parameters = function_name(mangled)
    if name in _SCALAR_FUNCTIONS:
        return parameters in ("Ef", "Eff")
    return name == OWN_LANE or _LANES.fullmatch(name) is not None


def is_computed(name: str) -> bool:
    """Return True for a function that a GPU has instructions for, which touch no memory."""
    return name.startswith(("llvm.", "metal.fpto")) or is_priced(name)


def keep_calls(module: str) -> str:
    """Mark those functions in Clang's text as never inlined, at their definitions and at each call."""
    module = _ATTRIBUTES.sub(_inlined, module)
    attributes = dict(re.findall(r"^attributes #(\d+) = \{ (.*) \}$", module, re.MULTILINE))
    made: dict[str, str] = {}

    def kept(match: re.Match[str]) -> str:
        if not is_priced(match["name"]):
            return match[0]

        def other(group: re.Match[str]) -> str:
            number, words = f"{group[1]}9999", attributes.get(group[1], "").replace("alwaysinline", "noinline")
            if function_name(match["name"])[0] == OWN_LANE:
                number, words = f"{group[1]}9998", f"{words.replace('convergent', '')} willreturn memory(none)"
            made[number] = words
            return f"#{number}"

        return f"{match['head']}@{match['name']}({_GROUP.sub(other, match['rest'], count=1)}"

    text = _CONVERSION.sub(r"\1 noinline nounwind memory(none) {", _MENTION.sub(kept, module))
    return text + "".join(f"\nattributes #{number} = {{ {words} }}\n" for number, words in made.items())


def _inlined(attributes: re.Match[str]) -> str:
    """Make a function's attributes those of a part of its caller, as on a GPU: what is not, would not be counted."""
    if "noinline" not in attributes[0]:
        return attributes[0]
    return _OWN_WAY.sub("", attributes[0]).replace("{ ", "{ alwaysinline ", 1)
