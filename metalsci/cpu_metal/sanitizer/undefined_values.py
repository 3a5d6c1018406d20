"""Values that Metal leaves undefined: of variables before their first value, and of lanes that are not active.

Reading one is no fault as long as nothing depends on it, so the runtime is asked each time for what is read. Whether
results depend on it is seen when the kernel runs again with something else there: see `checked_commands.py`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from metalsci.cpu_metal.compile.llvm.debug_locations import DebugInfo
from metalsci.cpu_metal.compile.llvm.function import definitions
from metalsci.cpu_metal.compile.llvm.text import typed
from metalsci.cpu_metal.compile.llvm.value_types import named_structs, plain, without_padding

SITE = "i32 -1)"
"""The last argument of the calls, in place of the site's number, which is known once functions have been inlined."""
AUTO_INIT = "-ftrivial-auto-var-init=zero"
"""Clang's flag that gives variables without a value one, and marks where."""
_SOURCE = re.compile(r"_Lanes.*(?P<group>_Simd|_Quad).*6sourceEj$")
_WIDTHS = {"_Simd": 32, "_Quad": 4}
_RETURN = re.compile(r"^ +ret i32 (?P<value>\S+?)(?P<debug>, !dbg !\d+)?$")
_ALLOCA = re.compile(r"^ +(?P<name>%\S+) = alloca (?P<type>[^,]+(?:, [^,]+)*?), align (?P<align>\d+)")
_SET = r"(?P<debug>, !dbg !\d+)?, !annotation "
_STORE = re.compile(rf"^ +store (?P<value>.*), ptr (?P<name>%\S+), align \d+{_SET}")
_MEMSET = re.compile(rf"^ +call void @llvm\.memset\.p0\.i64\(ptr align \d+ (?P<name>%\S+), i8 0, .*\){_SET}")
_MOST_PARTS = 256  # of a variable: a larger one is left as it is
_DECLARATIONS = """
declare i32 @metal_source(i32, i32, i32, i32)
declare i8 @metal_unset(i32) nounwind willreturn memory(none)
"""


def ask_for_undefined(module: str, file: str) -> str:
    """Put calls of the runtime into a module in which no function has been inlined yet, and return it.

    file: the user's. Variables of other files' functions are left alone.
    """
    lines = module.split("\n")
    structs, debug = named_structs(lines), DebugInfo(module, file)
    replaced: dict[int, list[str]] = {}
    for function in definitions(lines):
        body = range(function.first + 1, function.last)
        source = _SOURCE.search(function.name)
        if source:
            replaced.update(_source(lines, body, _WIDTHS[source["group"]]))
        if debug.is_users(function.subprogram):
            replaced.update(_unset(lines, body, structs))
    text = "\n".join("\n".join(replaced[at]) if at in replaced else line for at, line in enumerate(lines))
    memset = "" if "@llvm.memset.p0.i64(" in module else "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n"
    return text + _DECLARATIONS + memset


def _source(lines: Sequence[str], body: range, width: int) -> Iterator[tuple[int, list[str]]]:
    """Ask for the lane to read from, in include/metal_simdgroup's function that chooses it."""
    for at in body:
        match = _RETURN.match(lines[at])
        if match:
            debug = match["debug"] or ""
            asked = f"call i32 @metal_source(i32 %1, i32 {match['value']}, i32 {width}, {SITE}{debug}"
            yield at, [f"  %metal.source = {asked}", f"  ret i32 %metal.source{debug}"]


def _unset(lines: Sequence[str], body: range, structs: Mapping[str, str]) -> Iterator[tuple[int, list[str]]]:
    """Ask for the bytes of variables without a value: numbers, vectors, arrays and structs of them, without padding."""
    kinds: dict[str, str] = {}
    for at in body:
        line = lines[at]
        if variable := _ALLOCA.match(line):
            kinds[variable["name"]] = variable["type"]
            continue
        set_ = _STORE.match(line) or _MEMSET.match(line)
        if set_ is None or set_["name"] not in kinds or "ptr" in typed(set_.groupdict().get("value") or "i8 0")[0]:
            continue
        parts = without_padding(plain(kinds[set_["name"]], structs))
        if not 0 < len(parts) <= _MOST_PARTS:
            continue
        value, debug = f"%metal.u{at}", set_["debug"] or ""
        asked = [line, f"  {value} = call i8 @metal_unset({SITE}{debug}"]
        for number, (start, size) in enumerate(parts):
            part = f"{value}.{number}"
            asked.append(f"  {part} = getelementptr i8, ptr {set_['name']}, i64 {start}")
            asked.append(f"  call void @llvm.memset.p0.i64(ptr {part}, i8 {value}, i64 {size}, i1 false){debug}")
        yield at, asked
