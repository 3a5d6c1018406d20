"""A kernel's wrapper whose part for one thread becomes the code of a vector of threads."""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.lanes.analysis import Analysis
from metalsci.cpu_metal.compile.lanes.choices import with_choices_apart
from metalsci.cpu_metal.compile.lanes.code import HINTS, Code
from metalsci.cpu_metal.compile.lanes.flow import RefusedError, TooLongError
from metalsci.cpu_metal.compile.lanes.fused_loops import with_loops_fused
from metalsci.cpu_metal.compile.lanes.joined_stores import join_stores
from metalsci.cpu_metal.compile.lanes.own_places import SCRATCH, SCRATCH_TYPE
from metalsci.cpu_metal.compile.lanes.region import RegionWriter, Version
from metalsci.cpu_metal.compile.lanes.section import Section, section, with_addresses_inside
from metalsci.cpu_metal.compile.lanes.steps import EXCHANGE, SIMDGROUP, SIMDGROUP_BARRIER
from metalsci.cpu_metal.compile.lanes.storage import storage
from metalsci.cpu_metal.compile.lanes.tails import part_tails
from metalsci.cpu_metal.compile.lanes.tile import group_size
from metalsci.cpu_metal.compile.lanes.worth import WhenInLanes
from metalsci.cpu_metal.compile.llvm.function import Function, definitions, with_types_spelled_out
from metalsci.cpu_metal.compile.llvm.value_types import layout

_GROUP = "%metal.group"  # label of the place where a group's threads begin
_MOST_MEMORY = 3 << 20  # bytes of a worker's stack, which has 8 MiB
_MOST_INSTRUCTIONS = 6000  # LLVM takes about a second for them, and one and a half for 8,000


@dataclass(frozen=True)
class InLanes:
    """A module with a function that runs a vector of threads at a time.

    regions: parts between barriers. needs_whole_rows: it is only for groups whose rows are made of whole vectors.
    """

    module: str
    width: int
    regions: int
    needs_whole_rows: bool


def in_lanes(
    module: str,
    name: str,
    width: int,
    *,
    is_row: bool,
    for_any_group: bool = True,
    when: WhenInLanes = WhenInLanes.ANYHOW,
) -> InLanes:
    """Make the function `name` of a module run vectors of `width` threads, or of a simdgroup if it has such calls.

    is_row: its threads are a row of the grid, and do not depend on their group. Raises RefusedError with the reason if
        that is impossible.
    for_any_group: its groups may have rows that are not made of whole vectors, whose threads are joined to vectors.
    when: refuse threads that a loop over threads runs faster, or do not.
    """
    lines = module.split("\n")
    definition = next((each for each in definitions(lines) if each.name == name), None)
    if definition is None:
        raise RefusedError("there is no such function")
    if definition.last - definition.first > 2 * _MOST_INSTRUCTIONS:
        raise TooLongError("it is too long")
    function = Function.parse(with_types_spelled_out(module, lines[definition.first : definition.last + 1]))
    found = with_choices_apart(with_addresses_inside(section(with_loops_fused(function))))
    join_stores(found)
    part_tails(found.graph)
    length = sum(len(node.body) for node in found.graph.nodes.values())
    if length > _MOST_INSTRUCTIONS:
        raise TooLongError(f"it is {length:,} instructions long, of which LLVM would make vectors for too long a time")
    callees = {each.callee for node in found.graph.nodes.values() for each in node.body}
    width = SIMDGROUP if callees & {EXCHANGE, SIMDGROUP_BARRIER} else width
    known = Analysis(found, width, is_row=is_row, joins_rows=for_any_group and not is_row)
    if when is not WhenInLanes.ANYHOW and width != SIMDGROUP:
        known.check_worth(when)
    code = _code(known)
    body = [function.head, *_around(found, code.allocas), *code.lines, "}"]
    text = "\n".join([*lines[: definition.first], *body, *lines[definition.last + 1 :]])
    present = set(_declared(module))
    new = [line for name, line in code.declared.items() if name not in present]
    text += "\n".join(["", *new, *HINTS, ""])
    return InLanes(text, width, len(known.heads), known.needs_whole_rows)


def _declared(module: str) -> list[str]:
    return [
        line.partition("@")[2].partition("(")[0]
        for line in module.split("\n")
        if line.startswith(("declare", "define"))
    ]


def _code(known: Analysis) -> Code:
    """Write the threads' code, region after region. Raises RefusedError."""
    width = known.width
    code = Code("metal.w", width)
    kept = storage(known, code)
    rows = Version(Code("metal.r", width), known.in_rows, dict(kept.common), in_row=True)
    joined = Version(Code("metal.j", width), known.in_general, dict(kept.common), in_row=False)
    following = code.alloca("i32")
    starts = {head: code.name() for head in known.heads}
    code.label(_GROUP)
    size = group_size(code, known.section.size)
    code.do(f"br label {starts[known.heads[0]]}")
    writer = RegionWriter(known, code, size, kept, rows, joined, starts, following)
    for head in known.heads:
        writer.write(head)
    for version in (rows, joined):
        code.allocas += version.code.allocas
        code.declared |= version.code.declared
    memory = sum(_bytes(line) for line in code.allocas)
    if memory > _MOST_MEMORY:
        raise RefusedError(f"its threads would need {memory:,} bytes of memory of their own")
    return code


def _around(found: Section, allocas: Sequence[str]) -> list[str]:
    """Return the blocks outside the threads' code. allocas: what the function begins with."""
    lines: list[str] = []
    for number, block in enumerate(found.before):
        lines.append(f"{block.label[1:]}:")
        if number == 0:
            lines += [f"  {SCRATCH} = alloca {SCRATCH_TYPE}, align 64", *allocas]
        lines += [f"  {each.text}{each.metadata}" for each in block.instructions]
        if block.label == found.marked:
            lines.append(f"  br label {_GROUP}")
    return lines


def _bytes(line: str) -> int:
    kind = line.partition(" = alloca ")[2].partition(", align")[0]
    count, _, vector = kind.removeprefix("[").partition(" x ") if kind.startswith("[") else ("1", "", kind)
    known = layout(vector.removesuffix("]") if kind.startswith("[") else vector)
    return int(count) * (known.size if known is not None else 4)
