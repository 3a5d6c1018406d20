"""A guess of whether a vector of threads is faster than one thread after the other."""

from collections.abc import Callable, Iterable, Mapping, Set
from enum import Enum, auto

from metalsci.cpu_metal.compile.lanes.bisection import is_bisection
from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import Graph
from metalsci.cpu_metal.compile.lanes.sparse import joined
from metalsci.cpu_metal.compile.llvm.conditions import halves
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.value_types import layout, type_of

# Operations for which lanes must do work, for each element that is gathered, to make up for it. Measured: a sparse
# product has 3 and takes 8 times as long in lanes, a count of what comes before has 5 and takes 6 times as long, forces
# of neighbours in a list have 9 and take as long; escape times have no gather and take a tenth.
_FEWEST = 8
# The same for a kernel that is long. Measured, with AVX-512: of forces of neighbours in lists, eight kernels with 15 to
# 17 take 0.9 to 1.5 times as long in lanes, three with 22 to 25 and 27 loops one after the other take 1.06 to 1.21
# times as long, and LLVM takes five times as long to compile these. One with 28 takes 0.6 times as long in lanes.
FEWEST_IF_LONG = 27
# The same for threads without loops. Measured, with AVX-512 and with AVX2: a gate on qubits has 1 for each element that
# it accesses and takes 3 times as long in lanes. A transposed copy has 5 and takes 0.56 and 1.0 times as long, a coarse
# grid's values brought to a fine one have 6 and take 1.1 and 0.6 times as long.
_FEWEST_WITHOUT_LOOPS = 5
_SPARSE = 8  # threads of which one does their work
_WORD = 4  # bytes of an element that vectors gather
_NEAR = 4  # elements from lane to lane that are loaded with those between them and taken apart
_NOTHING = ("llvm.lifetime", "llvm.assume")
_FREE = frozenset({"phi", "getelementptr", "zext", "sext", "trunc", "bitcast", "freeze", "br", "switch"})
# Of a vector in lanes each element is a vector of its own.
_FREE_WITHOUT_LOOPS = _FREE | {"extractelement", "insertelement", "shufflevector"}


class WhenInLanes(Enum):
    """The condition on which threads are to become vectors."""

    ANYHOW = auto()
    IF_FASTER = auto()
    IF_FASTER_THOUGH_LONG = auto()
    """Vectors must gain enough to make up for the compiler's time."""


def gathered_too_much(graph: Graph, known: Divergence, fewest: int = _FEWEST) -> Instruction | None:
    """Find a loop that threads leave at different times and that does little but access places, each its own.

    Return one of its loads or atomic operations.
    """
    for loop in known.loops:
        if loop.header in known.divergent and _is_slow(graph, known, loop.nodes, _gathered, fewest, _FREE):
            loads = [
                each
                for label in graph.ordered(loop.nodes)
                for each in graph.nodes[label].body
                if _gathered(each, known, label)
            ]
            if not is_bisection(graph, loop, loads):
                return loads[0]
    return None


def scatters_too_much(graph: Graph, known: Divergence, own: Set[str]) -> bool:
    """Find threads without loops that do little but access places that do not lie next to those of other threads.

    own: pointers to threads' own variables.
    """

    def scattered(each: Instruction, known: Divergence, label: str) -> int:
        return 0 if _is_own_word(each, own) else _scattered(each, known, label)

    return not known.loops and _is_slow(
        graph, known, graph.nodes, scattered, _FEWEST_WITHOUT_LOOPS, _FREE_WITHOUT_LOOPS
    )


def few_have_loops(graph: Graph, known: Divergence) -> Instruction | None:
    """Find threads of which a few at fixed places have all the loops, as in `if (i % 32 != 0) return;`.

    Return the question that parts them from the others.

    A thread that does the work of many is vectorised by itself, and in lanes it would have a vector to itself.
    """
    defined = {each.result: each for node in graph.nodes.values() for each in [*node.phis, *node.body]}
    seen, waiting = {graph.entry}, [graph.entry]
    question: Instruction | None = None
    while waiting:
        node = graph.nodes[waiting.pop()]
        edges = node.edges
        if node.condition is not None and len(edges) == 2:
            few = _few(node.condition, defined, known, node.label)
            if few is not None and question is None:
                question = defined[node.condition.value]
            edges = [edge for edge, answer in zip(edges, (True, False), strict=True) if answer != few]
        targets = {edge.target for edge in edges if not edge.ends}
        new = [target for target in targets if target in graph.nodes and target not in seen]
        seen.update(new)
        waiting += new
    if not known.loops or any(loop.header in seen for loop in known.loops):
        return None
    return question


def _few(condition: Operand, defined: Mapping[str, Instruction], known: Divergence, at: str) -> bool | None:
    """Return the answer that few lanes give to a condition, None if none is known.

    What all lanes have in common decides nothing: `i % 8 != 0 && n > 1` is false for few, if not for all.
    """
    each = defined.get(condition.value)
    if each is None:
        return None
    match each.opcode, each.detail:
        case "icmp", ("eq" | "ne") as predicate:
            left, right = each.operands
            bits = joined(left, defined) if right.value == "0" else [left]
            if known.shape(right, at).kind != "uniform" or not any(_is_sparse(o, defined, known, at) for o in bits):
                return None
            return predicate == "eq"
        case (("or" | "and" | "select"), _):
            parts = halves(each)
            if parts is None:
                return None
            joins, given = parts[0] == "or", parts[1:]
            answers = [_few(operand, defined, known, at) for operand in given if operand.is_local]
            varying = [known.shape(operand, at).kind != "uniform" for operand in given if operand.is_local]
            if (not joins) in answers:
                return not joins
            decide = [answer for answer, differs in zip(answers, varying, strict=True) if differs]
            return joins if decide and all(answer == joins for answer in decide) else None
        case "freeze", _:
            return _few(each.operands[0], defined, known, at)
    return None


def _is_sparse(value: Operand, defined: Mapping[str, Instruction], known: Divergence, at: str) -> bool:
    """Return True for a lane's number, or for what is left of it modulo eight or more.

    A mask that is not known, as in `(i & (2 * run - 1)) != 0`, counts as a long one.
    """
    if _is_number(value, known, at):
        return True
    each = defined.get(value.value)
    if each is None or each.opcode not in ("and", "urem", "srem") or not _is_number(each.operands[0], known, at):
        return False
    by = each.operands[1]
    if not by.value.isdigit():
        return known.shape(by, at).kind == "uniform"
    return (1 << int(by.value).bit_count() if each.opcode == "and" else int(by.value)) >= _SPARSE


def _is_number(value: Operand, known: Divergence, at: str) -> bool:
    """Return True for a value that no two lanes have in common."""
    shape = known.shape(value, at)
    return shape.kind == "strided" and shape.stride != 0


def _is_slow(
    graph: Graph,
    known: Divergence,
    labels: Iterable[str],
    dear: Callable[[Instruction, Divergence, str], int],
    fewest: int,
    free: Set[str],
) -> bool:
    elements = operations = 0
    for label in labels:
        for each in graph.nodes[label].body:
            count = dear(each, known, label)
            elements += count
            if not count and each.opcode not in free and not each.callee.startswith(_NOTHING):
                operations += 1
    return elements > 0 and operations < fewest * elements


def _gathered(each: Instruction, known: Divergence, label: str) -> int:
    """Count a load from a thread's own places as one, and an atomic operation there, which no vector has, as two.

    Measured: an insertion into a hash table by compare-exchange takes 1.3 to 1.6 times as long in lanes.
    """
    if each.opcode in ("atomicrmw", "cmpxchg"):
        return 2 * int(known.shape(each.operands[0], label).kind == "varying")
    return int(each.opcode == "load" and _is_apart(each, each.type, known, label))


def _scattered(each: Instruction, known: Divergence, label: str) -> int:
    """Count elements that are accessed one by one; those that are written twice, since AVX2 has no scatter."""
    if each.opcode in ("atomicrmw", "cmpxchg"):
        return 2
    if each.opcode == "load":
        kind, factor = each.type, 1
    elif each.opcode == "store":
        kind, factor = each.operands[0].type, 2
    else:
        return 0
    if _is_apart(each, kind, known, label):
        return factor * max(1, type_of(kind).count)
    return 0


def _is_own_word(each: Instruction, own: Set[str]) -> bool:
    """Recognise an access to an element of four bytes of a thread's own array.

    LLVM does not vectorise threads with such arrays, so that the other way is one thread after the other. Measured:
    three kernels that exchange rows or elements by indices of their own take 0.34 to 0.43 times as long in lanes with
    AVX-512, 0.54 to 0.87 with AVX2. Two whose elements are bytes and vectors take 1.3 to 1.8 times as long.
    """
    if each.opcode not in ("load", "store") or each.operands[-1].value not in own:
        return False
    kind = type_of(each.type if each.opcode == "load" else each.operands[0].type)
    return kind.count == 1 and not kind.is_vector and kind.element_bytes == _WORD


def _is_apart(access: Instruction, kind: str, known: Divergence, label: str) -> bool:
    """Return True if the places that lanes access are accessed one by one."""
    size, shape = layout(kind), known.shape(access.operands[-1], label)
    if shape.kind != "strided" or size is None:
        return shape.kind in ("varying", "strided")
    element = type_of(kind).element_bytes
    if access.opcode == "load" and element and shape.stride % element == 0:
        return not 0 < shape.stride <= _NEAR * element
    return shape.stride != size.size
