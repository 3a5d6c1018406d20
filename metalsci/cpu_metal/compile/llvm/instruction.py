"""One instruction of LLVM's text, taken apart."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypedDict

from metalsci.cpu_metal.compile.llvm.text import NAME, closed, operands, split_type, typed, without_metadata

_RESULT = re.compile(r"^(%(?:\"[^\"]+\"|[\w.$-]+)) = ")
_ALIGN = re.compile(r", align (\d+)")
_LABEL = re.compile(r"label (%(?:\"[^\"]+\"|[\w.$-]+))")
_CASE = re.compile(r"(i\d+) (-?\w+), label (%(?:\"[^\"]+\"|[\w.$-]+))")
_INCOMING = re.compile(r"\[ (.+?), (%(?:\"[^\"]+\"|[\w.$-]+)) \]")
_CALLEE = re.compile(r"[@%](?:\"[^\"]+\"|[\w.$-]+)\(")


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BINARY = words("add sub mul udiv sdiv urem srem shl lshr ashr and or xor fadd fsub fmul fdiv frem")
_CASTS = words("trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast addrspacecast")
# Words that may stand between an operation and its first type.
_FLAGS = words(
    "nuw nsw exact disjoint nneg samesign inbounds nusw nnan ninf nsz arcp contract afn reassoc fast "
    "volatile atomic weak tail musttail notail"
)
_CALL_WORDS = _FLAGS | words("fastcc noundef signext zeroext inreg nonnull noalias")


@dataclass(frozen=True)
class Operand:
    """A value with its type."""

    type: str
    value: str

    @property
    def is_local(self) -> bool:
        return self.value.startswith("%")

    def __str__(self) -> str:
        return f"{self.type} {self.value}"


class _Parts(TypedDict, total=False):
    """Fields of an instruction that a reader finds."""

    type: str
    operands: tuple[Operand, ...]
    flags: str
    labels: tuple[str, ...]
    detail: str
    align: int
    tail: str


@dataclass(frozen=True)
class Instruction:
    """The parts of an instruction.

    result: the name of its value, empty without one; type: the value's, `void` without one. flags: words like `nuw` or
    `fast`. labels: of a branch or a switch, where it goes, the default first; of a phi, where each operand comes from.
    detail: the predicate of a comparison, the source type of a GEP, the operation of an atomicrmw, the name that a call
    calls with its `@`, the indices of an extractvalue, the type of an alloca. tail: the text behind the operands, such
    as
    orderings. metadata: from the first `, !` on.
    """

    text: str
    opcode: str
    result: str = ""
    type: str = "void"
    operands: tuple[Operand, ...] = ()
    flags: str = ""
    labels: tuple[str, ...] = ()
    detail: str = ""
    align: int = 0
    tail: str = ""
    metadata: str = ""

    @property
    def is_terminator(self) -> bool:
        return self.opcode in ("br", "switch", "ret", "unreachable")

    @cached_property
    def used(self) -> Sequence[str]:
        """Names of local values among the operands."""
        return [operand.value for operand in self.operands if operand.value.startswith("%")]

    @property
    def callee(self) -> str:
        """Name of the called function, without `@`; empty for other instructions."""
        if self.opcode == "call":
            return self.detail[1:].strip('"')
        return ""

    def renamed(self, names: Mapping[str, str], labels: Mapping[str, str]) -> Self:
        """Return the instruction with other names of values and of blocks."""
        both = {**names, **labels}
        return replace(
            self,
            text=NAME.sub(lambda found: both.get(found[0], found[0]), self.text),
            result=names.get(self.result, self.result),
            operands=tuple(replace(each, value=names.get(each.value, each.value)) for each in self.operands),
            labels=tuple(labels.get(label, label) for label in self.labels),
        )

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line; the cases of a switch belong to it. Raises ValueError if it is no instruction."""
        text, metadata = without_metadata(line.strip())
        found = _RESULT.match(text)
        result = found[1] if found else ""
        opcode, _, rest = text[found.end() if found else 0 :].partition(" ")
        if opcode in ("tail", "musttail", "notail"):
            opcode, _, rest = rest.partition(" ")
        read = _READERS.get(opcode)
        if read is None:
            raise ValueError(f"unknown operation in '{text}'")
        return cls(text, opcode, result, metadata=metadata, **read(rest))


def _flagged(rest: str) -> tuple[str, str]:
    """Split the flags off."""
    flags = []
    word, _, after = rest.partition(" ")
    while word in _FLAGS:
        flags.append(word)
        rest = after
        word, _, after = rest.partition(" ")
    return " ".join(flags), rest


def _values(parts: list[str]) -> tuple[Operand, ...]:
    return tuple(Operand(*typed(part)) for part in parts)


def _binary(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    first, second = operands(rest)[:2]
    kind, left = split_type(first)
    return {"flags": flags, "type": kind, "operands": (Operand(kind, left), Operand(kind, second))}


def _unary(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    kind, value = split_type(operands(rest)[0])
    return {"flags": flags, "type": kind, "operands": (Operand(kind, value),)}


def _compare(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    predicate, _, rest = rest.partition(" ")
    first, second = operands(rest)[:2]
    kind, left = split_type(first)
    count = re.match(r"<(\d+) x ", kind)
    truth = f"<{count[1]} x i1>" if count else "i1"
    return {
        "flags": flags,
        "detail": predicate,
        "type": truth,
        "operands": (Operand(kind, left), Operand(kind, second)),
    }


def _cast(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    value, _, target = rest.rpartition(" to ")
    return {"flags": flags, "type": target, "operands": (Operand(*typed(value)),)}


def _load(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    parts = operands(rest)
    pointer, tail = _ordered(parts[1])
    return {"flags": flags, "type": parts[0], "operands": (pointer,), "align": _alignment(rest), "tail": tail}


def _store(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    parts = operands(rest)
    pointer, tail = _ordered(parts[1])
    return {
        "flags": flags,
        "operands": (Operand(*typed(parts[0])), pointer),
        "align": _alignment(rest),
        "tail": tail,
    }


def _ordered(part: str) -> tuple[Operand, str]:
    """Split an atomic access's pointer from its ordering: `ptr %p monotonic`."""
    kind, rest = split_type(part)
    found = NAME.match(rest)
    if found and rest[found.end() :].strip():
        return Operand(kind, found[0]), rest[found.end() :].strip()
    return Operand(kind, rest), ""


def _alignment(rest: str) -> int:
    found = _ALIGN.search(rest)
    if found:
        return int(found[1])
    return 1


def _pointer(rest: str) -> _Parts:
    words, rest = _flagged(rest)
    while rest.startswith(("inrange", "nusw")):
        rest = rest.partition(" ")[2]
    parts = operands(rest)
    given = _values(parts[1:])
    vector = next((each.type for each in given if each.type.startswith("<")), "")
    count = re.match(r"<(\d+) x ", vector)
    kind = f"<{count[1]} x ptr>" if count else "ptr"
    return {"flags": words, "detail": parts[0], "type": kind, "operands": given}


def _select(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    given = _values(operands(rest))
    return {"flags": flags, "type": given[1].type, "operands": given}


def _phi(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    kind, incoming = split_type(rest)
    pairs = _INCOMING.findall(incoming)
    values = tuple(Operand(kind, value) for value, _ in pairs)
    return {"flags": flags, "type": kind, "operands": values, "labels": tuple(label for _, label in pairs)}


def _call(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    while (word := rest.partition(" ")[0].partition("(")[0]) in _CALL_WORDS or word in ("range", "align", "nofpclass"):
        if rest[len(word) : len(word) + 1] == "(":
            end = closed(rest, len(word))
        else:
            end = len(word)
        rest = rest[end:].strip()
    kind, rest = split_type(rest)
    found = _CALLEE.search(rest)
    if found is None:
        raise ValueError(f"unknown callee in '{rest}'")
    start = found.end() - 1
    end = closed(rest, start)
    inside = rest[start + 1 : end - 1]
    given = _values(operands(inside)) if inside else ()
    return {
        "flags": flags,
        "type": kind,
        "detail": rest[found.start() : start],
        "operands": given,
        "tail": rest[end:].strip(),
    }


def _elements(rest: str) -> _Parts:
    given = _values(operands(rest))
    vector = given[0].type
    return {"type": vector, "operands": given}


def _extract(rest: str) -> _Parts:
    given = _values(operands(rest))
    element = given[0].type.partition(" x ")[2].removesuffix(">")
    return {"type": element, "operands": given}


def _shuffle(rest: str) -> _Parts:
    given = _values(operands(rest))
    count = re.match(r"<(\d+) x ", given[2].type)
    element = given[0].type.partition(" x ")[2]
    return {"type": f"<{count[1] if count else 0} x {element}", "operands": given}


def _field(rest: str) -> _Parts:
    from metalsci.cpu_metal.compile.llvm.value_types import fields

    aggregate, *indices = operands(rest)
    given = Operand(*typed(aggregate))
    kind = given.type
    for index in indices:
        if kind.startswith("{"):
            kind = fields(kind)[int(index)]
        else:
            kind = kind.partition(" x ")[2][:-1]
    return {"type": kind, "operands": (given,), "detail": ", ".join(indices)}


def _insert_field(rest: str) -> _Parts:
    aggregate, value, *indices = operands(rest)
    given = _values([aggregate, value])
    return {"type": given[0].type, "operands": given, "detail": ", ".join(indices)}


def _modify(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    operation, _, rest = rest.partition(" ")
    parts = operands(rest)
    value, tail = _operand_and_tail(parts[1])
    return {
        "flags": flags,
        "detail": operation,
        "type": value.type,
        "operands": (Operand(*typed(parts[0])), value),
        "tail": tail,
        "align": _alignment(rest),
    }


def _exchange(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    parts = operands(rest)
    new, tail = _operand_and_tail(parts[2])
    given = (Operand(*typed(parts[0])), Operand(*typed(parts[1])), new)
    kind = f"{{ {new.type}, i1 }}"
    return {"flags": flags, "type": kind, "operands": given, "tail": tail, "align": _alignment(rest)}


def _operand_and_tail(part: str) -> tuple[Operand, str]:
    kind, rest = split_type(part)
    value, _, tail = rest.partition(" ")
    return Operand(kind, value), tail


def _branch(rest: str) -> _Parts:
    labels = tuple(_LABEL.findall(rest))
    if len(labels) == 1:
        return {"labels": labels}
    return {"labels": labels, "operands": (Operand(*typed(operands(rest)[0])),)}


def _switch(rest: str) -> _Parts:
    head, _, cases = rest.partition("[")
    value = Operand(*typed(operands(head)[0]))
    default = _LABEL.findall(head)[0]
    found = _CASE.findall(cases)
    constants = tuple(Operand(kind, constant) for kind, constant, _ in found)
    return {"operands": (value, *constants), "labels": (default, *(label for _, _, label in found))}


def _return(rest: str) -> _Parts:
    if rest in ("void", ""):
        return {}
    return {"operands": (Operand(*typed(rest)),)}


def _alloca(rest: str) -> _Parts:
    flags, rest = _flagged(rest)
    kind, *others = operands(rest)
    counts = tuple(Operand(*typed(part)) for part in others if not part.startswith(("align ", "addrspace")))
    return {"flags": flags, "detail": kind, "type": "ptr", "operands": counts, "align": _alignment(rest)}


def _nothing(rest: str) -> _Parts:
    return {"tail": rest}


_READERS: dict[str, Callable[[str], _Parts]] = {
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_CASTS, _cast),
    "fneg": _unary,
    "freeze": _unary,
    "icmp": _compare,
    "fcmp": _compare,
    "load": _load,
    "store": _store,
    "getelementptr": _pointer,
    "select": _select,
    "phi": _phi,
    "call": _call,
    "insertelement": _elements,
    "extractelement": _extract,
    "shufflevector": _shuffle,
    "extractvalue": _field,
    "insertvalue": _insert_field,
    "atomicrmw": _modify,
    "cmpxchg": _exchange,
    "br": _branch,
    "switch": _switch,
    "ret": _return,
    "alloca": _alloca,
    "unreachable": _nothing,
    "fence": _nothing,
}
