"""Stores of single elements of a vector, which Clang writes as a load, a change and a store of all of it.

In Metal each element is a place of its own: `out[i / 4][i % 4] = x` of four threads is no race. Executed for a vector
of threads at a time, each of the four would store what the others had there before.
"""

import math
import re
from collections.abc import Iterator

from metalsci.cpu_metal.compile.llvm.value_types import type_of

_LOAD = (
    r"  (?P<old>%\S+) = load (?P<kind><(?P<count>\d+) x (?P<element>\w+)>), ptr (?P<place>%\S+), align (?P<align>\d+)\n"
)
_STORE = r"  store (?P=kind) (?P=new), ptr (?P=place), align \d+\n"
_ONE = re.compile(
    _LOAD
    + r"  (?P<new>%\S+) = insertelement (?P=kind) (?P=old), (?P=element) (?P<value>\S+), (?P<index>i\d+ \S+)\n"
    + _STORE
)
_SOME = re.compile(
    _LOAD
    + r"(?:  %\S+ = shufflevector .*\n)?"
    + r"  (?P<new>%\S+) = shufflevector (?P=kind) (?P=old), (?P=kind) (?P<others>%\S+), <\d+ x i32> <(?P<mask>[^>]*)>\n"
    + _STORE
)
_POINTER = r"\n  {} = (?:(?P<own>alloca)|getelementptr .*?, ptr (?P<base>%[^\s,]+))"


def of_elements(module: str) -> str:
    """Return the module with stores of those elements alone that are assigned to, but in variables of one thread."""
    written = 0

    def one(found: re.Match[str]) -> str:
        nonlocal written
        if _is_own(module, found):
            return found[0]
        written += 1
        return _kept(found) + _stored(found, written, found["value"], found["index"])

    def some(found: re.Match[str]) -> str:
        nonlocal written
        count = int(found["count"])
        chosen = [part.split()[-1] for part in found["mask"].split(",")]
        places = [place for place, source in enumerate(chosen) if source != str(place)]
        if _is_own(module, found) or any(not chosen[place].isdigit() or int(chosen[place]) < count for place in places):
            return found[0]
        lines = _kept(found)
        for place in places:
            written += 1
            value = f"%metal.element{written}"
            source = int(chosen[place]) - count
            lines += f"  {value} = extractelement {found['kind']} {found['others']}, i64 {source}\n"
            lines += _stored(found, written, value, f"i64 {place}")
        return lines

    module = _ONE.sub(one, module)
    return _SOME.sub(some, module)


def _kept(found: re.Match[str]) -> str:
    """Return what came before the store: LLVM removes what is not used, and numbers stay as they are."""
    return found[0][: found[0].rindex("  store ")]


def _stored(found: re.Match[str], number: int, value: str, index: str) -> str:
    element, where = found["element"], f"%metal.place{number}"
    size = type_of(element).element_bytes
    at = index.split()[1]
    align = math.gcd(int(found["align"]), int(at) * size or int(found["align"])) if at.isdigit() else size
    return (
        f"  {where} = getelementptr inbounds {element}, ptr {found['place']}, {index}\n"
        f"  store {element} {value}, ptr {where}, align {align}\n"
    )


def _is_own(module: str, found: re.Match[str]) -> bool:
    """Return True if the place is part of a variable of the function itself, which no other thread writes to.

    Also for elements that are no bytes of their own.
    """
    if not type_of(found["element"]).count or found["element"] == "i1":
        return True
    start = module.rfind("\ndefine ", 0, found.start())
    body = module[start : found.start()]
    return any(definition["own"] for definition in _definitions(body, found["place"]))


def _definitions(body: str, name: str) -> Iterator[re.Match[str]]:
    while name:
        found = re.search(_POINTER.format(re.escape(name)), body)
        if found is None:
            return
        yield found
        name = found["base"] or ""
