"""The kernels of a file that are compiled together, between Clang, which runs once for all, and LLVM's optimiser.

Clang makes one module of the user's file and of wrappers for each kernel: in lanes, over a row, over a group, for one
thread. Which of these a kernel runs by is read from what it calls; the others are left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from metalsci.cpu_metal.compile.llvm.conversions import saturating
from metalsci.cpu_metal.compile.llvm.division import divides_wide, without_traps
from metalsci.cpu_metal.compile.llvm.element_stores import of_elements
from metalsci.cpu_metal.compile.llvm.split_module import SplitModule
from metalsci.cpu_metal.compile.long_modules import lines, without_orders
from metalsci.cpu_metal.compile.symbols import THREADGROUP_SECTION, WAITS
from metalsci.cpu_metal.compile.wrapper import RUN, Mode, ThreadExecution, Wrapper, needs_group
from metalsci.msl.diagnostics import Diagnostic
from metalsci.msl.language.signature import KernelSignature

_WAIT_WORDS = re.compile(rb"_barrier\b|\b(?:simd|quad)_|\bsimdgroup_")
_RUN = f"@{RUN}"
_LOOP = re.compile(r", !llvm\.loop !\d+")


@dataclass(frozen=True)
class Needs:
    """Facts about the code of a kernel and of all functions that it may call."""

    waits: bool
    group: bool
    wide_division: bool

    @property
    def mode(self) -> Mode:
        """The way to cut a dispatch of it; the compiled object decides in the end."""
        if self.waits:
            return Mode.THREAD
        if self.group:
            return Mode.GROUP
        return Mode.GRID

    @property
    def mode_in_lanes(self) -> Mode:
        return min(self.mode, Mode.GROUP)


def as_metal_has_it(module: str) -> str:
    """Return Clang's module with conversions, divisions and stores of elements as Metal defines them."""
    return of_elements(without_traps(saturating(module)))


def wrappers(
    source: bytes, signatures: Sequence[KernelSignature], functions: Sequence[str], execution: ThreadExecution
) -> Iterator[Wrapper]:
    """Choose the wrappers that kernels may run by, going by the words of the file.

    functions: the kernels' names in C++.
    """
    waits = _WAIT_WORDS.search(source) is not None
    for number, (signature, function) in enumerate(zip(signatures, functions, strict=True)):
        group = needs_group(signature)
        modes = [Mode.GRID, Mode.GROUP]
        if group or b"threadgroup" in source[slice(*signature.body)]:
            modes = [Mode.GROUP]
        elif not waits and b"threadgroup" not in source:
            modes = [Mode.GRID]
        if execution in (ThreadExecution.LANES, ThreadExecution.FASTEST):
            yield from (wrapper(number, signature, function, mode, lanes=True) for mode in modes)
        if execution is not ThreadExecution.STACKS:
            yield from (wrapper(number, signature, function, mode) for mode in modes)
        if waits or execution is ThreadExecution.STACKS:
            yield wrapper(number, signature, function, Mode.THREAD)


def wrapper(
    number: int, signature: KernelSignature, function: str, mode: Mode, *, lanes: bool = False, one_of: int = 1
) -> Wrapper:
    """Give a wrapper a symbol of its own."""
    # With some threads left out it is about a loop that LLVM may see to have one turn, and so is none.
    independent = mode is not Mode.THREAD and not lanes and one_of == 1
    symbol = f"{RUN}_{number}_{mode.name.lower()}{'_lanes' if lanes else ''}"
    return Wrapper(signature, function, mode, lanes, independent, symbol, one_of)


@dataclass(frozen=True)
class Front:
    """Clang's module of kernels, by whose parts they are compiled.

    parts: the module as Metal has it. found: Clang's messages about the file. needs: facts about the code of each
    kernel.
    """

    text: str
    parts: SplitModule
    wrappers: Sequence[Wrapper]
    found: Sequence[Diagnostic]
    needs: Mapping[KernelSignature, Needs]
    simple: SplitModule | None = None
    """The same simplified, with the wrappers in lanes alone."""
    why_rolled: str = ""
    """The reason why the user's orders to unroll loops were left out; empty if they were not."""
    too_long: bool = False
    """True if its only kernel takes too long to simplify, loops rolled or not."""

    @classmethod
    def read(cls, text: str, kinds: Sequence[Wrapper], found: Sequence[Diagnostic]) -> Self:
        """Read the module that Clang has made of kernels' wrappers."""
        parts = SplitModule.parse(as_metal_has_it(text))
        needs: dict[KernelSignature, Needs] = {}
        for kind in kinds:
            if kind.signature not in needs:
                needs[kind.signature] = _needs(parts, kind)
        return cls(text, parts, kinds, found, needs)

    def symbol(self, signature: KernelSignature, mode: Mode, *, lanes: bool = False) -> str:
        """Return the name of a kernel's wrapper, `@` included; empty if Clang made none of that kind."""
        for each in self.wrappers:
            if each.signature is signature and (each.mode, each.lanes) == (mode, lanes):
                return f"@{each.symbol}"
        return ""

    def module(self, symbol: str, *, independent: bool = True) -> str:
        """Return the module with one of the wrappers alone."""
        parts = self.parts.renamed(symbol, _RUN)
        if not independent:
            parts = replace(parts, functions={**parts.functions, _RUN: _LOOP.sub("", parts.functions[_RUN])})
        return parts.only([_RUN])

    def module_in_lanes(self, symbols: Sequence[str]) -> str:
        """Return the module with wrappers in lanes, by their own names."""
        return self.parts.only(symbols)

    def rolled(self, why: str) -> "Front":
        """Return the same without the user's orders to unroll loops, not simplified yet."""
        parts = replace(self.parts, rest=[without_orders(line) for line in self.parts.rest])
        return replace(self, parts=parts, simple=None, why_rolled=why)

    def simplified(self, module: str) -> "Front":
        return replace(self, simple=SplitModule.parse(module))

    def simple_lines(self, symbol: str) -> int:
        """Return the length of a simplified wrapper; 0 if it was not simplified."""
        if self.simple is None:
            return 0
        return lines(self.simple.functions.get(symbol, ""))

    def simple_module(self, symbol: str) -> str:
        """Return the simplified module with one of the wrappers alone; empty if it was not simplified."""
        if self.simple is None or symbol not in self.simple.functions:
            return ""
        return self.simple.renamed(symbol, _RUN).only([_RUN])


def _needs(parts: SplitModule, kind: Wrapper) -> Needs:
    names = parts.reached(f"@{kind.symbol}")
    return Needs(
        waits=not names.isdisjoint({f"@{name}" for name in WAITS}),
        group=needs_group(kind.signature) or parts.in_section(THREADGROUP_SECTION, names),
        wide_division=any(map(divides_wide, names)),
    )
