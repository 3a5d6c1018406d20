"""Accesses to one of several places, taken apart so that each place is accessed for what it is.

LLVM makes of `c ? q[i] : x[i]` one load of an address that it selects. With q a thread's own array, such an address is
of no shape that is known, and q could not be kept with the elements of all lanes side by side: every access to it would
gather. (The seed kernel of hmc was nine times slower by that.) Where two ways meet, it makes one load of two, by an
address that depends on the way: of what lanes have exchanged nothing is left there, and own arrays would gather too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from metalsci.cpu_metal.compile.lanes.flow import Edge, FlowNode, Graph
from metalsci.cpu_metal.compile.lanes.section import Section, come_from
from metalsci.cpu_metal.compile.lanes.variables import pointers_from
from metalsci.cpu_metal.compile.lanes.widen import is_elementwise
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.text import NAME

_MOST = 16  # places at which a kernel is cut
_PLACES = frozenset({"zext", "sext", "trunc", "add", "sub", "mul", "shl", "and", "or", "xor"})


def with_choices_apart(found: Section) -> Section:
    """Take accesses by a selected address apart if threads' own variables are among what is selected from."""
    graph = found.graph
    for node in list(graph.nodes.values()):
        for phi in list(node.phis):
            if phi.type == "ptr":
                _load_before(graph, node, phi)
    own = [each.result for block in found.before for each in block.instructions if each.opcode == "alloca"]
    everything = [each for node in graph.nodes.values() for each in [*node.phis, *node.body]]
    pointers = pointers_from(own, everything)
    for number in range(_MOST):
        access = next(_accesses(graph, pointers), None)
        if access is None:
            break
        _part(graph, *access, f"choice{number}")
    used = {name for node in graph.nodes.values() for each in [*node.phis, *node.body] for name in each.used}
    for node in graph.nodes.values():
        node.body[:] = [
            each for each in node.body if each.opcode != "select" or each.type != "ptr" or each.result in used
        ]
    return found


def _load_before(graph: Graph, node: FlowNode, phi: Instruction) -> None:
    """Load at the ends of the ways that lead to a node what it loads from an address that depends on the way."""
    users = [each for other in graph.nodes.values() for each in [*other.phis, *other.body] if phi.result in each.used]
    first = next((i for i, each in enumerate(node.body) if not _is_quiet(each)), len(node.body))
    moved = [each for each in users if _can_move(each) and each in node.body[:first]]
    sources = [graph.nodes[label] for label in phi.labels]
    leads_here = all(source.targets == [node.label] and not source.edges[0].barrier for source in sources)
    if not leads_here or not moved or len(moved) < len(users):
        return
    own = {each.result for each in node.body}
    places = {each.result: each for each in node.body if each.opcode in _PLACES}
    if any(used in own and used not in places for each in moved for used in _needed(each, places)):
        return
    for each in moved:
        values = []
        for number, source in enumerate(sources):
            given = {one.result: one.operands[one.labels.index(source.label)] for one in node.phis}
            for name in [name for name in _needed(each, places) if name in places]:
                _copy(source, places[name], f"{name}.{each.result[1:]}.from{number}", given)
            values.append(_copy(source, each, f"{each.result}.from{number}", given))
        joined = Instruction("", "phi", each.result, each.type, tuple(values), labels=phi.labels)
        node.phis.append(joined)
        node.body.remove(each)
        if joined.type == "ptr":
            _load_before(graph, node, joined)
    node.phis.remove(phi)


def _needed(each: Instruction, places: Mapping[str, Instruction]) -> list[str]:
    """List what an instruction uses, each name behind those that it is computed from by `places`."""
    found: list[str] = []
    for name in each.used:
        if name in places:
            found += _needed(places[name], places)
        found.append(name)
    return list(dict.fromkeys(found))


def _copy(source: FlowNode, each: Instruction, result: str, given: dict[str, Operand]) -> Operand:
    """Compute an instruction's value at the end of a node, by the name `result`; add it to what is given there."""
    source.body.append(_with(each, result, given))
    given[each.result] = Operand(each.type, result)
    return given[each.result]


def _can_move(each: Instruction) -> bool:
    return each.opcode == "getelementptr" or (each.opcode == "load" and not each.flags)


def _with(each: Instruction, result: str, given: Mapping[str, Operand]) -> Instruction:
    """Give the same instruction with other operands."""
    names = {name: operand.value for name, operand in given.items()}
    if each.result:
        names[each.result] = result
    operands = tuple(given.get(operand.value, operand) for operand in each.operands)
    text = NAME.sub(lambda found: names.get(found[0], found[0]), each.text)
    return replace(each, text=text, result=result, operands=operands)


def _is_quiet(each: Instruction) -> bool:
    """Check that an instruction writes nothing that a load behind it might read."""
    return each.opcode not in ("store", "atomicrmw", "cmpxchg", "fence") and (
        each.opcode != "call" or is_elementwise(each.callee)
    )


def _accesses(graph: Graph, pointers: set[str]) -> Iterator[tuple[FlowNode, int, Instruction]]:
    """Find plain loads and stores by a select of one of the pointers: the node, the place in it and the select."""
    selects = {
        each.result: each
        for node in graph.nodes.values()
        for each in node.body
        if each.opcode == "select"
        and each.type == "ptr"
        and each.operands[0].type == "i1"
        and pointers & set(each.used)
    }
    for node in graph.nodes.values():
        for index, each in enumerate(node.body):
            if each.opcode in ("load", "store") and not each.flags and each.operands[-1].value in selects:
                yield node, index, selects[each.operands[-1].value]


def _part(graph: Graph, node: FlowNode, index: int, select: Instruction, name: str) -> None:
    """Make of the access at a place of a node a branch by what the select asks."""
    access, (condition, *places) = node.body[index], select.operands
    arms, rest = [f"{node.label}.{name}.{arm}" for arm in ("yes", "no")], f"{node.label}.{name}"
    results = ["", ""]
    if access.result:
        results = [f"{access.result}.{name}.{arm}" for arm in ("yes", "no")]
    for label, result, place in zip(arms, results, places, strict=True):
        graph.nodes[label] = FlowNode(label, [], [_by(access, result, place)], [Edge(rest)])
    phis = []
    if access.result:
        values = tuple(Operand(access.type, result) for result in results)
        phis = [Instruction("", "phi", access.result, access.type, values, labels=tuple(arms))]
    graph.nodes[rest] = FlowNode(rest, phis, node.body[index + 1 :], node.edges, node.condition, node.cases)
    node.body, node.edges, node.condition, node.cases = node.body[:index], [Edge(arm) for arm in arms], condition, ()
    come_from(graph, node.label, rest)


def _by(access: Instruction, result: str, place: Operand) -> Instruction:
    """Give the same access by another address."""
    operands = (*access.operands[:-1], place)
    if access.opcode == "store":
        text = f"store {operands[0]}, {place}, align {access.align}"
    else:
        text = f"{result} = load {access.type}, {place}, align {access.align}"
    return replace(access, text=text, result=result, operands=operands)
