"""Kernels through Clang for the sanitizer or for the profiler, on the stacks of their threads."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from metalsci.cpu_metal.compile.elf import Variable, read_variables
from metalsci.cpu_metal.compile.llvm.conversions import saturating
from metalsci.cpu_metal.compile.llvm.division import without_traps
from metalsci.cpu_metal.compile.llvm.split_module import SplitModule
from metalsci.cpu_metal.compile.scratch import FILE, TO_MODULE_WITH_PLACES, Scratch, place
from metalsci.cpu_metal.compile.symbols import ALLOWED, CHECKS, COUNTS, THREADGROUP_SECTION
from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.cpu_metal.compile.wrapper import RUN, Mode, Wrapper, checked_unit, unit
from metalsci.cpu_metal.execute.host import processors
from metalsci.cpu_metal.profiler.counted_build import CountedBuild, UncountableError, count
from metalsci.cpu_metal.profiler.kept_calls import keep_calls
from metalsci.cpu_metal.sanitizer.accesses import check_accesses
from metalsci.cpu_metal.sanitizer.sites import Site, Sites
from metalsci.cpu_metal.sanitizer.undefined_values import AUTO_INIT, ask_for_undefined
from metalsci.cpu_metal.sanitizer.value_checks import check_values
from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.signature import KernelSignature

# The sanitizer wants to know places in the source, and indices before they become addresses.
_TO_CHECKED_MODULE = (*TO_MODULE_WITH_PLACES, "-fsanitize=array-bounds", AUTO_INIT)
_CHECKED = ("-O1", "-g0", "-fno-vectorize", "-fno-slp-vectorize")
# Code is made of a counted module as it is.
_COUNTED = ("-O1", "-g0", "-Xclang", "-disable-llvm-passes")
_LONG_TEXT = 1_000_000  # characters, of which allocating registers well would take a minute
_ELEMENTS = re.compile(r"\[(?P<values>i32 [^\]]*)\]")


@dataclass(frozen=True)
class CheckedBuild:
    """Facts for the findings of an instrumented kernel.

    variables: in threadgroup memory; the gaps after them belong to none. elements: bytes of an element of each argument
    that the host binds.
    """

    sites: tuple[Site, ...]
    variables: tuple[Variable, ...]
    elements: tuple[int, ...]
    threadgroup_memory: int


def checked(scratch: Scratch, signatures: Sequence[KernelSignature], folder: Path) -> list[CheckedBuild]:
    """Compile, instrument and link kernels to `0.so`, `1.so`, … in `folder`; see sanitizer/. Raises CompileError."""
    sites, toolchain, first = Sites(scratch.source.original), scratch.toolchain, place(signatures[0])
    wrappers = [
        Wrapper(signature, scratch.function(signature), Mode.THREAD, symbol=f"{RUN}_{number}")
        for number, signature in enumerate(signatures)
    ]
    scratch.clang("all.cl", checked_unit(FILE, wrappers), [*_TO_CHECKED_MODULE, "-o", "all.ll"], first)
    scratch.write("checked.ll", check_values(ask_for_undefined(scratch.read("all.ll"), FILE), FILE, sites))
    scratch.ran(lambda: toolchain.inline(scratch.path, "checked.ll", "inlined.ll"), first)
    inlined = SplitModule.parse(scratch.read("inlined.ll"))
    for number, wrapper in enumerate(wrappers):
        own = inlined.renamed(f"@{wrapper.symbol}", f"@{RUN}").only([f"@{RUN}"])
        scratch.write(f"{number}.ll", without_traps(saturating(check_accesses(own, FILE, RUN, sites))))
    elements = [_elements(inlined, wrapper) for wrapper in wrappers]
    linked = partial(_linked, scratch, folder, tuple(sites.known))
    with ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(linked, range(len(wrappers)), signatures, elements))


def _linked(
    scratch: Scratch,
    folder: Path,
    sites: tuple[Site, ...],
    number: int,
    signature: KernelSignature,
    elements: tuple[int, ...],
) -> CheckedBuild:
    """Compile and link an instrumented module."""
    where, names = place(signature), (f"{number}.ll", f"{number}.o")
    scratch.ran(lambda: scratch.toolchain.optimise(scratch.path, *names, scratch.math_mode, _CHECKED), where)
    compiled = scratch.object(names[1], ALLOWED | CHECKS)
    scratch.link(names[1], f"{number}.so", where)
    code = (scratch.path / f"{number}.so").read_bytes()
    (folder / f"{number}.so").write_bytes(code)
    memory = compiled.sections.get(THREADGROUP_SECTION, 0)
    return CheckedBuild(sites, read_variables(code, THREADGROUP_SECTION), elements, memory)


def _elements(module: SplitModule, wrapper: Wrapper) -> tuple[int, ...]:
    """Read the bytes of an element of each argument from the table of a wrapper."""
    table = next((line for line in module.rest if line.startswith(f"@{wrapper.symbol}_elements = ")), "")
    values = _ELEMENTS.search(table)
    if not values:
        return ()
    return tuple(int(value.split()[1]) for value in values["values"].split(", ")[:-1])


def counted(scratch: Scratch, signature: KernelSignature, machine: Toolchain, output: Path) -> CountedBuild:
    """Compile, optimise, instrument and link one kernel for `machine` to `output`; see profiler/.

    Raises CompileError.
    """
    text = unit(FILE, [Wrapper(signature, scratch.function(signature), Mode.THREAD)])
    scratch.clang("0.cl", text, [*TO_MODULE_WITH_PLACES, "-o", "0.ll"], place(signature))
    scratch.write("1.ll", keep_calls(saturating(scratch.read("0.ll"))))
    toolchain, math_mode = scratch.toolchain, scratch.math_mode
    scratch.ran(lambda: toolchain.optimise_text(scratch.path, "1.ll", "2.ll", math_mode), place(signature))
    try:
        kernel = scratch.function(signature).rpartition("::")[2]
        text, build = count(scratch.read("2.ll"), RUN, kernel, FILE, scratch.source.original)
    except UncountableError as error:
        raise CompileError([Diagnostic(Severity.ERROR, *place(signature), str(error))]) from error
    scratch.write("3.ll", text)
    flags = _COUNTED if len(text) < _LONG_TEXT else (*_COUNTED, "-O0")
    scratch.ran(lambda: machine.optimise(scratch.path, "3.ll", "0.o", math_mode, flags), place(signature))
    compiled = scratch.object("0.o", ALLOWED | COUNTS)
    scratch.link("0.o", "0.so", place(signature), machine)
    output.write_bytes((scratch.path / "0.so").read_bytes())
    return replace(build, threadgroup_memory=compiled.sections.get(THREADGROUP_SECTION, 0))
