"""Modules of LLVM's text as functions, functions as blocks, blocks as instructions."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from metalsci.cpu_metal.compile.llvm.instruction import Instruction

_DEBUG = re.compile(r"!dbg !(\d+)")
_DEFINITION = re.compile(r"^define .*?@(\"[^\"]+\"|[\w.$]+)\(.*\{$")
_LABEL = re.compile(r'^("[^"]+"|[\w.$-]+):')
_UNNAMED = re.compile(r"%(\d+)(?![\w.$-])")


@dataclass(frozen=True)
class Definition:
    """A function's lines: indices of its first and last one in the module, braces included."""

    name: str
    first: int
    last: int
    subprogram: int | None


def definitions(lines: Sequence[str]) -> Iterator[Definition]:
    """Find the functions that a module defines."""
    first, name = 0, ""
    for index, line in enumerate(lines):
        if line.startswith("define "):
            match = _DEFINITION.match(line)
            first, name = index, match[1] if match else ""
        elif line == "}":
            debug = _DEBUG.search(lines[first])
            yield Definition(name, first, index, int(debug[1]) if debug else None)


@dataclass(frozen=True)
class Block:
    """A basic block: `label` as branches spell it, with `%`."""

    label: str
    instructions: tuple[Instruction, ...]

    @property
    def terminator(self) -> Instruction:
        return self.instructions[-1]

    @property
    def phis(self) -> list[Instruction]:
        return [each for each in self.instructions if each.opcode == "phi"]

    @property
    def successors(self) -> tuple[str, ...]:
        """Labels of the possible next blocks, each once."""
        return tuple(dict.fromkeys(self.terminator.labels))


@dataclass(frozen=True)
class Function:
    """A function. head: its `define` line; the first of `blocks` is the entry."""

    head: str
    blocks: tuple[Block, ...]

    @classmethod
    def parse(cls, lines: Sequence[str]) -> Self:
        """Read a function from its `define` to its closing brace. An unnamed `%1` becomes `%.n1`."""
        # not `%.1`, which is Clang's own name for the second choice (`a ? b : c`) of a kernel
        head, *body = _UNNAMED.sub(r"%.n\1", "\n".join(lines[:-1])).split("\n")
        unnamed = len(re.findall(r"%\.n\d+\b", head[head.index("(") :]))
        blocks: list[Block] = []
        label, instructions = f"%.n{unnamed}", list[Instruction]()
        for line in _joined(body):
            found = _LABEL.match(line)
            if found:
                if instructions:
                    blocks.append(Block(label, tuple(instructions)))
                name = found[1]
                label, instructions = f"%.n{name}" if name.isdigit() else f"%{name}", []
            elif line and not line.startswith((";", "#dbg_")):
                instructions.append(Instruction.parse(line))
        return cls(head, (*blocks, Block(label, tuple(instructions))))

    @cached_property
    def by_label(self) -> Mapping[str, Block]:
        return {block.label: block for block in self.blocks}

    @cached_property
    def predecessors(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {block.label: [] for block in self.blocks}
        for block in self.blocks:
            for label in block.successors:
                found[label].append(block.label)
        return found

    @cached_property
    def defined(self) -> Mapping[str, Instruction]:
        """Instructions by the value that they define."""
        return {each.result: each for block in self.blocks for each in block.instructions if each.result}

    @cached_property
    def uses(self) -> Mapping[str, list[Instruction]]:
        """Instructions by each value that they use."""
        found: dict[str, list[Instruction]] = defaultdict(list)
        for block in self.blocks:
            for each in block.instructions:
                for name in dict.fromkeys(each.used):
                    found[name].append(each)
        return found


_NAMED = re.compile(r"^(%(?:\"[^\"]+\"|[\w.$-]+)) = type (.*)$", re.MULTILINE)
_MOST_NESTED = 16  # types within types


def with_types_spelled_out(module: str, lines: Sequence[str]) -> list[str]:
    """Write the bodies of the module's named types in place of their names."""
    bodies = dict(_NAMED.findall(module))
    if not bodies:
        return list(lines)
    names = re.compile("(?:" + "|".join(map(re.escape, sorted(bodies, key=len, reverse=True))) + r")(?![\w.$-])")
    text = "\n".join(lines)
    for _ in range(_MOST_NESTED):
        text, count = names.subn(lambda found: bodies[found[0]], text)
        if not count:
            break
    return text.split("\n")


def function_of(module: str, name: str) -> Function | None:
    """Read the function `name` of a module; None without one."""
    lines = module.split("\n")
    for definition in definitions(lines):
        if definition.name.strip('"') == name:
            return Function.parse(lines[definition.first : definition.last + 1])
    return None


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """Yield a line for each instruction: a switch has one for each case."""
    pending = ""
    for line in lines:
        stripped = line.strip()
        if pending:
            pending += " " + stripped
            if stripped.startswith("]"):
                yield pending
                pending = ""
        elif stripped.startswith("switch ") and "]" not in stripped:
            pending = stripped
        else:
            yield stripped if not line.startswith('"') else line
