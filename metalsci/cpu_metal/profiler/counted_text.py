"""The text of an optimised kernel as blocks of instructions, each with the line of the source that it is for."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from metalsci.cpu_metal.compile.llvm.debug_locations import DebugInfo
from metalsci.cpu_metal.compile.llvm.function import definitions

_RESULT = re.compile(r"^ +(?P<name>%(?:\"[^\"]+\"|[\w.$-]+)) = (?P<rest>.*)$")
_LABEL = re.compile(r"^(\"[^\"]+\"|[\w.$-]+):")
_VALUE = re.compile(r"%(?:\"[^\"]+\"|[\w.$-]+)")
_TARGET = re.compile(r"label (%(?:\"[^\"]+\"|[\w.$-]+))")
_PARAMETERS = re.compile(r"%(\d+)(?=[,)])")
_CALLED = re.compile(r"@(\"[^\"]+\"|[\w.$]+)\(")
_FLAGS = re.compile(
    r"(?:(?:reassoc|nnan|ninf|nsz|arcp|contract|afn|fast|exact|nuw|nsw|nneg|disjoint|samesign|inbounds|nusw|tail|notail"
    r"|volatile|atomic) )*"
)
_PHI = re.compile(r"\[ ([^,]+), (%(?:\"[^\"]+\"|[\w.$-]+)) \]")


@dataclass(frozen=True)
class CountedInstruction:
    """One instruction.

    text: all of it after the result's name, without references to the source. line: in the user's source, 0 if none is
        known. counted: a GPU would execute it: not so the wrapper's own, nor the inside of a kept call.
    """

    name: str
    operation: str
    text: str
    operands: tuple[str, ...]
    line: int
    counted: bool
    index: int
    """Number of its line in the module."""

    @property
    def callee(self) -> str:
        """Name of the function that it calls; empty if it calls none."""
        match = _CALLED.search(self.text) if self.operation == "call" else None
        return match[1].strip('"') if match else ""

    @property
    def rest(self) -> str:
        """Text that follows the operation and its flags."""
        return _FLAGS.sub("", self.text.partition(" ")[2], count=1)


@dataclass
class CountedBlock:
    """Instructions without a branch but the last. `label` as others name it, with its `%`."""

    label: str
    instructions: list[CountedInstruction] = field(default_factory=list)
    successors: tuple[str, ...] = ()


@dataclass(frozen=True)
class CountedBody:
    """A function's blocks by label, in the text's order, the entry first."""

    blocks: Mapping[str, CountedBlock]
    first: int
    last: int
    """Lines of the definition in the module, braces included."""

    @property
    def entry(self) -> str:
        return next(iter(self.blocks))


def read_body(
    module: str, function: str, kernel: str, file: str, original: Callable[[int, int], tuple[int, int]]
) -> CountedBody:
    """Read the blocks of `function`, into which the user's `kernel` was inlined.

    file: the user's, to tell its lines from others. original: the user's line and column for a place in it.
    """
    lines = module.split("\n")
    definition = next(found for found in definitions(lines) if found.name == function)
    place = _Places(DebugInfo(module, file), kernel, original)
    parameters = _PARAMETERS.findall(lines[definition.first])
    block = CountedBlock(f"%{len(parameters)}")
    blocks = {block.label: block}
    for index, text in _statements(lines, definition.first + 1, definition.last):
        label = _LABEL.match(text)
        if label:
            block = blocks[f"%{label[1]}"] = CountedBlock(f"%{label[1]}")
        elif text.startswith(" "):
            instruction = _read(text, index, place)
            block.instructions.append(instruction)
            if instruction.operation in ("br", "switch"):
                block.successors = tuple(dict.fromkeys(_TARGET.findall(text)))
    # An entry that has a name has a label too.
    blocks = {label: block for label, block in blocks.items() if block.instructions}
    return CountedBody(blocks, definition.first, definition.last)


def incoming(phi: CountedInstruction) -> Sequence[tuple[str, str]]:
    """Return the values of a phi with the labels of the blocks that they come from."""
    return _PHI.findall(phi.text)


def _statements(lines: Sequence[str], start: int, end: int) -> Iterator[tuple[int, str]]:
    """Yield the lines of a body with their indices; a switch, which has several, as one at its first."""
    index = start
    while index < end:
        first, text = index, lines[index]
        if text.lstrip().startswith("switch ") and "]" not in text:
            while "]" not in lines[index]:
                index += 1
                text += " " + lines[index].strip()
        yield first, text
        index += 1


@dataclass(frozen=True)
class _Places:
    debug: DebugInfo
    kernel: str
    original: Callable[[int, int], tuple[int, int]]

    def __call__(self, text: str) -> tuple[int, bool]:
        """Return the line in the user's source, and True if the instruction is the user's."""
        if "!dbg" not in text:
            return 0, True
        place = self.debug.place(text)
        if place is None:
            return 0, self.debug.is_within(text, self.kernel)
        return (self.original(place.line, place.column)[0] if place.line else 0), True


def _read(text: str, index: int, place: _Places) -> CountedInstruction:
    line, counted = place(text)
    bare = text.partition(", !")[0]
    match = _RESULT.match(bare)
    name, rest = (match["name"], match["rest"]) if match else ("", bare.strip())
    operation = _operation(rest)
    used = tuple(dict.fromkeys(_VALUE.findall(_without_labels(rest, operation))))
    return CountedInstruction(name, operation, rest, used, line, counted, index)


def _operation(rest: str) -> str:
    word = rest.split(" ", 1)[0]
    if word in ("tail", "musttail", "notail"):
        return "call"
    return word


def _without_labels(rest: str, operation: str) -> str:
    if operation == "br" or operation == "switch":
        return _TARGET.sub("", rest)
    if operation == "phi":
        return " ".join(value for value, _ in _PHI.findall(rest))
    return rest
