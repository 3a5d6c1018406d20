"""One dispatch of a counted kernel, as the runtime counts it, and its tables."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from metalsci.cpu_metal.compile.compiler import CountedKernel
from metalsci.cpu_metal.compile.library import Kernel
from metalsci.cpu_metal.errors import DispatchError
from metalsci.cpu_metal.execute.buffer import Buffer, SharedRegion
from metalsci.cpu_metal.execute.commands import CommandBuffer, Dispatch
from metalsci.cpu_metal.profiler.counters import CODE_CAPACITIES
from metalsci.msl.diagnostics import Finding

# As runtime/profile.h lays them out.
_PATH = np.dtype(
    [
        ("chain", "<u8"), ("near", "<u8"), ("own", "<u8"), ("far", "<u8"), ("misses", "<u8", 3),
        ("fetched", "<u8", len(CODE_CAPACITIES)),
    ]
)  # fmt: skip
_HEAD = np.dtype(
    [
        ("dispatch", "<u8"), ("units", "<u8"), ("blocks", "<u8"), ("sites", "<u8"), ("extents", "<u8"),
        ("budget", "<u8"),
        ("unit_count", "<u4"), ("block_count", "<u4"), ("site_count", "<u4"), ("extent_count", "<u4"),
        ("failure", "<u4"), ("groups", "<u4"), ("stops", "<u8"), ("barriers", "<u8"),
        ("critical", _PATH), ("total", _PATH),
    ]
)  # fmt: skip
_BLOCK = np.dtype(
    [
        ("chain", "<u4"), ("near", "<u4"), ("own", "<u4"), ("code", "<u4"), ("newer", "<u4"), ("older", "<u4"),
        ("executions", "<u8"), ("lanes", "<u8"), ("divergent", "<u8"),
    ]
)  # fmt: skip
_SITE = np.dtype(
    [
        ("kind", "<u4"), ("bytes", "<u4"), ("level", "<u4"), ("unused", "<u4"),
        ("issues", "<u8"), ("lanes", "<u8"), ("lines", "<u8"), ("sectors", "<u8"), ("misses", "<u8", 3),
        ("near_issues", "<u8"), ("near_lanes", "<u8"), ("turns", "<u8"), ("own_issues", "<u8"),
        ("collisions", "<u8"),
    ]
)  # fmt: skip
_EXTENT = np.dtype([("start", "<u8"), ("size", "<u8"), ("base", "<u8"), ("unique", "<u8")])
_BASE_SHIFT = 36
_FAILURES = {
    1: "the counted threadgroups change more memory than can be put back: the dispatch is too large to sample",
    2: "an access leads to memory of no argument (a pointer made from an integer?), so it cannot be followed",
}


class ProfiledDispatch:
    """Dispatch to be counted. units: indices of its threadgroups. stops: after which no further one is begun."""

    def __init__(self, dispatch: Dispatch, counted: CountedKernel, units: Sequence[int], stops: int) -> None:
        self._original = dispatch
        build = counted.build
        stand_in = dispatch.kernel.on_stacks(counted.code, build.threadgroup_memory)
        self.commands = CommandBuffer([replace(dispatch, kernel=stand_in)], 1)
        self._buffers = list(_buffers(self.commands))
        tables = [
            ("units", np.dtype("<u4"), len(units)),
            ("blocks", _BLOCK, len(build.blocks)),
            ("sites", _SITE, len(build.sites)),
            ("extents", _EXTENT, len(self.commands.bindings)),
        ]
        offsets, end = {}, _HEAD.itemsize
        for name, kind, count in tables:
            offsets[name] = end = -(-end // 16) * 16
            end += kind.itemsize * count
        self._region = SharedRegion(end)
        self.head: Any = np.ndarray((), _HEAD, self._region.memory)
        views = {name: np.ndarray((count,), kind, self._region.memory, offsets[name]) for name, kind, count in tables}
        for name, _, count in tables:
            self.head[name] = offsets[name]
            self.head[f"{name[:-1]}_count"] = count
        self.blocks, self.sites, self.extents = views["blocks"], views["sites"], views["extents"]
        self.head["budget"] = stops
        views["units"][:] = units
        self.blocks["chain"] = [block.chain for block in build.blocks]
        self.blocks["near"] = [block.near for block in build.blocks]
        self.blocks["own"] = [block.own for block in build.blocks]
        self.blocks["code"] = [block.code for block in build.blocks]
        self.sites["kind"] = [site.kind for site in build.sites]
        self.sites["bytes"] = [site.bytes for site in build.sites]
        self.sites["level"] = list(build.levels)

    def resolve(
        self, process: object, entry: Callable[[Kernel], int], address: Callable[[SharedRegion, bool], int]
    ) -> int:
        """Resolve as `CommandBuffer.resolve`; return the address of the `struct Profile`."""
        own = self.commands.resolve(process, entry, address)
        self.head["dispatch"] = own
        for index, binding in enumerate(self.commands.bindings):
            if binding.argument.kind == "threadgroup":
                continue
            if binding.buffer is None:
                self.extents[index] = (own + binding.offset, binding.size, (index + 1) << 8, 0)
                continue
            start = address(binding.buffer.region, binding.argument.writable) + binding.buffer.start
            base = (self._buffers.index(binding.buffer) + 1) << _BASE_SHIFT
            self.extents[index] = (start, binding.buffer.region.size - binding.buffer.start, base, 0)
        return address(self._region, True)

    def check(self) -> None:
        """Raise DispatchError if the run could not be counted."""
        failure = int(self.head["failure"])
        if failure:
            reason = _FAILURES.get(failure, "the counts make no sense")
            raise DispatchError([Finding(f"{self._original.kernel.name}: {reason}", "not counted")])

    @property
    def groups(self) -> int:
        """Threadgroups that were counted."""
        return int(self.head["groups"])

    def unique(self) -> Iterator[tuple[int, int]]:
        """Yield for each buffer the lines that were touched, and the lines that it has."""
        for index, binding in enumerate(self.commands.bindings):
            if binding.buffer is not None:
                yield int(self.extents[index]["unique"]), math.ceil(binding.buffer.nbytes / 128)


def _buffers(commands: CommandBuffer) -> Iterator[Buffer]:
    seen = []
    for binding in commands.bindings:
        if binding.buffer is not None and binding.buffer not in seen:
            seen.append(binding.buffer)
            yield binding.buffer
