"""The kernels of a file that is in a scratch folder: Clang once for all, then each to the way that suits its threads.

In lanes if that is possible and pays, else in a loop over threads that LLVM may vectorise, else on stacks.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from metalsci.cpu_metal.compile.elf import ObjectFile, read_object
from metalsci.cpu_metal.compile.front import Front, wrapper, wrappers
from metalsci.cpu_metal.compile.lanes.flow import FewThreadsError, OwnPlacesError, RefusedError, TooLongError
from metalsci.cpu_metal.compile.lanes.kernel import in_lanes
from metalsci.cpu_metal.compile.lanes.worth import WhenInLanes
from metalsci.cpu_metal.compile.llvm.group_atomics import without_locks
from metalsci.cpu_metal.compile.long_modules import (
    MOST_IN_LANES,
    MOST_OPTIMISED,
    MOST_SHORTENED,
    MOST_SIMPLE,
    MOST_UNROLLED,
    has_orders,
    lines,
    without_orders,
)
from metalsci.cpu_metal.compile.loop_remarks import REMARKS, has_place, in_words, one_by_one
from metalsci.cpu_metal.compile.scratch import (
    FILE,
    TO_MODULE,
    RepairableError,
    Scratch,
    TooLateCompileError,
    place,
)
from metalsci.cpu_metal.compile.symbols import ALLOWED, HELPERS, THREADGROUP_SECTION, WAITS
from metalsci.cpu_metal.compile.wrapper import RUN, Mode, ThreadExecution, Wrapper, needs_group, unit
from metalsci.msl.diagnostics import CompileError
from metalsci.msl.language.signature import KernelSignature

_MAX_DENSE_STACK = 16000  # runtime/runtime.h
_NOT_VECTORISED = ("-fno-vectorize", "-fno-slp-vectorize")
# That a loop is to be vectorised does not mean that its sum may be computed in another order.
_IN_ORDER = ("-mllvm", "-hints-allow-reordering=false")
# Vectors of threads have been through LLVM before they were that: -O3 takes up to twice as long, for no faster kernel.
# Loops are unrolled up to 40 instructions, which is four turns of short ones. Two turns of longer ones took a fifth of
# LLVM's time for morton's nine loops, a tenth for adi3d's and hmc's, for kernels that ran no faster. Up to 28 is
# cheaper still, and adi3d runs 1.03 to 1.07 times as long; not at all, and hmc runs 1.1 times as long.
_IN_LANES = (
    *("-O1", "-funroll-loops", "-mllvm", "-unroll-partial-threshold=40", "-mllvm", "-enable-unroll-and-jam"),
    *(*_NOT_VECTORISED, *_IN_ORDER),
)
# Seconds of processor time that LLVM may take to simplify, which is a tenth of that for most kernels, for vectors of
# threads, and for all else before it is to do less.
_SIMPLE_SECONDS, _LANES_SECONDS, _FULL_SECONDS = 1.0, 2.0, 3.0
_ROLLED = "no loop is unrolled as it asks, since "
_TOO_MUCH = "the code would be long, and LLVM would take long over it"
_TOO_LATE = f"LLVM needed more than {_SIMPLE_SECONDS:g} s of processor time"
_TOO_LONG = "the compiler takes too long to make vectors of it"
_LESS = ("-O1", *_NOT_VECTORISED, "-fno-unroll-loops")
# A thread's own loop over a list, such as a row of a sparse matrix, mostly is short: what is left over from whole
# vectors is most of it. Under a mask that is one vector more, and not up to 15 elements one after the other. (The seed
# kernel of spmv took 1.28 times as long.) Long loops wait for what they gather, in either way.
_MASKED_REST = ("-mllvm", "-prefer-predicate-over-epilogue=predicate-else-scalar-epilogue")
_WIDE = "integers of 64 bits are divided"
_SHARED = "an array of a thread's own stays in memory"
_AVX512 = 16  # threads of a vector, with masks for all operations
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
    there is nothing to report. has_place: LLVM can say which line of the source `how` is about. is_placed: it can be
    found which line `why` is about. is_long: it is compiled in another way than others, since its code is long. row:
    the rows of its groups must be multiples of so many threads; 0 if they may have any length.
    """

    mode: Mode
    threadgroup_memory: int
    stack: int
    why: str = ""
    how: str = ""
    remark: str = ""
    has_place: bool = False
    is_placed: bool = False
    is_long: bool = False
    row: int = 0


@dataclass(frozen=True)
class _Compiled:
    object: ObjectFile
    vectorised_in_error: bool
    why_less: str = ""
    """The reason why it is optimised less than usual; empty if it is not."""
    how: str = ""
    """LLVM's way with the loop over threads, in words."""
    has_place: bool = False


@dataclass(frozen=True)
class KernelBuild:
    """The way of a file's kernels to shared objects. for_any_group: see `in_lanes`."""

    scratch: Scratch
    for_any_group: bool = False

    def fronts(self, signatures: Sequence[KernelSignature]) -> Sequence[Front]:
        """Run Clang once for all kernels, and its simplifier for their code in lanes. Return each kernel's module.

        Raises CompileError.
        """
        try:
            front = self._simplified(self._front(signatures))
        except RepairableError:
            raise
        except CompileError as error:
            if len(signatures) == 1 or all(each.line for each in error.diagnostics):
                raise
        else:
            return [front] * len(signatures)
        # An error without a place is one of a kernel.
        return [self._simplified(self._front([each])) for each in signatures]

    def kernel(self, index: int, signature: KernelSignature, front: Front) -> BuiltKernel:
        """Compile and link one kernel to `{index}.so`."""
        front = self._of_bearable_length(index, signature, front)
        try:
            return self._in_lanes(index, signature, front)
        except RefusedError as error:
            why, is_placed, has_short_loops = str(error), error.at is not None, isinstance(error, OwnPlacesError)
            is_long = isinstance(error, TooLongError) or front.why_rolled != ""
            if isinstance(error, FewThreadsError):
                front = self._of_few(index, signature, front, error.one_of)
        stacks = self.scratch.toolchain.execution is ThreadExecution.STACKS
        if stacks:
            guess = Mode.THREAD
        else:
            guess = front.needs[signature].mode
        further = _MASKED_REST if has_short_loops and lanes_of(front.text) == _AVX512 else ()
        compiled = self._object(index, signature, front, guess, further)
        if stacks:
            mode = Mode.THREAD
        else:
            mode = _mode(compiled.object, signature)
        if mode is not guess:
            compiled = self._object(index, signature, front, mode, further)
        how = compiled.how
        if compiled.vectorised_in_error:
            compiled = self._object(index, signature, front, mode, further, independent=False)
        self.scratch.object(f"{index}.o", ALLOWED)
        self.scratch.link_kernel(f"{index}.o", f"{index}.so", place(signature))
        memory = compiled.object.sections.get(THREADGROUP_SECTION, 0)
        if compiled.why_less:
            why, is_placed, is_long = f"it is optimised less, since {compiled.why_less}", False, True
        stack = _stack(compiled.object)
        return BuiltKernel(mode, memory, stack, why, how, _remark(front), compiled.has_place, is_placed, is_long)

    def _front(self, signatures: Sequence[KernelSignature]) -> Front:
        functions = [self.scratch.function(signature) for signature in signatures]
        source = self.scratch.source.users.data
        kinds = wrappers(source, signatures, functions, self.scratch.toolchain.execution)
        return self._module_of(list(kinds), signatures)

    def _module_of(self, kinds: Sequence[Wrapper], signatures: Sequence[KernelSignature], prefix: str = "") -> Front:
        """Run Clang. prefix: of its files' names, for a kernel that is compiled while others are."""
        where = (0, 0)
        if len(signatures) == 1:
            where = place(signatures[0])
        name = f"{prefix}{kinds[0].symbol}"
        found = self.scratch.clang(f"{name}.cl", unit(FILE, kinds), [*TO_MODULE, "-o", f"{name}.ll"], where)
        return Front.read(self.scratch.read(f"{name}.ll"), kinds, found)

    def _simplified(self, front: Front) -> Front:
        """Simplify the code of kernels in lanes, all at once if that is possible."""
        execution = self.scratch.toolchain.execution
        if execution not in (ThreadExecution.LANES, ThreadExecution.FASTEST) or not lanes_of(front.text):
            return front
        made = (front.symbol(signature, needs.mode_in_lanes, lanes=True) for signature, needs in front.needs.items())
        symbols = [symbol for symbol in made if symbol]
        if not symbols:
            return front
        module = front.module_in_lanes(symbols)
        if lines(module) > MOST_UNROLLED and has_orders(module):
            return self._simplified(front.rolled(_TOO_MUCH))
        try:
            simple = self._simple(f"{symbols[0][1:]}.simple", module, is_long=front.why_rolled != "")
            return front.simplified(simple)
        except TooLateCompileError:
            if front.why_rolled:
                return replace(front, too_long=len(symbols) == 1)
            return self._simplified(front.rolled(_TOO_LATE))
        except CompileError:  # each kernel alone says what it is
            return front

    def _simple(self, name: str, module: str, where: tuple[int, int] = (0, 0), *, is_long: bool = False) -> str:
        scratch, simplify = self.scratch, self.scratch.toolchain.simplify
        scratch.write(f"{name}.0.ll", module)
        names, how_long = (f"{name}.0.ll", f"{name}.1.ll"), self._limit(_SIMPLE_SECONDS)
        scratch.ran(lambda: simplify(scratch.path, *names, scratch.math_mode, how_long, is_long=is_long), where)
        return _IS_CONSTANT.sub(r"\1and i1 false, false", scratch.read(f"{name}.1.ll"))

    def _of_bearable_length(self, index: int, signature: KernelSignature, front: Front) -> Front:
        """Leave out the user's orders to unroll loops if the kernel has become long by them.

        Without orders long loops are not unrolled if it is too long for lanes. Raises CompileError.
        """
        symbol = front.symbol(signature, front.needs[signature].mode_in_lanes, lanes=True)
        length = front.simple_lines(symbol)
        if front.why_rolled or length <= MOST_SIMPLE:
            return front
        if has_orders(front.module_in_lanes([symbol])):
            alone = front.rolled(_TOO_MUCH)
        elif MOST_IN_LANES < length <= MOST_SHORTENED:
            alone = replace(front, simple=None)
        else:
            return front
        try:
            return alone.simplified(self._simple(f"{index}.rolled", alone.module_in_lanes([symbol]), is_long=True))
        except TooLateCompileError:
            return replace(alone, too_long=True)

    def _of_few(self, index: int, signature: KernelSignature, front: Front, one_of: int) -> Front:
        """Return a module whose loop over threads leaves out those that have nothing to do, by a run of Clang."""
        mode = front.needs[signature].mode
        if one_of == 1 or mode is Mode.THREAD:
            return front
        function = self.scratch.function(signature)
        kind = wrapper(len(front.wrappers), signature, function, mode, one_of=one_of)
        made = self._module_of([kind], [signature], f"{index}.")
        return made.rolled(front.why_rolled) if front.why_rolled else made

    def _limit(self, seconds: float) -> float:
        """Return the processor time that a step on the way to lanes may take: any, if there is no other way."""
        if self.scratch.toolchain.execution is ThreadExecution.LANES:
            return math.inf
        return seconds

    def _in_lanes(self, index: int, signature: KernelSignature, front: Front) -> BuiltKernel:
        """Compile and link one kernel to run in lanes. Raises RefusedError if another way is better or needed."""
        scratch, toolchain, needs = self.scratch, self.scratch.toolchain, front.needs[signature]
        if toolchain.execution not in (ThreadExecution.LANES, ThreadExecution.FASTEST):
            raise RefusedError("")
        forced = toolchain.execution is ThreadExecution.LANES
        width, mode = lanes_of(front.text), needs.mode_in_lanes
        if not width:
            raise RefusedError("this processor has no masks for vectors")
        if front.too_long:
            raise TooLongError(_TOO_LONG)
        name, where, how_long = f"{index}.lanes", place(signature), self._limit(_LANES_SECONDS)
        names = (f"{name}.ll", f"{index}.o")
        try:
            module = front.simple_module(front.symbol(signature, mode, lanes=True))
            if not module:
                module = self._simple(name, self._module(index, signature, front, mode, lanes=True), where)
            if forced:
                when = WhenInLanes.ANYHOW
            elif front.why_rolled or lines(module) > MOST_SIMPLE:
                when = WhenInLanes.IF_FASTER_THOUGH_LONG
            else:
                when = WhenInLanes.IF_FASTER
            is_row = mode is Mode.GRID
            made = in_lanes(module, RUN, width, is_row=is_row, for_any_group=self.for_any_group, when=when)
            scratch.write(names[0], without_locks(made.module))
            scratch.ran(lambda: toolchain.optimise(scratch.path, *names, scratch.math_mode, _IN_LANES, how_long), where)
        except TooLateCompileError as error:
            raise TooLongError(_TOO_LONG) from error
        except CompileError as error:
            if forced:
                raise
            raise RefusedError("the compiler does not take it as vectors") from error
        try:
            compiled = scratch.object(names[1], ALLOWED)
        except CompileError as error:
            if forced:
                raise
            raise RefusedError("it needs a function that vectors do not have") from error
        scratch.link_kernel(names[1], f"{index}.so", where)
        if made.regions > 1:
            parts = f", in {made.regions} parts between barriers"
        else:
            parts = ""
        how = f"{made.width} threads run at a time, in the lanes of vectors{parts}"
        row = made.width if made.needs_whole_rows else 0
        memory, remark = compiled.sections.get(THREADGROUP_SECTION, 0), _remark(front)
        is_long = remark != "" or lines(module) > MOST_IN_LANES
        return BuiltKernel(mode, memory, 0, "", how, remark, is_long=is_long, row=row)

    def _module(
        self,
        index: int,
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
            function = self.scratch.function(signature)
            kind = wrapper(len(front.wrappers), signature, function, mode, lanes=lanes)
            front, symbol = self._module_of([kind], [signature], f"{index}."), f"@{kind.symbol}"
        return front.module(symbol, independent=independent)

    def _object(
        self,
        index: int,
        signature: KernelSignature,
        front: Front,
        mode: Mode,
        further: Sequence[str],
        *,
        independent: bool = True,
    ) -> _Compiled:
        vectorised = mode is not Mode.THREAD and independent
        scratch, names = self.scratch, (f"{index}.ll", f"{index}.o")
        module = self._module(index, signature, front, mode, independent=independent)
        scratch.write(names[0], without_locks(module))
        if lines(scratch.read(names[0])) > MOST_OPTIMISED:
            return self._less(names, place(signature), "it is long")
        wide = front.needs[signature].wide_division
        flags = _NOT_VECTORISED if wide else (*_BEFORE_VECTORISING, *REMARKS, *further) if vectorised else ()
        optimise, where, math_mode = scratch.toolchain.optimise, place(signature), scratch.math_mode
        try:
            messages = scratch.ran(lambda: optimise(scratch.path, *names, math_mode, flags, _FULL_SECONDS), where)
        except TooLateCompileError:  # better slow than refused
            scratch.write(names[0], without_orders(scratch.read(names[0])))
            return self._less(names, where, f"LLVM needed more than {_FULL_SECONDS:g} s of processor time for it")
        compiled = read_object((scratch.path / names[1]).read_bytes())
        # On the promise that threads are independent, neighbouring threads would share variables that live in memory.
        shared = _ALLOCA.search(messages) is not None
        if not vectorised:
            return _Compiled(compiled, False)
        are_few = any(each.one_of > 1 for each in front.wrappers)
        if wide or shared:
            return _Compiled(compiled, wide or not are_few, how=one_by_one(_WIDE if wide else _SHARED))
        how = in_words(mode, messages, are_few=are_few)
        return _Compiled(compiled, False, how=how, has_place=has_place(messages))

    def _less(self, names: tuple[str, str], where: tuple[int, int], why: str) -> _Compiled:
        scratch, optimise = self.scratch, self.scratch.toolchain.optimise
        scratch.ran(lambda: optimise(scratch.path, *names, scratch.math_mode, _LESS), where)
        return _Compiled(read_object((scratch.path / names[1]).read_bytes()), False, why_less=why)


def _remark(front: Front) -> str:
    if front.why_rolled:
        return _ROLLED + front.why_rolled
    return ""


def lanes_of(module: str) -> int:
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
