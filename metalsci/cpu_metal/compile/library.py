"""The result of compiling: a library of kernels, each with the facts that a host needs to dispatch it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from metalsci.cpu_metal.compile.compiler import CompiledKernel, Origin
from metalsci.cpu_metal.compile.kernel_build import BuiltKernel
from metalsci.cpu_metal.compile.wrapper import Mode, slots
from metalsci.msl.diagnostics import Diagnostic
from metalsci.msl.language.signature import AddressSpace, Indirection, Parameter

MAX_THREADS_PER_THREADGROUP = 1024
MAX_THREADGROUP_MEMORY = 32768
SIMD_WIDTH = 32
_WAYS = {
    Mode.GRID: "threads run in vector lanes along x, threadgroups play no part",
    Mode.GROUP: "threads of a group run in vector lanes, without waiting for one another",
    Mode.THREAD: "threads of a group wait for one another, so each runs on a stack of its own, not vectorised",
}


@dataclass(frozen=True)
class Argument:
    """An argument at `index`: a buffer (or, for a constant, a value), or a size of threadgroup memory."""

    index: int
    name: str
    kind: Literal["buffer", "threadgroup"]
    address_space: AddressSpace
    type: str
    indirection: Indirection
    writable: bool


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel of a library. `threadgroup_memory` counts the bytes of its own variables there.

    declared: threads of a threadgroup that the source says it has at most; None if it says nothing.
    find_for_any_group: compiles it for groups whose rows have another length than `built` says.
    """

    name: str
    arguments: tuple[Argument, ...]
    max_total_threads_per_threadgroup: int
    threadgroup_memory: int
    mode: Mode = field(repr=False)
    code: bytes = field(repr=False)
    stack: int = field(repr=False)
    built: BuiltKernel = field(repr=False)
    origin: Origin = field(repr=False)
    find_for_any_group: Callable[[], "Kernel"] = field(repr=False)
    find_how: Callable[[], str] = field(repr=False)
    find_why: Callable[[], str] = field(repr=False)
    find_remark: Callable[[], str] = field(repr=False)
    thread_execution_width: int = SIMD_WIDTH
    declared: int | None = None

    def suited(self, grid: tuple[int, int, int], group: tuple[int, int, int]) -> "Kernel":
        """Return this kernel, or the one that is compiled when a dispatch first has groups that this is not for.

        Rows of nearly all groups are whole vectors of threads. The code for others is as long again, and takes LLVM as
        long. grid, group: threads of a dispatch, and of its groups. Raises CompileError.
        """
        row = self.built.row
        if not row or (grid[0] % row == 0 and min(grid[0], group[0]) % row == 0):
            return self
        return self._for_any_group

    @cached_property
    def _for_any_group(self) -> "Kernel":
        return self.find_for_any_group()

    def on_stacks(self, code: bytes, memory: int) -> "Kernel":
        """Return another build of it, whose threads have stacks of their own. memory: its bytes for a threadgroup."""
        built = replace(self.built, mode=Mode.THREAD, threadgroup_memory=memory, stack=0, row=0)
        return replace(self, mode=built.mode, code=code, stack=0, built=built, threadgroup_memory=memory)

    @cached_property
    def how(self) -> str:
        """The way in which threads run, in words.

        A loop over threads that LLVM has refused is compiled once more, to find the line that it was refused for.
        """
        return self.find_how() or _WAYS[self.mode]

    @cached_property
    def why(self) -> str:
        """The reason why threads do not run in the lanes of vectors, with its line if it has one; found as `how` is."""
        return self.find_why()

    @cached_property
    def remark(self) -> str:
        """A remark on the code, with the line that most of it comes from if it is long; found as `how` is."""
        return self.find_remark()


class FileKernels(Mapping[str, Kernel]):
    """Kernels of a file by name, of which some are compiled when they are first asked for.

    Asking for one raises CompileError if it cannot be compiled.
    """

    def __init__(
        self,
        compiled: Sequence[CompiledKernel],
        later: Mapping[str, Callable[[], CompiledKernel]],
        most_threads: int = MAX_THREADS_PER_THREADGROUP,
    ) -> None:
        self._most_threads = most_threads
        self._compiled = {each.signature.name: kernel(each, most_threads) for each in compiled}
        self._later = {name: build for name, build in later.items() if name not in self._compiled}

    @property
    def compiled(self) -> Sequence[Kernel]:
        return tuple(self._compiled.values())

    def __getitem__(self, name: str) -> Kernel:
        if name not in self._compiled and name in self._later:
            self._compiled[name] = kernel(self._later[name](), self._most_threads)
        return self._compiled[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._compiled, *self._later]))

    def __len__(self) -> int:
        return len(set(self._compiled) | set(self._later))


@dataclass(frozen=True, eq=False)
class Library:
    """The kernels of one source, by name, and its compiler warnings."""

    kernels: FileKernels
    warnings: tuple[Diagnostic, ...]


def kernel(compiled: CompiledKernel, most_threads: int = MAX_THREADS_PER_THREADGROUP) -> Kernel:
    """Make a kernel for the host. most_threads: of a threadgroup, unless the kernel's own attribute allows fewer."""
    signature = compiled.signature
    limit = signature.max_total_threads_per_threadgroup or most_threads
    return Kernel(
        name=signature.name,
        arguments=tuple(_argument(signature.parameters[i]) for i in slots(signature)),
        max_total_threads_per_threadgroup=min(limit, most_threads),
        threadgroup_memory=compiled.built.threadgroup_memory,
        mode=compiled.built.mode,
        code=compiled.code,
        stack=compiled.built.stack,
        built=compiled.built,
        origin=compiled.origin,
        find_for_any_group=lambda: kernel(compiled.for_any_group(), most_threads),
        find_how=compiled.how,
        find_why=compiled.why,
        find_remark=compiled.remark,
        declared=signature.max_total_threads_per_threadgroup or None,
    )


def _argument(parameter: Parameter) -> Argument:
    if parameter.index is None:
        raise ValueError(f"'{parameter.name}' is not bound by the host")
    return Argument(
        index=parameter.index,
        name=parameter.name,
        kind="buffer" if parameter.is_buffer else "threadgroup",
        address_space=parameter.address_space,
        type=parameter.type,
        indirection=parameter.indirection,
        writable=parameter.writable,
    )
