"""The pointers and vectors of a kernel's body, read from its text: which of them need no checks, or only in part."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.llvm.text import operands, typed
from metalsci.cpu_metal.compile.llvm.value_types import Type, type_of

RESULT = re.compile(r"^ +(?P<name>%(?:\"[^\"]+\"|\S+)) = (?P<rest>.*)$")
ALIGN = re.compile(r"\balign (\d+)")
LANE = re.compile(r"i32 (\w+)")
_POINTER = re.compile(r"%(?:\"[^\"]+\"|[\w.$-]+)")


@dataclass(frozen=True)
class Part:
    """Element `index` of a vector in memory, which becomes `value`, or element `lane` of the vector `value`."""

    index: str  # with its type
    value: str
    lane: int | None = None
    vector: str = ""


@dataclass(frozen=True)
class Vector:
    """A vector in memory with only some elements in use."""

    kind: Type
    pointer: str
    align: int


class Body:
    """A function's instructions, a line each."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._defined = {match["name"]: match["rest"] for line in lines if (match := RESULT.match(line))}
        self._users: Mapping[str, list[str]] = defaultdict(list)
        for line in lines:
            use = line.partition(" = ")[2] or line.strip()
            for name in set(_POINTER.findall(use)):
                self._users[name].append(use)
        self._private = _private(self._defined)
        self.merged = {name for line in lines for name, _ in [self.replacement(line)] if name}
        """Loads of whole vectors of which some elements are replaced and all are stored again."""
        self.vectors = {name: vector for name in self._defined if (vector := self._vector(name))}
        """By their names, loads of vectors of which no more than elements are used."""

    def is_private(self, pointer: str) -> bool:
        """Return True if a pointer leads to a thread's own variables, or to constants of the program."""
        return pointer in self._private or not pointer.startswith("%")

    def loaded(self, name: str, kind: Type) -> str:
        """Return the bytes that a load uses: of a vector of three, which is loaded as one of four, three."""
        users = self._users[name]
        if len(users) == 1 and users[0].startswith("shufflevector "):
            shuffle = users[0].partition(", !")[0]
        else:
            shuffle = ""
        three = kind.count == 4 and shuffle.endswith("<3 x i32> <i32 0, i32 1, i32 2>")
        if three:
            return str(3 * kind.element_bytes)
        return kind.bytes

    def stored(self, value: str, kind: Type) -> Type:
        """Return the type that a store uses: of a vector of three, which is stored as one of four, three."""
        made = self._defined.get(value, "")
        three = r"shufflevector <3 x .*<4 x i32> <i32 0, i32 1, i32 2, i32 (?:3|poison|undef)>"
        if kind.count == 4 and re.match(three, made):
            return type_of(f"<3 x {kind.element}>")
        return kind

    def replacement(self, line: str) -> tuple[str, list[Part]]:
        """Read a store that replaces elements of a vector loaded from the same place: the load, and the elements."""
        rest = line.strip()
        if not rest.startswith("store <"):
            return "", []
        kind, pointer, _ = access(rest)
        _, value = typed(operands(rest.removeprefix("store "))[0])
        made = self._defined.get(value, "")
        operation, _, given = made.partition(" ")
        if operation not in ("insertelement", "shufflevector"):
            return "", []
        first, second, third, *_ = operands(given)
        old = typed(first)[1]
        loaded = self._defined.get(old, "")
        if not loaded.startswith("load ") or len(self._users[old]) != 1 or access(loaded)[:2] != (kind, pointer):
            return "", []
        if operation == "insertelement":
            return old, [Part(third.partition(", !")[0], typed(second)[1])]
        mask = [int(index) if index.isdigit() else -1 for index in LANE.findall(third.partition("> ")[2])]
        kept = [index == at or index >= kind.count for at, index in enumerate(mask)]
        if len(mask) != kind.count or not all(kept):
            return "", []
        vector, value = typed(second)
        new = [(at, index - kind.count) for at, index in enumerate(mask) if index >= kind.count]
        return old, [Part(f"i64 {at}", value, lane, vector) for at, lane in new]

    def _vector(self, name: str) -> Vector | None:
        """Return the vector of a load whose users take only elements."""
        rest = self._defined[name]
        if not rest.startswith("load <") or name in self.merged:
            return None
        vector = Vector(*access(rest))
        taken = all(_takes_elements(user, name) for user in self._users[name]) and self._users[name]
        known = vector.kind.count > 1 and vector.kind.element != "i1" and not self.is_private(vector.pointer)
        if taken and known:
            return vector
        return None


def access(rest: str) -> tuple[Type, str, int]:
    """Return the type, the pointer and the alignment of a load or a store."""
    given = operands(re.sub(r"^(?:load|store) (?:atomic )?(?:volatile )?", "", rest))
    pointer = _POINTER.search(given[1].removeprefix("ptr "))
    align = ALIGN.search(rest)
    if rest.startswith("store"):
        kind = typed(given[0])[0]
    else:
        kind = given[0]
    return type_of(kind), pointer[0] if pointer else "", int(align[1]) if align else 1


def _private(defined: Mapping[str, str]) -> frozenset[str]:
    """Return pointers that lead only to a thread's own variables and to the program's constants.

    They are computed from those by constant indices, or by one into an array, which has been checked.
    """
    private = {name for name, rest in defined.items() if rest.startswith("alloca ")}
    for name, rest in defined.items():  # a pointer's operands come before it
        if rest.startswith("getelementptr "):
            kind, base, *indices = operands(rest.partition(", !")[0])
            bounded = (" [" in kind and len(indices) == 2) or not any("%" in index for index in indices)
            if bounded and (typed(base)[1] in private or typed(base)[1].startswith("@")):
                private.add(name)
    return frozenset(private)


def _takes_elements(user: str, vector: str) -> bool:
    """Return True if an instruction takes elements of a vector and does nothing else with it."""
    operation, _, given = user.partition(" ")
    if operation not in ("extractelement", "shufflevector"):
        return False
    first, second, *_ = operands(given)
    alone = operation == "extractelement" or typed(second)[1] in ("poison", "undef")
    return typed(first)[1] == vector and alone
