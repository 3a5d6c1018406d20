"""Checks of the computations in the user's lines.

They find divisors that are zero, indices outside an array, and values that stop being finite. They are added before
functions are inlined, because a function of Metal's, `log(x)`, is one operation to its user.
"""

import re
from collections.abc import Generator, Iterator, Sequence

from metalsci.cpu_metal.compile.llvm.debug_locations import DebugInfo, Place
from metalsci.cpu_metal.compile.llvm.function import definitions
from metalsci.cpu_metal.compile.llvm.text import arguments, operands, typed
from metalsci.cpu_metal.compile.llvm.value_types import Type, type_of
from metalsci.cpu_metal.sanitizer.comparisons import contradicted
from metalsci.cpu_metal.sanitizer.sites import Sites

_RESULT = re.compile(r"^ +(?P<name>%\S+) = (?P<operation>\w+) (?P<rest>.*)$")
_FLAGS = re.compile(r"(?:(?:reassoc|nnan|ninf|nsz|arcp|contract|afn|fast|exact|nuw|nsw|nneg) )*")
_CALL = re.compile(
    r"(?:(?:[a-z_]+(?:\([^()]*\))?) )*?(?P<type>(?:float|half|bfloat|<\d+ x (?:float|half|bfloat)>)) (?P<rest>@.*)$"
)
_DIVISIONS = {"sdiv": "division", "udiv": "division", "srem": "remainder", "urem": "remainder"}
_ARITHMETIC = {"fadd": "+", "fsub": "-", "fmul": "*", "fdiv": "/", "frem": "fmod"}
_OUT_OF_BOUNDS = re.compile(r"^ +call void @__ubsan_handle_out_of_bounds\(ptr (@[\w.]+), i64 (\S+)\)")
_CHECK_DATA = re.compile(
    r"^(@[\w.]+) = .*global \{ \{ ptr, i32, i32 \}, ptr, ptr \} \{ .*\}, ptr (@[\w.]+), ptr @[\w.]+ \}$", re.M
)
_TYPE_NAME = re.compile(r"^(@[\w.]+) = .*\{ i16, i16, \[\d+ x i8\] \} \{.* c\"(.*)\\00\" \}$", re.MULTILINE)
# What lanes bring is not of the thread's own making.
_OF_LANES = re.compile(r"@\S*(?:simd|quad)_")
# As llvm.is.fpclass counts them: signalling and quiet NaN, and these with both infinities.
_NAN, _NOT_FINITE = 0b11, 0b1000000111
_OF_INFINITIES = 5  # runtime/check.c
_DECLARATIONS = """
declare void @metal_divided(i32, i32)
declare void @metal_made(i32, i32)
declare void @metal_out_of_bounds(i64, i32)
"""


def check_values(module: str, file: str, sites: Sites) -> str:
    """Put calls into a module and return it. Functions that do not stand in `file` are left as they are."""
    lines = module.split("\n")
    debug = DebugInfo(module, file)
    users = [function for function in definitions(lines) if debug.is_users(function.subprogram)]
    instrumented = _Values(module, [function.name for function in users], debug, sites)
    replaced: dict[int, list[str]] = {}
    for function in users:
        for index in range(function.first + 1, function.last):
            new = list(instrumented.line(lines[index]))
            if new != [lines[index]]:
                replaced[index] = new
    text = "\n".join("\n".join(replaced[i]) if i in replaced else line for i, line in enumerate(lines))
    declared = "".join(line + "\n" for line in sorted(instrumented.declared) if line.partition("(")[0] not in module)
    return text + _DECLARATIONS + declared


class _Values:
    def __init__(self, module: str, users: Sequence[str], debug: DebugInfo, sites: Sites) -> None:
        self.declared: set[str] = set()
        self._users = tuple(f"@{name}(" for name in users)
        self._debug = debug
        self._sites = sites
        self._count = self._compared = 0
        names = dict(_TYPE_NAME.findall(module))
        self._array_types = {data: names.get(kind, "") for data, kind in _CHECK_DATA.findall(module)}

    def line(self, line: str) -> Iterator[str]:
        place = self._debug.place(line)
        if place is None:
            yield line
        elif out_of_bounds := _OUT_OF_BOUNDS.match(line):
            site = self._sites.number(place, self._array_types.get(out_of_bounds[1], ""))
            yield f"  call void @metal_out_of_bounds(i64 {out_of_bounds[2]}, i32 {site})"
        elif (match := _RESULT.match(line)) is None:
            yield line
        elif match["operation"] in _DIVISIONS:
            yield from self._division(line, match, place)
        elif match["operation"] in ("icmp", "fcmp"):
            self._compared += 1
            yield from contradicted(match["name"], match["rest"], line, self._compared)
        else:
            yield line
            yield from self._value(match, place)

    def _division(self, line: str, match: re.Match[str], place: Place) -> Iterator[str]:
        """Replace the divisor by 1 if it is zero."""
        first, second, *rest = operands(match["rest"])
        if not second.startswith("%"):
            yield line
            return
        divided = type_of(typed(_FLAGS.sub("", first, count=1))[0])
        if divided.count == 1:
            one = "1"
        else:
            one = f"splat ({divided.element} 1)"
        zero, safe = self._name(), self._name()
        if divided.count == 1:
            condition = "i1"
        else:
            condition = f"<{divided.count} x i1>"
        yield f"  {zero} = icmp eq {divided.text} {second}, {'0' if divided.count == 1 else 'zeroinitializer'}"
        any_zero = yield from self._any(zero, divided)
        told = self._name()
        yield f"  {told} = zext i1 {any_zero} to i32"
        yield f"  call void @metal_divided(i32 {told}, i32 {self._sites.number(place, _DIVISIONS[match['operation']])})"
        yield f"  {safe} = select {condition} {zero}, {divided.text} {one}, {divided.text} {second}"
        yield ", ".join([f"  {match['name']} = {match['operation']} {first}", safe, *rest])

    def _value(self, match: re.Match[str], place: Place) -> Iterator[str]:
        operation, rest = match["operation"], match["rest"]
        if operation in _ARITHMETIC:
            first, second, *_ = operands(rest)
            kind, left = typed(_FLAGS.sub("", first, count=1))
            yield from self._made(
                match["name"], type_of(kind), [(kind, left), (kind, second)], place, _ARITHMETIC[operation]
            )
        elif operation in ("fptrunc", "sitofp", "uitofp"):
            source, _, result = operands(_FLAGS.sub("", rest, count=1))[0].rpartition(" to ")
            yield from self._made(match["name"], type_of(result), [typed(source)], place, "conversion")
        elif operation in ("call", "tail") and (call := _CALL.match(rest)):
            called = call["rest"]
            if not _OF_LANES.match(called) and not called.startswith(self._users):
                given = [typed(argument) for argument in arguments(called)]
                yield from self._made(match["name"], type_of(call["type"]), given, place, _function_name(called))

    def _made(self, result: str, kind: Type, given: list[tuple[str, str]], place: Place, what: str) -> Iterator[str]:
        """Report a result that is not finite if all operands are, and a NaN if none of them is one."""
        if not kind.is_float:
            return
        variable = [(type_of(text), value) for text, value in given if value.startswith("%")]
        operands_ = [(operand, value) for operand, value in variable if operand.is_float]
        bad = yield from self._is(_NOT_FINITE, result, kind)
        nan = yield from self._is(_NAN, result, kind)
        bad = yield from self._and_none(bad, _NOT_FINITE, operands_)
        new = yield from self._and_none(nan, _NAN, operands_)
        which, other, made = self._name(), self._name(), self._name()
        yield f"  {which} = select i1 {nan}, i32 3, i32 1"
        yield f"  {other} = select i1 {new}, i32 {_OF_INFINITIES}, i32 0"
        yield f"  {made} = select i1 {bad}, i32 {which}, i32 {other}"
        yield f"  call void @metal_made(i32 {made}, i32 {self._sites.number(place, what)})"

    def _and_none(self, condition: str, classes: int, given: list[tuple[Type, str]]) -> Generator[str, None, str]:
        """Test if a condition holds and no operand is of one of these classes."""
        for operand, value in given:
            found = yield from self._is(classes, value, operand)
            other, both = self._name(), self._name()
            yield f"  {other} = xor i1 {found}, true"
            yield f"  {both} = and i1 {condition}, {other}"
            condition = both
        return condition

    def _is(self, classes: int, value: str, kind: Type) -> Generator[str, None, str]:
        """Test if an element of a value is of one of these classes."""
        name = self._name()
        vector = kind.count > 1
        if vector:
            condition = f"<{kind.count} x i1>"
        else:
            condition = "i1"
        suffix = {"float": "f32", "half": "f16", "bfloat": "bf16"}[kind.element]
        function = f"@llvm.is.fpclass.{f'v{kind.count}' if vector else ''}{suffix}"
        self.declared.add(f"declare {condition} {function}({kind.text}, i32 immarg)")
        yield f"  {name} = call {condition} {function}({kind.text} {value}, i32 {classes})"
        return (yield from self._any(name, kind))

    def _any(self, condition: str, kind: Type) -> Generator[str, None, str]:
        """Test if a condition holds for any element."""
        if kind.count == 1:
            return condition
        name = self._name()
        function = f"@llvm.vector.reduce.or.v{kind.count}i1"
        self.declared.add(f"declare i1 {function}(<{kind.count} x i1>)")
        yield f"  {name} = call i1 {function}(<{kind.count} x i1> {condition})"
        return name

    def _name(self) -> str:
        self._count += 1
        return f"%metal.v{self._count}"


def _function_name(call: str) -> str:
    """Return `'log'` for `@_ZN5metal3logEf(…)`: the last name in a mangled one."""
    mangled = call[1 : call.index("(")]
    names, position = [], 0
    while match := re.compile(r"\d+").search(mangled, position):
        end = match.end() + int(match[0])
        names.append(mangled[match.end() : end])
        position = end
        if not re.match(r"\d", mangled[position:]):
            break
    if names:
        name = names[-1]
    else:
        name = mangled.removeprefix("llvm.").partition(".")[0]
    if name.startswith("_"):
        return "conversion"
    return f"'{name}'"
