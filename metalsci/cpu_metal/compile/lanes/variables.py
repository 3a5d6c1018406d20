"""Variables of the threads that stay in memory, and how those of the lanes are laid out."""

from collections.abc import Iterable, Mapping, Sequence

from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import Graph, RefusedError
from metalsci.cpu_metal.compile.lanes.shapes import Shape, constant, fixed, steps
from metalsci.cpu_metal.compile.lanes.values import OwnVariable
from metalsci.cpu_metal.compile.llvm.function import Block
from metalsci.cpu_metal.compile.llvm.instruction import Instruction
from metalsci.cpu_metal.compile.llvm.value_types import layout, type_of

_LIFETIME = "llvm.lifetime."


def variables(around: Iterable[Block], graph: Graph) -> dict[str, OwnVariable]:
    """Find the variables that threads keep in memory, by name, including the shared ones. Raises RefusedError."""
    outside = [each for block in around for each in block.instructions]
    inside = [each for node in graph.nodes.values() for each in node.body]
    uses = _uses([*inside, *(each for node in graph.nodes.values() for each in node.phis)])
    uses_outside = _uses(outside)
    found = {}
    for each in outside:
        if each.opcode != "alloca" or each.result not in uses:
            continue
        known = layout(each.detail)
        if known is None or each.operands:
            raise RefusedError(f"a variable of type {each.detail}")
        pointers = _pointers([each.result], uses)
        using = [use for name in pointers for use in uses.get(name, ())]
        if any(not use.callee.startswith(_LIFETIME) for use in uses_outside.get(each.result, ())):
            if any(_writes(use, pointers) for use in using if use.opcode != "phi"):
                raise RefusedError("a variable that is used outside of threads too")
            found[each.result] = OwnVariable(known.size, 0, shared=True)
        else:
            into = _pointers([each.result], uses, only="getelementptr")
            found[each.result] = OwnVariable(known.size, _row_size(pointers, using), pointers=frozenset(into))
    return found


def shapes_of(found: Mapping[str, OwnVariable]) -> dict[str, Shape]:
    """Return the shapes of pointers to variables."""
    given = {}
    for name, variable in found.items():
        if not variable.shared:
            given[name] = Shape("rows", variable.rows) if variable.rows else Shape("strided", variable.size)
    return given


def keep_vectors_together(found: Mapping[str, OwnVariable], graph: Graph, known: Divergence) -> bool:
    """Take variables out of rows of which lanes load or store vectors at places of their own; return True if any was.

    A vector in one piece is one access for each lane, in rows as many gathers as it has elements.
    """
    in_pieces = {
        each.operands[-1].value
        for label, node in graph.nodes.items()
        for each in node.body
        if each.opcode in ("load", "store")
        and type_of(each.type if each.opcode == "load" else each.operands[0].type).is_vector
        and known.shape(each.operands[-1], label).kind == "varying"
    }
    changed = [each for each in found.values() if each.rows and not in_pieces.isdisjoint(each.pointers)]
    for variable in changed:
        variable.rows = 0
    return bool(changed)


def pointers_from(names: Iterable[str], instructions: Iterable[Instruction]) -> set[str]:
    """Return the pointers that instructions compute from some, these included."""
    return _pointers(names, _uses(instructions))


def _uses(instructions: Iterable[Instruction]) -> Mapping[str, Sequence[Instruction]]:
    """Return the instructions that use each value."""
    found = dict[str, list[Instruction]]()
    for each in instructions:
        for name in set(each.used):
            found.setdefault(name, []).append(each)
    return found


def _pointers(names: Iterable[str], uses: Mapping[str, Sequence[Instruction]], only: str = "") -> set[str]:
    """Follow pointers. only: an opcode, if no others are followed."""
    pending, found = list(names), set[str]()
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += [use.result for use in uses.get(name, ()) if use.type == "ptr" and only in ("", use.opcode)]
    found.discard("")
    return found


def _writes(use: Instruction, pointers: set[str]) -> bool:
    if use.opcode == "load" or use.opcode == "getelementptr":
        return False
    if use.opcode == "call":
        return not use.callee.startswith(_LIFETIME) and bool(pointers & set(use.used))
    return bool(pointers & set(use.used))


def _row_size(pointers: set[str], using: Sequence[Instruction]) -> int:
    """Return the bytes of an element if all accesses are to elements of one size; else 0. using: what uses pointers."""
    sizes: set[int] = set()
    for each in using:
        used = pointers & set(each.used)
        if each.opcode == "getelementptr":
            if each.operands[0].value not in used or _strides(each) is None:
                return 0
        elif each.opcode in ("load", "store"):
            kind = type_of(each.type if each.opcode == "load" else each.operands[0].type)
            is_value = each.opcode == "store" and each.operands[0].value in used
            unknown = not kind.count or kind.is_odd or kind.element == "i1"
            if is_value or each.flags or unknown:
                return 0
            sizes.add(kind.element_bytes)
        elif not each.callee.startswith(_LIFETIME):
            return 0
    if len(sizes) != 1:
        return 0
    (size,) = sizes
    steps_of = [_strides(each) or [] for each in using if each.opcode == "getelementptr"]
    if all(step % size == 0 for steps in steps_of for step in steps):
        return size
    return 0


def _strides(each: Instruction) -> list[int] | None:
    """Return the bytes by which a GEP moves: a step for each index that varies, and all constant ones added."""
    sizes = steps(each)
    if sizes is None:
        return None
    total, found = fixed(each), list[int]()
    for size, index in zip(sizes, each.operands[1:], strict=True):
        known = constant(index)
        if known is None:
            found.append(size)
        else:
            total += size * known
    return [*found, total]
