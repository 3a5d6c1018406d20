"""Command buffers: dispatches, checked and laid out as the device process reads them."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metalsci.cpu_metal.compile.library import (
    MAX_THREADGROUP_MEMORY,
    Argument,
    Kernel,
)
from metalsci.cpu_metal.compile.wrapper import Mode
from metalsci.cpu_metal.errors import PipelineError
from metalsci.cpu_metal.execute.buffer import Buffer, BufferSlice, SharedRegion
from metalsci.cpu_metal.execute.scalar_arguments import value_bytes

_MAX_ARGUMENTS = 64
# struct Dispatch of runtime/runtime.h.
_DISPATCH = np.dtype(
    [
        ("run", "<u8"), ("mode", "<u4"), ("tile", "<u4"),
        ("grid", "<u4", 3), ("group", "<u4", 3), ("groups", "<u4", 3),
        ("units", "<u4"), ("workers", "<u4"), ("stack", "<u4"),
        ("arguments", "<u8", _MAX_ARGUMENTS),
    ]
)  # fmt: skip
_VALUE_ALIGNMENT = 64
_LARGEST_TILE = 8192
_PARTS_PER_WORKER = 8  # ROUNDS of runtime/share.h
_MAX_THREADS = 2**31
_LENGTHS = 16  # bytes: Metal takes multiples of this for threadgroup memory that the host provides


@dataclass(frozen=True)
class Dispatch:
    """A kernel over a grid of threads.

    arguments: by buffer index, a buffer, a buffer from an offset (`buffer.at(…)`), or a value for a constant argument.
    threads, threadgroup: threads per grid and per threadgroup, x first; missing dimensions are 1. Threadgroups at the
    grid's edges are partial where they do not fit.
    threadgroup_memory: bytes by index, for arguments in threadgroup memory.
    """

    kernel: Kernel
    arguments: Mapping[int, Any]
    threads: Sequence[int]
    threadgroup: Sequence[int]
    threadgroup_memory: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Binding:
    """The place of an argument, and the `size` bytes that are bound there.

    They belong to a buffer, to the command buffer's own copy of a value, or to threadgroup memory.
    """

    dispatch: int
    slot: int
    argument: Argument
    buffer: Buffer | None
    offset: int
    size: int


class CommandBuffer:
    """Dispatches that can run any number of times after they were checked once.

    threadgroup_memory: bytes that a group may have.
    in_order: one worker runs the groups of a dispatch, one after the other.
    Raises PipelineError for a dispatch that Metal would refuse, ValueError for one that makes no sense.
    """

    def __init__(
        self,
        dispatches: Sequence[Dispatch],
        workers: int,
        threadgroup_memory: int = MAX_THREADGROUP_MEMORY,
        *,
        in_order: bool = False,
    ) -> None:
        self.dispatches = tuple(dispatches)
        values = _Values(len(self.dispatches) * _DISPATCH.itemsize)
        self.bindings: list[Binding] = []
        records = np.zeros(len(self.dispatches), _DISPATCH)
        self._kernels = [_fill(records[index], dispatch, workers) for index, dispatch in enumerate(self.dispatches)]
        for index, dispatch in enumerate(self.dispatches):
            self.bindings += _bindings(index, dispatch, values, threadgroup_memory)
        if in_order:
            records["workers"] = 1
        self.region = SharedRegion(values.end)
        self._records = np.ndarray(records.shape, _DISPATCH, self.region.memory)
        self._records[:] = records
        values.write(self.region.memory)
        self._resolved: object = None

    def __len__(self) -> int:
        return len(self.dispatches)

    def resolve(
        self, process: object, entry: Callable[[Kernel], int], address: Callable[[SharedRegion, bool], int]
    ) -> int:
        """Fill in the addresses of `process`, once for each process; return the command buffer's own.

        entry: address of a kernel. address: of shared memory, mapped writable or not.
        """
        own = address(self.region, False)
        if self._resolved is process:
            return own
        for index, kernel in enumerate(self._kernels):
            self._records[index]["run"] = entry(kernel)
        for binding in self.bindings:
            self._records[binding.dispatch]["arguments"][binding.slot] = _address(binding, own, address)
        self._resolved = process
        return own


def _address(binding: Binding, own: int, address: Callable[[SharedRegion, bool], int]) -> int:
    if binding.argument.kind == "threadgroup":
        return binding.offset
    if binding.buffer is None:
        return own + binding.offset
    mapped = address(binding.buffer.region, binding.argument.writable)
    return mapped + binding.buffer.start + binding.offset


class _Values:
    """Values bound by copy, behind the dispatches."""

    def __init__(self, start: int) -> None:
        self.end = start
        self._parts: list[tuple[int, bytes]] = []

    def add(self, data: bytes) -> int:
        offset = -(-self.end // _VALUE_ALIGNMENT) * _VALUE_ALIGNMENT
        self._parts.append((offset, data))
        self.end = offset + len(data)
        return offset

    def write(self, memory: Any) -> None:
        for offset, data in self._parts:
            memory[offset : offset + len(data)] = data


def check_threadgroup(kernel: Kernel, threadgroup: tuple[int, int, int]) -> None:
    """Raise PipelineError for a threadgroup with more threads than the kernel allows."""
    total = math.prod(threadgroup)
    if total > kernel.max_total_threads_per_threadgroup:
        raise PipelineError(
            f"Thread group size ({total}) is greater than  the maximum allowed threads per threadgroup "
            f"({kernel.max_total_threads_per_threadgroup})."
        )


def _fill(record: Any, dispatch: Dispatch, workers: int) -> Kernel:
    """Lay out a dispatch. Return the kernel that is for its groups."""
    grid = _extent(dispatch.threads, "threads")
    group = _extent(dispatch.threadgroup, "threadgroup")
    check_threadgroup(dispatch.kernel, group)
    kernel = dispatch.kernel.suited(grid, group)
    groups = [-(-n // g) for g, n in zip(group, grid, strict=True)]
    tile = _tile(grid, workers)
    if kernel.mode is Mode.GRID:
        units = -(-grid[0] // tile) * grid[1] * grid[2]
    else:
        units = groups[0] * groups[1] * groups[2]
    record["mode"] = kernel.mode
    record["tile"] = tile
    record["grid"], record["group"], record["groups"] = grid, group, groups
    record["stack"] = kernel.stack
    record["units"] = units
    record["workers"] = min(units, workers)
    return kernel


def _extent(given: Sequence[int], name: str) -> tuple[int, int, int]:
    x, y, z = (*map(int, given), 1, 1, 1)[:3]
    if len(given) not in (1, 2, 3) or min(x, y, z) < 1 or x * y * z > _MAX_THREADS:
        raise ValueError(f"{name} must be one to three positive numbers, at most {_MAX_THREADS:,} in all; got {given}")
    return x, y, z


def _tile(grid: tuple[int, int, int], workers: int) -> int:
    """Return the threads along x in a unit of work: a row, or a part of one if rows are few.

    Parts are multiples of 64, so that they begin where vectors of threads do: compile/lanes counts on it.
    """
    wanted = -(-grid[0] * grid[1] * grid[2] // (workers * _PARTS_PER_WORKER))
    wanted = min(max(-(-wanted // 64) * 64, 64), _LARGEST_TILE)
    if wanted < grid[0]:
        return min(wanted, grid[0])
    return grid[0]


def _bindings(index: int, dispatch: Dispatch, values: _Values, limit: int) -> Iterator[Binding]:
    kernel = dispatch.kernel
    _check_indices(kernel, "buffer", dispatch.arguments)
    _check_indices(kernel, "threadgroup", dispatch.threadgroup_memory)
    used = kernel.threadgroup_memory
    for slot, argument in enumerate(kernel.arguments):
        if argument.kind == "threadgroup":
            used = -(-used // 16) * 16
            size = dispatch.threadgroup_memory[argument.index]
            if size % _LENGTHS:
                raise ValueError(
                    f"threadgroup memory {argument.index} '{argument.name}' of '{kernel.name}' has {size} bytes: Metal "
                    f"takes multiples of {_LENGTHS}"
                )
            yield Binding(index, slot, argument, None, used, size)
            used += size
            continue
        bound = dispatch.arguments[argument.index]
        if isinstance(bound, Buffer):
            yield Binding(index, slot, argument, bound, 0, bound.nbytes)
        elif isinstance(bound, BufferSlice):
            yield Binding(index, slot, argument, bound.buffer, bound.offset, bound.buffer.nbytes - bound.offset)
        elif argument.writable:
            raise ValueError(f"'{argument.name}' of '{kernel.name}' is written to: bind a buffer, not a value")
        else:
            data = value_bytes(bound, argument.type)
            yield Binding(index, slot, argument, None, values.add(data), len(data))
    if used > limit:
        raise PipelineError(
            f"Threadgroup memory size ({used}) exceeds the maximum threadgroup memory allowed ({limit})"
        )


def _check_indices(kernel: Kernel, kind: str, given: Mapping[int, Any]) -> None:
    wanted = {argument.index: argument.name for argument in kernel.arguments if argument.kind == kind}
    missing = [f"{index} '{name}'" for index, name in wanted.items() if index not in given]
    unknown = [str(index) for index in given if index not in wanted]
    if missing:
        raise ValueError(f"'{kernel.name}' has nothing bound at {kind} {', '.join(missing)}")
    if unknown:
        raise ValueError(f"'{kernel.name}' has no {kind} {', '.join(unknown)}")
