"""One source through Clang: a shared object for each of its kernels, or all of its errors."""

import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from metalsci.cpu_metal.compile.clang_diagnostics import diagnostics, files_read
from metalsci.cpu_metal.compile.elf import ObjectFile, Variable, read_object, read_variables
from metalsci.cpu_metal.compile.front import Front, as_metal_has_it, rolled, wrapper, wrappers
from metalsci.cpu_metal.compile.lanes.flow import RefusedError
from metalsci.cpu_metal.compile.lanes.kernel import in_lanes
from metalsci.cpu_metal.compile.llvm.conversions import saturating
from metalsci.cpu_metal.compile.llvm.division import without_traps
from metalsci.cpu_metal.compile.loop_remarks import REMARKS, has_place, in_words, place_of_refusal
from metalsci.cpu_metal.compile.symbols import ALLOWED, CHECKS, COUNTS, HELPERS, THREADGROUP_SECTION, WAITS
from metalsci.cpu_metal.compile.toolchain import INCLUDE, Run, TooLateError, Toolchain, ToolchainError
from metalsci.cpu_metal.compile.wrapper import (
    RUN,
    Mode,
    ThreadExecution,
    Wrapper,
    bare_unit,
    checked_unit,
    needs_group,
    unit,
)
from metalsci.cpu_metal.execute.host import processors
from metalsci.cpu_metal.legalize import ranks, rewrite
from metalsci.cpu_metal.profiler.counted_build import CountedBuild, UncountableError, count
from metalsci.cpu_metal.profiler.kept_calls import keep_calls
from metalsci.cpu_metal.sanitizer.accesses import check_accesses
from metalsci.cpu_metal.sanitizer.sites import Site, Sites
from metalsci.cpu_metal.sanitizer.undefined_values import AUTO_INIT, ask_for_undefined
from metalsci.cpu_metal.sanitizer.value_checks import check_values
from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.text.edits import Edit, EditedSource
from metalsci.msl.text.lexer import SourceText

_FILE = "kernel.metal"
_MAX_DENSE_STACK = 16000  # runtime/runtime.h
_TO_MODULE = ("-S", "-emit-llvm", "-Xclang", "-disable-llvm-passes")
# The sanitizer wants to know places in the source, and indices before they become addresses.
_TO_CHECKED_MODULE = (*_TO_MODULE, "-gline-tables-only", "-gcolumn-info", "-fsanitize=array-bounds", AUTO_INIT)
_CHECKED = ("-O1", "-g0")
_TO_COUNTED_MODULE = (*_TO_MODULE, "-gline-tables-only", "-gcolumn-info")
# Code is made of a counted module as it is.
_COUNTED = ("-O1", "-g0", "-Xclang", "-disable-llvm-passes")
_LONG_TEXT = 1_000_000  # characters, of which allocating registers well would take a minute
_ELEMENTS = re.compile(r"^@metal_elements = .*?\[(?P<values>i32 [^\]]*)\]", re.MULTILINE)
_MOST_REPAIRS = 8  # of operands within operands
_Made = TypeVar("_Made")
_NOT_VECTORISED = ("-fno-vectorize", "-fno-slp-vectorize")
# Vectors of threads have been through LLVM before they were that: -O3 takes up to twice as long, for no faster kernel.
_IN_LANES = ("-O1", "-funroll-loops", *_NOT_VECTORISED)
# Seconds of processor time that LLVM may take to simplify, which is a tenth of that for most kernels, for vectors of
# threads, and for all else before it is to do less.
_SIMPLE_SECONDS, _LANES_SECONDS, _FULL_SECONDS = 1.0, 2.0, 3.0
_PLACES_SECONDS = 1.0  # for the line of a reason, of which most kernels take a twentieth
_ROLLED = f"no loop is unrolled as it asks, since LLVM needed more than {_SIMPLE_SECONDS:g} s of processor time"
_TOO_LONG = "the compiler takes too long to make vectors of it"
_LESS = ("-O1", *_NOT_VECTORISED, "-fno-unroll-loops")
# Printed by Clang just before it vectorises: threads' own variables still live in memory.
_BEFORE_VECTORISING = ("-mllvm", "-print-before=loop-vectorize", "-mllvm", "-filter-print-funcs=metal_run")
# A question that the simplifier leaves open: what it did not find constant by then is not. In lanes the code for both
# answers would stay, and one of the answers is a call of powf.
_IS_CONSTANT = re.compile(r"(?m)^( *%\S+ = )(?:tail )?call i1 @llvm\.is\.constant\.\w+\(.*$")
_ALLOCA = re.compile(r"^ +%\S+ = alloca ", re.MULTILINE)


@dataclass(frozen=True)
class BuiltKernel:
    """A compiled kernel.

    It says how a dispatch is cut up, the kernel's own threadgroup memory in bytes, and the bytes of stack that a thread
    needs (0 if unknown). why: the reason why it is not run in lanes; how: the way it is; remark: on its code; empty if
    there is nothing to report.
    """

    mode: Mode
    threadgroup_memory: int
    stack: int
    why: str = ""
    how: str = ""
    remark: str = ""


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


@dataclass(frozen=True)
class _Compiled:
    object: ObjectFile
    vectorised_in_error: bool
    is_less: bool = False
    """Optimised less than usual."""
    how: str = ""
    """LLVM's way with the loop over threads, in words."""


@dataclass(frozen=True)
class Build:
    toolchain: Toolchain
    parsed: Unit
    math_mode: MathMode
    prelude: Path | None
    """Metal's headers precompiled, for a source that includes them."""

    def limit(self, seconds: float) -> float:
        """Return the processor time that a step on the way to lanes may take: any, if there is no other way."""
        if self.toolchain.execution is ThreadExecution.LANES:
            return math.inf
        return seconds

    def diagnostics(self) -> Sequence[Diagnostic]:
        """Return Clang's findings in the file itself, whether or not it has kernels."""
        try:
            return self._repaired(lambda scratch: scratch.clang("file.cl", bare_unit(_FILE), ["-fsyntax-only"]))[1]
        except CompileError as error:
            return error.diagnostics

    def kernels(self, folder: Path, wanted: Sequence[int]) -> tuple[list[BuiltKernel], Sequence[Diagnostic]]:
        """Compile kernels to `0.so`, `1.so`, … in `folder`. Return facts and warnings.

        wanted: their places in the file. Raises CompileError.
        """
        if not wanted:
            found = self.diagnostics()
            if any(d.severity is Severity.ERROR for d in found):
                raise CompileError(found)
            return [], found
        signatures = [self.parsed.kernels[place] for place in wanted]
        built = self._repaired(lambda scratch: self._built(scratch, folder, signatures))
        return [kernel for kernel, _ in built], list(dict.fromkeys(d for _, found in built for d in found))

    def checked_kernel(self, signature: KernelSignature, output: Path) -> CheckedBuild:
        """Instrument one kernel and write its shared object to `output`. Raises CompileError."""
        return self._repaired(lambda scratch: scratch.checked(signature, output))

    def counted_kernel(self, signature: KernelSignature, machine: Toolchain, output: Path) -> CountedBuild:
        """Prepare one kernel for counting and write its shared object, for `machine`, to `output`. Raises CompileError.

        This build's own toolchain is for one processor on every machine, so that its optimiser always decides alike.
        """
        return self._repaired(lambda scratch: scratch.counted(signature, machine, output))

    def _built(
        self, scratch: "_Scratch", folder: Path, signatures: Sequence[KernelSignature]
    ) -> Sequence[tuple[BuiltKernel, Sequence[Diagnostic]]]:
        fronts = scratch.fronts(signatures)
        with ThreadPoolExecutor(processors()) as pool:
            built = list(pool.map(scratch.kernel, range(len(signatures)), signatures, fronts))
        for index in range(len(built)):
            (folder / f"{index}.so").write_bytes((scratch.path / f"{index}.so").read_bytes())
        return built

    def _repaired(self, attempt: "Callable[[_Scratch], _Made]") -> "_Made":
        """Call `attempt` until it needs no more of the repairs that Clang can spell."""
        source, left = rewrite(self.parsed.source), _MOST_REPAIRS
        while True:
            with TemporaryDirectory(prefix="metalsci-") as name:
                try:
                    return attempt(_Scratch(self, Path(name), source))
                except _RepairableError as error:
                    if not left:
                        raise
                    source, left = source.then(error.edits), left - 1


class _TooLateCompileError(CompileError):
    """A refusal for the time of a step alone."""


class _RepairableError(CompileError):
    """A refusal that `edits` repair."""

    def __init__(self, diagnostics: Sequence[Diagnostic], edits: tuple[Edit[bytes], ...]) -> None:
        super().__init__(diagnostics)
        self.edits = edits


class _Scratch:
    """A folder in which a source is compiled."""

    def __init__(self, build: Build, path: Path, source: EditedSource) -> None:
        self.path = path
        self._build = build
        self._source = source
        (path / _FILE).write_bytes(source.text)

    def fronts(self, signatures: Sequence[KernelSignature]) -> Sequence[Front]:
        """Run Clang once for all kernels, and its simplifier for their code in lanes. Return each kernel's module.

        Raises CompileError.
        """
        try:
            front = self._simplified(self._front(signatures))
        except _RepairableError:
            raise
        except CompileError as error:
            if len(signatures) == 1 or all(each.line for each in error.diagnostics):
                raise
        else:
            return [front] * len(signatures)
        # An error without a place is one of a kernel.
        return [self._simplified(self._front([each])) for each in signatures]

    def _front(self, signatures: Sequence[KernelSignature]) -> Front:
        functions = [self._function(signature) for signature in signatures]
        kinds = wrappers(self._source.users.data, signatures, functions, self._build.toolchain.execution)
        return self._module_of(list(kinds), signatures)

    def _module_of(self, kinds: Sequence[Wrapper], signatures: Sequence[KernelSignature]) -> Front:
        place = (0, 0)
        if len(signatures) == 1:
            place = signatures[0].line, signatures[0].column
        name = kinds[0].symbol
        _, found = self.clang(f"{name}.cl", unit(_FILE, kinds), [*_TO_MODULE, "-o", f"{name}.ll"], place)
        return Front((self.path / f"{name}.ll").read_text(encoding="utf-8"), kinds, found)

    def _simplified(self, front: Front) -> Front:
        """Simplify the code of kernels in lanes, all at once if that is possible."""
        execution = self._build.toolchain.execution
        if execution not in (ThreadExecution.LANES, ThreadExecution.FASTEST) or not _lanes(front.text):
            return front
        made = (front.symbol(signature, needs.mode_in_lanes, lanes=True) for signature, needs in front.needs.items())
        symbols = [symbol for symbol in made if symbol]
        if not symbols:
            return front
        try:
            return front.simplified(self._simple(f"{symbols[0][1:]}.simple", front.module_in_lanes(symbols)))
        except _TooLateCompileError:
            if front.is_rolled:
                return replace(front, too_long=len(symbols) == 1)
            return self._simplified(front.rolled())
        except CompileError:  # each kernel alone says what it is
            return front

    def _simple(self, name: str, module: str, place: tuple[int, int] = (0, 0)) -> str:
        (self.path / f"{name}.0.ll").write_text(module, encoding="utf-8")
        toolchain, math_mode = self._build.toolchain, self._build.math_mode
        how_long = self._build.limit(_SIMPLE_SECONDS)
        self._ran(lambda: toolchain.simplify(self.path, f"{name}.0.ll", f"{name}.1.ll", math_mode, how_long), place)
        return _IS_CONSTANT.sub(r"\1and i1 false, false", (self.path / f"{name}.1.ll").read_text(encoding="utf-8"))

    def kernel(self, index: int, signature: KernelSignature, front: Front) -> tuple[BuiltKernel, Sequence[Diagnostic]]:
        """Compile and link one kernel to `{index}.so`."""
        try:
            return self._in_lanes(index, signature, front), front.found
        except RefusedError as error:
            why = str(error)
        stacks = self._build.toolchain.execution is ThreadExecution.STACKS
        if stacks:
            guess = Mode.THREAD
        else:
            guess = front.needs[signature].mode
        compiled = self._object(index, signature, front, guess)
        if stacks:
            mode = Mode.THREAD
        else:
            mode = _mode(compiled.object, signature)
        if mode is not guess:
            compiled = self._object(index, signature, front, mode)
        if compiled.vectorised_in_error:
            compiled = self._object(index, signature, front, mode, independent=False)
        _check_object(compiled.object, self._source.users, ALLOWED)
        self._link(index, signature)
        memory = compiled.object.sections.get(THREADGROUP_SECTION, 0)
        if compiled.is_less:
            why = f"it is optimised less, since LLVM needed more than {_FULL_SECONDS:g} s of processor time for it"
        return BuiltKernel(mode, memory, _stack(compiled.object), why, compiled.how, _remark(front)), front.found

    def _link(self, index: int, signature: KernelSignature) -> None:
        link = self._build.toolchain.link
        self._ran(lambda: link(self.path, [f"{index}.o"], f"{index}.so"), _place(signature))

    def _in_lanes(self, index: int, signature: KernelSignature, front: Front) -> BuiltKernel:
        """Compile and link one kernel to run in lanes. Raises RefusedError if another way is better or needed."""
        toolchain, math_mode, needs = self._build.toolchain, self._build.math_mode, front.needs[signature]
        if toolchain.execution not in (ThreadExecution.LANES, ThreadExecution.FASTEST):
            raise RefusedError("")
        forced = toolchain.execution is ThreadExecution.LANES
        width, mode = _lanes(front.text), needs.mode_in_lanes
        if not width:
            raise RefusedError("this processor has no masks for vectors")
        if front.too_long:
            raise RefusedError(_TOO_LONG)
        name, place = f"{index}.lanes", _place(signature)
        try:
            module = front.simple_module(front.symbol(signature, mode, lanes=True))
            if not module:
                module = self._simple(name, self._module(signature, front, mode, lanes=True), place)
            made = in_lanes(module, RUN, width, is_row=mode is Mode.GRID, if_faster=not forced)
            (self.path / f"{name}.ll").write_text(made.module, encoding="utf-8")
            how_long = self._build.limit(_LANES_SECONDS)
            self._ran(
                lambda: toolchain.optimise(self.path, f"{name}.ll", f"{index}.o", math_mode, _IN_LANES, how_long),
                place,
            )
        except _TooLateCompileError as error:
            raise RefusedError(_TOO_LONG) from error
        except CompileError as error:
            if forced:
                raise
            raise RefusedError("the compiler does not take it as vectors") from error
        compiled = read_object((self.path / f"{index}.o").read_bytes())
        try:
            _check_object(compiled, self._source.users, ALLOWED)
        except CompileError as error:
            if forced:
                raise
            raise RefusedError("it needs a function that vectors do not have") from error
        self._link(index, signature)
        if made.regions > 1:
            parts = f", in {made.regions} parts between barriers"
        else:
            parts = ""
        how = f"{made.width} threads run at a time, in the lanes of vectors{parts}"
        return BuiltKernel(mode, compiled.sections.get(THREADGROUP_SECTION, 0), 0, "", how, _remark(front))

    def _module(
        self,
        signature: KernelSignature,
        front: Front,
        mode: Mode,
        *,
        lanes: bool = False,
        independent: bool = True,
    ) -> str:
        """Return the module of one kernel, run in one way. Clang runs again for a way that was not foreseen."""
        symbol = front.symbol(signature, mode, lanes=lanes)
        if not symbol:
            kind = wrapper(len(front.wrappers), signature, self._function(signature), mode, lanes=lanes)
            front, symbol = self._module_of([kind], [signature]), f"@{kind.symbol}"
        return front.module(symbol, independent=independent)

    def checked(self, signature: KernelSignature, output: Path) -> CheckedBuild:
        """Compile, instrument and link one kernel to `output`; see sanitizer/."""
        sites = Sites(self._source.original)
        text = checked_unit(_FILE, Wrapper(signature, self._function(signature), Mode.THREAD))
        self.clang("0.cl", text, [*_TO_CHECKED_MODULE, "-o", "0.ll"], (signature.line, signature.column))
        module = ask_for_undefined((self.path / "0.ll").read_text(encoding="utf-8"), _FILE)
        module = check_values(module, _FILE, sites)
        (self.path / "1.ll").write_text(module, encoding="utf-8")
        toolchain, math_mode = self._build.toolchain, self._build.math_mode
        self._ran(lambda: toolchain.inline(self.path, "1.ll", "2.ll"), _place(signature))
        inlined = (self.path / "2.ll").read_text(encoding="utf-8")
        checked = without_traps(saturating(check_accesses(inlined, _FILE, "metal_run", sites)))
        (self.path / "3.ll").write_text(checked, encoding="utf-8")
        flags = (*_CHECKED, *_NOT_VECTORISED)
        self._ran(lambda: toolchain.optimise(self.path, "3.ll", "0.o", math_mode, flags), _place(signature))
        compiled = read_object((self.path / "0.o").read_bytes())
        _check_object(compiled, self._source.users, ALLOWED | CHECKS)
        self._ran(lambda: toolchain.link(self.path, ["0.o"], "0.so"), _place(signature))
        output.write_bytes((self.path / "0.so").read_bytes())
        variables = read_variables((self.path / "0.so").read_bytes(), THREADGROUP_SECTION)
        elements = _ELEMENTS.search(inlined)
        if elements:
            sizes = [int(value.split()[1]) for value in elements["values"].split(", ")[:-1]]
        else:
            sizes = []
        memory = compiled.sections.get(THREADGROUP_SECTION, 0)
        return CheckedBuild(tuple(sites.known), variables, tuple(sizes), memory)

    def counted(self, signature: KernelSignature, machine: Toolchain, output: Path) -> CountedBuild:
        """Compile, optimise, instrument and link one kernel to `output`; see profiler/."""
        text = unit(_FILE, [Wrapper(signature, self._function(signature), Mode.THREAD)])
        self.clang("0.cl", text, [*_TO_COUNTED_MODULE, "-o", "0.ll"], (signature.line, signature.column))
        (self.path / "1.ll").write_text(
            keep_calls(saturating((self.path / "0.ll").read_text(encoding="utf-8"))), encoding="utf-8"
        )
        toolchain, math_mode = self._build.toolchain, self._build.math_mode
        self._ran(lambda: toolchain.optimise_text(self.path, "1.ll", "2.ll", math_mode), _place(signature))
        try:
            kernel = self._function(signature).rpartition("::")[2]
            module = (self.path / "2.ll").read_text(encoding="utf-8")
            counted, build = count(module, "metal_run", kernel, _FILE, self._source.original)
        except UncountableError as error:
            raise CompileError([Diagnostic(Severity.ERROR, signature.line, signature.column, str(error))]) from error
        (self.path / "3.ll").write_text(counted, encoding="utf-8")
        flags = _COUNTED if len(counted) < _LONG_TEXT else (*_COUNTED, "-O0")
        self._ran(lambda: machine.optimise(self.path, "3.ll", "0.o", math_mode, flags), _place(signature))
        compiled = read_object((self.path / "0.o").read_bytes())
        _check_object(compiled, self._source.users, ALLOWED | COUNTS)
        self._ran(lambda: machine.link(self.path, ["0.o"], "0.so"), _place(signature))
        output.write_bytes((self.path / "0.so").read_bytes())
        return replace(build, threadgroup_memory=compiled.sections.get(THREADGROUP_SECTION, 0))

    def clang(
        self, name: str, text: str, flags: Sequence[str], place: tuple[int, int] = (0, 0)
    ) -> tuple[str, Sequence[Diagnostic]]:
        """Run Clang. Return its raw output and its messages about the user's file; `place` is for those without one.

        Raises CompileError.
        """
        (self.path / name).write_text(text, encoding="utf-8")
        run = self._clang(name, flags)
        _check_files(run.messages)
        found = diagnostics(run.messages, _FILE, self._source, place)
        if run.code and ranks.is_mentioned(run.messages):
            edits = ranks.conversions(self._clang(name, ranks.FLAGS).messages, _FILE, SourceText(self._source.text))
            if edits:
                raise _RepairableError(found, edits)
        if run.code:
            raise CompileError(found or [Diagnostic(Severity.ERROR, 0, 0, "the compiler gave no reason")])
        return run.messages, found

    def _clang(self, name: str, flags: Sequence[str]) -> Run:
        toolchain, math_mode, prelude = self._build.toolchain, self._build.math_mode, self._build.prelude
        try:
            return toolchain.compile_metal(self.path, name, math_mode, prelude, flags)
        except ToolchainError as error:
            raise CompileError([Diagnostic(Severity.ERROR, 0, 0, str(error))]) from error

    def _object(
        self, index: int, signature: KernelSignature, front: Front, mode: Mode, *, independent: bool = True
    ) -> _Compiled:
        vectorised = mode is not Mode.THREAD and independent
        module = self.path / f"{index}.ll"
        module.write_text(self._module(signature, front, mode, independent=independent), encoding="utf-8")
        wide = front.needs[signature].wide_division
        flags = _NOT_VECTORISED if wide else (*_BEFORE_VECTORISING, *REMARKS) if vectorised else ()
        toolchain, math_mode = self._build.toolchain, self._build.math_mode
        names, is_less = (module.name, f"{index}.o"), False
        try:
            messages = self._ran(
                lambda: toolchain.optimise(self.path, *names, math_mode, flags, _FULL_SECONDS), _place(signature)
            )
        except _TooLateCompileError:  # better slow than refused
            is_less = True
            module.write_text(rolled(module.read_text(encoding="utf-8")), encoding="utf-8")
            messages = self._ran(lambda: toolchain.optimise(self.path, *names, math_mode, _LESS), _place(signature))
        compiled = read_object((self.path / f"{index}.o").read_bytes())
        if is_less:
            return _Compiled(compiled, False, is_less=True)
        # On the promise that threads are independent, neighbouring threads would share variables that live in memory.
        shared = _ALLOCA.search(messages) is not None
        how = ""
        if vectorised and not wide:
            line = self._line_of_refusal(index, signature, mode) if has_place(messages) and not shared else 0
            how = in_words(mode, messages, line)
        return _Compiled(compiled, vectorised and (wide or shared), how=how)

    def _line_of_refusal(self, index: int, signature: KernelSignature, mode: Mode) -> int:
        """Let LLVM refuse the loop over threads once more, in a module that knows places. Return the user's line, or 0.

        With places in every module all kernels would take longer.
        """
        name, kind = f"{index}.places", Wrapper(signature, self._function(signature), mode, independent=True)
        toolchain, math_mode = self._build.toolchain, self._build.math_mode
        try:
            self.clang(f"{name}.cl", unit(_FILE, [kind]), [*_TO_COUNTED_MODULE, "-o", f"{name}.ll"])
            module = self.path / f"{name}.ll"
            text = as_metal_has_it(module.read_text(encoding="utf-8"))
            module.write_text(text, encoding="utf-8")
            names = module.name, f"{name}.o"
            how_long = self._build.limit(_PLACES_SECONDS)
            step = lambda: toolchain.optimise(self.path, *names, math_mode, REMARKS, how_long)  # noqa: E731
            place = place_of_refusal(self._ran(step, _place(signature)), _FILE)
        except CompileError:
            return 0
        if place is None:
            return 0
        return self._source.original(*place)[0]

    def _ran(self, step: Callable[[], Run], place: tuple[int, int]) -> str:
        """Run a step after Clang's first. Return its output. Raises CompileError if it failed."""
        try:
            run = step()
        except TooLateError as error:
            raise _TooLateCompileError([Diagnostic(Severity.ERROR, 0, 0, str(error))]) from error
        except ToolchainError as error:
            raise CompileError([Diagnostic(Severity.ERROR, 0, 0, str(error))]) from error
        if run.code:
            errors = [line for line in run.messages.splitlines() if "error:" in line]
            message = "; ".join(errors) or f"the compiler ended with status {run.code} and gave no reason"
            raise CompileError([Diagnostic(Severity.ERROR, *place, message)])
        return run.messages

    def _function(self, signature: KernelSignature) -> str:
        """Return the kernel's name in C++; an instance of a template has another name for the host."""
        if not signature.template_arguments:
            return signature.name
        match = re.search(rb"\bvoid\s+(\w+)\s*\(", self._source.users.data[slice(*signature.span)])
        if match:
            name = match[1].decode()
        else:
            name = signature.name
        return f"{name}<{', '.join(argument.value for argument in signature.template_arguments)}>"


def _remark(front: Front) -> str:
    if front.is_rolled:
        return _ROLLED
    return ""


def _place(signature: KernelSignature) -> tuple[int, int]:
    return signature.line, signature.column


def _lanes(module: str) -> int:
    """Return the threads of a vector: as many as the machine's vectors have floats; 0 if it has no masks for them."""
    if "+avx512f" in module:
        return 16
    if "+avx2" in module:
        return 8
    return 0


def _mode(compiled: ObjectFile, signature: KernelSignature) -> Mode:
    if compiled.undefined & WAITS:
        return Mode.THREAD
    if THREADGROUP_SECTION in compiled.sections or needs_group(signature):
        return Mode.GROUP
    return Mode.GRID


def _stack(compiled: ObjectFile) -> int:
    """Read the stack of a kernel that calls only the runtime: its only function's, its return address included."""
    known = len(compiled.stacks) == 1 and not compiled.undefined & HELPERS
    if known and compiled.stacks[0] <= _MAX_DENSE_STACK:
        return compiled.stacks[0] + 64
    return 0


def _check_files(output: str) -> None:
    """Raise if any file was read except the user's, once, and the package's headers."""
    own = {str(path) for path in INCLUDE.rglob("*")}
    read = [file for _, file in files_read(output) if file not in own]
    if any(Path(file) != Path(_FILE) for file in read) or len(read) > 1:
        raise CompileError([Diagnostic(Severity.ERROR, 0, 0, "only Metal's own headers can be included")])


def _check_object(compiled: ObjectFile, source: SourceText, allowed: frozenset[str]) -> None:
    """Raise if the object calls a function that is not Metal's, or would run code when it is loaded."""
    unknown = sorted(compiled.undefined - allowed)
    errors = [Diagnostic(Severity.ERROR, *_mention(source, name), f"undefined symbol '{name}'") for name in unknown]
    if any(section.startswith((".init", ".preinit", ".ctors", ".fini", ".dtors")) for section in compiled.sections):
        message = "a variable in program scope must be initialized by a constant expression"
        errors.append(Diagnostic(Severity.ERROR, 0, 0, message))
    if errors:
        raise CompileError(errors)


def _mention(source: SourceText, symbol: str) -> tuple[int, int]:
    """Find the first mention of a symbol, which may be mangled, in the source."""
    words = (t for t in source.tokens if t.kind == "word" and len(t.text) > 2)
    return next((source.position(t.start) for t in words if t.text.decode() in symbol), (0, 0))
