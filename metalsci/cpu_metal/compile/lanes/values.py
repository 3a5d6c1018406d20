"""Values of the threads' code as scalars and vectors, and where they are kept from block to block.

A value that is used in another block is stored and loaded again: LLVM makes registers of that. A value that is used
behind a barrier is kept in an array with a place for each vector of threads.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from metalsci.cpu_metal.compile.lanes.code import Code, constant_elements, constant_vector
from metalsci.cpu_metal.compile.lanes.divergence import Divergence
from metalsci.cpu_metal.compile.lanes.flow import Graph
from metalsci.cpu_metal.compile.lanes.shapes import Shape
from metalsci.cpu_metal.compile.llvm.instruction import Instruction, Operand
from metalsci.cpu_metal.compile.llvm.text import NAME
from metalsci.cpu_metal.compile.llvm.value_types import fields, type_of

MOST_VECTORS = 1024
"""Threads of the largest group: the vectors of a group are as many divided by the lanes."""

INCOMING = "incoming"
"""Purpose of the place that keeps a phi's next value, if all threads of a group have it in common."""

_PROMISING = frozenset({"add", "sub", "mul", "shl", "lshr", "udiv", "zext", "getelementptr", "or", "trunc", "icmp"})


@cache
def pieces(kind: str) -> Sequence[str]:
    """Return the scalar types of which a value consists: a vector's elements, a struct's fields."""
    if kind.startswith("{"):
        return tuple(piece for each in fields(kind) for piece in pieces(each))
    known = type_of(kind)
    if known.count:
        return (known.element,) * known.count
    return (kind,)


@dataclass
class OwnVariable:
    """A thread's own variable that stays in memory.

    rows: bytes of an element if its elements lie next to those of the other lanes; 0 if each lane has the variable in
        one piece.
    pointers: to it and into it, by name.
    """

    size: int
    rows: int
    shared: bool = False
    """It belongs to all threads: it is made before they begin and never written by them."""
    pointers: frozenset[str] = frozenset()


@dataclass
class Values:
    """One version of the threads' code. tile: the vector of threads that runs, an i64."""

    code: Code
    graph: Graph
    known: Divergence
    crossing: frozenset[str]
    variables: Mapping[str, OwnVariable]
    at: str = ""
    tile: str = "0"
    mask: str = ""
    full: bool = False
    """True if all lanes are active, for certain."""
    full_or_dead: bool = True
    """True if lanes that are not active have ended."""
    all_stay: bool = False
    """True if no lane leaves a loop after the instruction that is written."""
    scalars: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, list[str]] = field(default_factory=dict)
    left: dict[str, list[str]] = field(default_factory=dict)
    fixed_scalars: dict[str, str] = field(default_factory=dict)
    fixed_vectors: dict[str, list[str]] = field(default_factory=dict)
    slots: dict[tuple[str, int, str], str] = field(default_factory=dict)
    widen: Callable[[Instruction], list[str]] = lambda _: []

    def __post_init__(self) -> None:
        self.defined = {
            each.result: each for node in self.graph.nodes.values() for each in [*node.phis, *node.body] if each.result
        }
        self.uses = self._uses()
        in_rows = [each.pointers for each in self.variables.values() if each.rows]
        self._in_rows = frozenset[str]().union(*in_rows)

    def _uses(self) -> Mapping[str, set[str]]:
        """Find the nodes in which each value is needed."""
        found: dict[str, set[str]] = defaultdict(set)
        for label, node in self.graph.nodes.items():
            for phi in node.phis:
                for operand, source in zip(phi.operands, phi.labels, strict=True):
                    found[operand.value].add(source)
            for name in [name for each in node.body for name in each.used]:
                found[name].add(label)
            if node.condition is not None:
                found[node.condition.value].add(label)
        # A value without an exact stride is computed again at each use.
        again = [name for name, shape in self.known.shapes.items() if not shape.exact and name in self.defined]
        changed = True
        while changed:
            changed = False
            for name in again:
                for used in self.defined[name].used:
                    if not found[name] <= found[used]:
                        found[used] |= found[name]
                        changed = True
        return found

    def enter(self, label: str) -> None:
        """Begin the node `label`: values that were computed in others are in memory."""
        self.at = label
        self.scalars, self.vectors, self.left = {}, {}, {}

    @contextmanager
    def on_one_way(self) -> Iterator[None]:
        """Forget afterwards what is computed meanwhile: values that are computed on one way are missing on another."""
        scalars, vectors, left = dict(self.scalars), dict(self.vectors), dict(self.left)
        yield
        self.scalars, self.vectors, self.left = scalars, vectors, left

    def shape(self, operand: Operand) -> Shape:
        return self.known.shape(operand, self.at)

    def apart(self, pointer: Operand) -> int:
        """Return how many times further apart than in Metal the elements behind a pointer are: a variable's in rows."""
        return self.code.width if pointer.value in self._in_rows else 1

    def is_used_elsewhere(self, name: str) -> bool:
        place = self.known.place.get(name, "")
        return any(use != place for use in self.uses.get(name, ()))

    def scalar(self, operand: Operand) -> str:
        """Return the value that all lanes have, or lane 0's."""
        name = operand.value
        if not operand.is_local:
            return name
        if name in self.fixed_scalars:
            return self.fixed_scalars[name]
        if name not in self.defined:
            return name
        if name not in self.scalars:
            self.scalars[name] = self.code.new(f"load {operand.type}, ptr {self.slot(name, operand.type)}")
        return self.scalars[name]

    def vector(self, operand: Operand) -> list[str]:
        """Return the value in all lanes: a vector for each of its pieces."""
        name, kinds = operand.value, pieces(operand.type)
        if not operand.is_local and not name.startswith("@") and "(" not in name.removeprefix("splat ("):
            elements = constant_elements(operand.type, name)
            return [constant_vector(kind, each) for kind, each in zip(kinds, elements, strict=True)]
        if name in self.fixed_vectors:
            return self.fixed_vectors[name]
        if self.known.has_left(name, self.at):
            if name not in self.left:
                self.left[name] = self._loaded(name, kinds, "left")
            return self.left[name]
        if name not in self.vectors:
            self.vectors[name] = self._vector(operand, kinds)
        return self.vectors[name]

    def _vector(self, operand: Operand, kinds: Sequence[str]) -> list[str]:
        name, shape = operand.value, self.shape(operand)
        if shape.kind == "varying":
            return self._loaded(name, kinds, "")
        if shape.kind == "uniform":
            return self._spread(operand, kinds)
        if shape.exact:
            return [self.code.ramp(operand.type, self.scalar(operand), shape.stride)]
        return self.widen(self.defined[name])

    def _spread(self, operand: Operand, kinds: Sequence[str]) -> list[str]:
        scalar = self.scalar(operand)
        if operand.type in kinds:
            return [self.code.splat(operand.type, scalar)]
        take = "extractvalue" if operand.type.startswith("{") else "extractelement"
        found = []
        for index, kind in enumerate(kinds):
            where = str(index) if take == "extractvalue" else f"i64 {index}"
            found.append(self.code.splat(kind, self.code.new(f"{take} {operand.type} {scalar}, {where}")))
        return found

    def loaded(self, name: str, kind: str, purpose: str = "") -> list[str]:
        """Load the kept value in all lanes."""
        return self._loaded(name, pieces(kind), purpose)

    def _loaded(self, name: str, kinds: Sequence[str], purpose: str) -> list[str]:
        code = self.code
        return [
            code.new(f"load {code.vector(kind)}, ptr {self.slot(name, code.vector(kind), index, purpose)}")
            for index, kind in enumerate(kinds)
        ]

    def keep(self, name: str, kind: str, value: str | list[str]) -> None:
        """Remember a value that was just computed, for this node and for those that use it."""
        code = self.code
        if isinstance(value, str):
            self.scalars[name] = value
            if self.is_used_elsewhere(name):
                code.do(f"store {kind} {value}, ptr {self.slot(name, kind)}")
        else:
            self.vectors[name] = value
            if self.is_used_elsewhere(name):
                self._store(name, kind, value, "")
        self.leave(name, kind)

    def leave(self, name: str, kind: str) -> None:
        """Keep the values of active lanes, for when they have left the loop that computes them."""
        if self.all_stay or not self.known.divergent:
            return
        if not any(self.known.has_left(name, use) for use in self.uses.get(name, ())):
            return
        self._store(name, kind, self.blended(name, kind, self.vector(Operand(kind, name)), self.mask, "left"), "left")

    def blended(self, name: str, kind: str, value: list[str], mask: str, purpose: str = "") -> list[str]:
        """Return `value` in the lanes of `mask` and the kept value in the others."""
        code, found = self.code, []
        for index, (piece, new) in enumerate(zip(pieces(kind), value, strict=True)):
            vector = code.vector(piece)
            old = code.new(f"load {vector}, ptr {self.slot(name, vector, index, purpose)}")
            found.append(code.new(f"select {code.mask} {mask}, {vector} {new}, {vector} {old}"))
        return found

    def _store(self, name: str, kind: str, value: list[str], purpose: str) -> None:
        for index, (piece, new) in enumerate(zip(pieces(kind), value, strict=True)):
            vector = self.code.vector(piece)
            self.code.do(f"store {vector} {new}, ptr {self.slot(name, vector, index, purpose)}")

    def keep_phi(self, name: str, kind: str, value: str | list[str], purpose: str = "") -> None:
        """Store the next value of a phi."""
        if isinstance(value, str):
            self.code.do(f"store {kind} {value}, ptr {self.slot(name, kind, 0, purpose)}")
        else:
            self._store(name, kind, value, purpose)

    def slot(self, name: str, kind: str, index: int = 0, purpose: str = "") -> str:
        """Return the address at which a value, or piece `index` of it, is kept."""
        key = (name, index, purpose)
        crosses = name in self.crossing
        if key not in self.slots:
            most = MOST_VECTORS // self.code.width
            self.slots[key] = self.code.alloca(f"[{most} x {kind}]" if crosses else kind, 64 if crosses else 0)
        if not crosses:
            return self.slots[key]
        return self.code.new(f"getelementptr {kind}, ptr {self.slots[key]}, i64 {self.tile}")

    def at_lane(self, operand: Operand, lane: str) -> str:
        """Return the value in one lane (an i64) of an operand with a stride."""
        shape, code = self.shape(operand), self.code
        if shape.kind != "strided":
            return self.scalar(operand)
        if shape.exact:
            start = self.scalar(operand)
            if operand.type == "ptr":
                return code.new(f"getelementptr i8, ptr {start}, i64 {code.new(f'mul i64 {lane}, {shape.stride}')}")
            bits = int(operand.type[1:])
            narrow = lane if bits == 64 else code.new(f"trunc i64 {lane} to {operand.type}")
            step = code.new(f"mul {operand.type} {narrow}, {shape.stride % (1 << bits)}")
            return code.new(f"add {operand.type} {start}, {step}")
        instruction = self.defined[operand.value]
        given = {each.value: self.at_lane(each, lane) for each in instruction.operands if each.is_local}
        return code.new(respelled(instruction, given))

    def spelled(self, instruction: Instruction) -> str:
        """Spell the instruction with scalars in place of its operands, without its metadata."""
        return respelled(instruction, {each.value: self.scalar(each) for each in instruction.operands if each.is_local})


def respelled(instruction: Instruction, given: Mapping[str, str]) -> str:
    text = instruction.text.partition(" = ")[2] if instruction.result else instruction.text
    # Flags were promised for the values of threads, which a scalar that stands for them need not be.
    if instruction.opcode in _PROMISING:
        opcode, _, rest = text.partition(" ")
        text = f"{opcode} {rest.removeprefix(instruction.flags).strip()}" if instruction.flags else text
    return NAME.sub(lambda found: given.get(found[0], found[0]), text)
