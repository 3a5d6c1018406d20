"""A command buffer of instrumented kernels, with the facts that the runtime needs to check it, and its records."""

import math
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.compile.compiler import CheckedKernel
from metalsci.cpu_metal.compile.elf import Variable
from metalsci.cpu_metal.compile.library import Kernel
from metalsci.cpu_metal.execute.buffer import SharedRegion
from metalsci.cpu_metal.execute.commands import Binding, CommandBuffer, Dispatch
from metalsci.cpu_metal.sanitizer.group_sample import Groups, shape_of
from metalsci.cpu_metal.sanitizer.sentences import ATOMIC, FindingKind, Found, Memory, Thread, merged
from metalsci.msl.diagnostics import Finding

# As runtime/check.h lays them out.
_FINDING = np.dtype(
    [
        ("kind", "<u4"), ("flags", "<u4"), ("site", "<u4"), ("other_site", "<u4"), ("count", "<u4"),
        ("dispatch", "<u4"), ("extent", "<u4"), ("size", "<u4"), ("thread", "<u4"), ("other_thread", "<u4"),
        ("group", "<u4"), ("other_group", "<u4"), ("offset", "<i8"), ("value", "<u8"),
    ]
)  # fmt: skip
_MAX_FINDINGS = 64
EVERY_SITE = 0xFFFFFFFF
_CHECK = np.dtype(
    [
        ("commands", "<u8"), ("regions", "<u8"), ("extents", "<u8"), ("groups", "<u8"), ("group_counts", "<u8"),
        ("count", "<u4"), ("region_count", "<u4"), ("extent_count", "<u4"), ("found", "<u4"), ("lost", "<u4"),
        ("disturbed", "<u4"), ("marked", "<u4"), ("unused", "<u4"),
        ("findings", _FINDING, _MAX_FINDINGS),
    ]
)  # fmt: skip
_REGION = np.dtype([("size", "<u8"), ("granule", "<u4"), ("initialised", "<u4"), ("written", "<u8"), ("cells", "<u8")])
_EXTENT = np.dtype(
    [
        ("start", "<u8"), ("size", "<u8"), ("origin", "<u8"), ("dispatch", "<u4"), ("region", "<u4"), ("flags", "<u4"),
        ("before", "<u4"),
    ]
)  # fmt: skip
_INDEX = np.dtype("<u4")
_WRITABLE, _THREADGROUP = 1, 2
_THREADGROUP_REGION = 0xFFFFFFFF
_THREADGROUP_MEMORY = 256 << 10
_GRANULES = (
    (re.compile(r"(packed_)?(u?char|bool|u?int8)"), 0),
    (re.compile(r"(packed_)?(u?short|b?half|bfloat|u?int16)"), 1),
)
_GAP = 64  # include/metal_check
_LENGTHS = re.compile(r"_shadowI((?:A\d+_)*)")
_TAG = re.compile(r"E(\d+)(?=(\w*_shadow))")


@dataclass(frozen=True)
class Records:
    """Findings of a run, as runtime/check.h lays them out. lost: those for which there was no room."""

    found: npt.NDArray[Any]
    lost: int

    @property
    def doubtful_sites(self) -> tuple[int, ...]:
        """The sites at which undefined values are read, which matters only if results depend on them."""
        return tuple(dict.fromkeys(int(record["site"]) for record in self.found if _is_doubtful(record)))

    @property
    def certain(self) -> frozenset[tuple[int, ...]]:
        """The other findings, without what differs from run to run of the same kind."""
        return frozenset(
            tuple(int(record[name]) for name in ("kind", "flags", "site", "other_site", "dispatch"))
            for record in self.found
            if not _is_doubtful(record)
        )

    def without_doubts(self, kept: Container[int]) -> "Records":
        """Leave out undefined values at other sites than these."""
        stays = [not _is_doubtful(record) or int(record["site"]) in kept for record in self.found]
        return Records(self.found[stays], self.lost)


def _is_doubtful(record: Any) -> bool:
    kind = FindingKind(int(record["kind"]))
    if kind is FindingKind.UNINITIALISED:
        return not int(record["flags"]) & ATOMIC
    return kind in (FindingKind.INACTIVE_LANE, FindingKind.UNSET_VARIABLE)


@dataclass(frozen=True)
class _Extent:
    """Meaning of an index that the runtime returns: a binding's memory, or a variable's."""

    dispatch: int
    memory: Memory
    start: int
    binding: Binding | None


class CheckedCommands:
    """Instrumented command buffer.

    checked: for each kernel of `commands`, the one that takes its place.
    groups: those that run, in their order; None for all, the first of them first.
    """

    def __init__(
        self, commands: CommandBuffer, checked: Mapping[Kernel, CheckedKernel], groups: Groups | None = None
    ) -> None:
        self._original = commands
        self._checked = checked
        stand_ins = {kernel: _stand_in(kernel, of) for kernel, of in checked.items()}
        dispatches = [replace(dispatch, kernel=stand_ins[dispatch.kernel]) for dispatch in commands.dispatches]
        self.commands = CommandBuffer(dispatches, 1, _THREADGROUP_MEMORY)
        self._extents = list(self._extent_list())
        regions = {binding.buffer.region: binding.buffer for binding in self.commands.bindings if binding.buffer}
        self._regions: dict[SharedRegion, int] = {region: index for index, region in enumerate(regions)}
        self._buffers = list(regions.values())
        regions_at = _CHECK.itemsize
        extents_at = regions_at + (len(regions) + 1) * _REGION.itemsize
        counts_at = extents_at + len(self._extents) * _EXTENT.itemsize
        groups_at = counts_at + len(dispatches) * _INDEX.itemsize
        lists = [_groups_of(dispatch, groups) for dispatch in dispatches]
        self.region = SharedRegion(groups_at + sum(map(len, lists)) * _INDEX.itemsize)
        np.ndarray((len(lists),), _INDEX, self.region.memory, counts_at)[:] = [len(chosen) for chosen in lists]
        for chosen in lists:
            np.ndarray((len(chosen),), _INDEX, self.region.memory, groups_at)[:] = chosen
            groups_at += len(chosen) * _INDEX.itemsize
        self._check = np.ndarray((), _CHECK, self.region.memory)
        self._check["regions"], self._check["extents"] = regions_at, extents_at
        self._check["group_counts"] = counts_at
        self._check["groups"] = counts_at + len(dispatches) * _INDEX.itemsize
        self._check["count"] = len(self.commands)
        self._check["region_count"], self._check["extent_count"] = len(regions) + 1, len(self._extents)
        self._region_records = np.ndarray((len(regions) + 1,), _REGION, self.region.memory, regions_at)
        self._extent_records = np.ndarray((len(self._extents),), _EXTENT, self.region.memory, extents_at)

    def resolve(
        self, process: object, entry: Callable[[Kernel], int], address: Callable[[SharedRegion, bool], int]
    ) -> int:
        """Resolve as `CommandBuffer.resolve`; return the address of the `struct Check`."""
        own = self.commands.resolve(process, entry, address)
        self._check["commands"] = own
        for index, buffer in enumerate(self._buffers):
            granule = min(_granule(e.binding) for e in self._extents if e.binding and e.binding.buffer is buffer)
            self._region_records[index] = (buffer.nbytes, granule, buffer.initialised, 0, 0)
        self._region_records[-1] = (self.commands.region.size, 2, True, 0, 0)
        for index, extent in enumerate(self._extents):
            self._extent_records[index] = self._record(extent, own, address)
        return address(self.region, True)

    def disturb(self, site: int, *, marked: bool = False) -> None:
        """Begin another run, with other undefined values at a site, or at EVERY_SITE.

        marked: values of which comparisons say the contrary, instead of random ones; see `comparisons.py`.
        """
        self._check["found"] = self._check["lost"] = 0
        self._check["disturbed"], self._check["marked"] = site, marked

    def records(self) -> Records:
        """Return a copy of what the last run has found."""
        found = self._check["findings"][: int(self._check["found"])]
        return Records(found[[self._makes_sense(record) for record in found]].copy(), int(self._check["lost"]))

    def findings(self, records: Records) -> list[Finding]:
        """Return findings as sentences."""
        told = [found.told() for found in merged(self._found(record) for record in records.found)]
        lost = records.lost
        if lost:
            told.append(Finding(f"and {lost:,} more findings of other kinds or at other places", undefined=False))
        return told

    def _makes_sense(self, record: Any) -> bool:
        """Return True for a plausible record. A kernel that got around the sanitizer may have left anything."""
        if int(record["kind"]) not in list(FindingKind) or int(record["dispatch"]) >= len(self._original):
            return False
        sites = len(self._checked[self._original.dispatches[int(record["dispatch"])].kernel].build.sites)
        by_line = record["kind"] == FindingKind.DIVERGENT_BARRIER
        return bool(by_line or max(int(record["site"]), int(record["other_site"])) < sites)

    def _record(self, extent: _Extent, own: int, address: Callable[[SharedRegion, bool], int]) -> tuple[int, ...]:
        binding, memory = extent.binding, extent.memory
        if binding is None or binding.argument.kind == "threadgroup":
            flags = _THREADGROUP | _WRITABLE
            return (extent.start, memory.size, extent.start, extent.dispatch, _THREADGROUP_REGION, flags, 0)
        if binding.buffer is None:
            region = len(self._buffers)
            return (own + binding.offset, binding.size, binding.offset, extent.dispatch, region, 0, 0)
        buffer, writable = binding.buffer, binding.argument.writable
        start = address(buffer.region, writable) + buffer.start + binding.offset
        flags = _WRITABLE if writable else 0
        before = min(binding.offset, 0xFFFFFFFF)
        return (start, binding.size, binding.offset, extent.dispatch, self._regions[buffer.region], flags, before)

    def _extent_list(self) -> Iterator[_Extent]:
        """Yield extents, sorted by dispatch."""
        bindings: dict[int, list[Binding]] = {}
        for binding in self.commands.bindings:
            bindings.setdefault(binding.dispatch, []).append(binding)
        for index, dispatch in enumerate(self._original.dispatches):
            build = self._checked[dispatch.kernel].build
            for binding in bindings.get(index, ()):
                argument = binding.argument
                name = f"{_what(binding)} {argument.index} '{argument.name}'"
                element = build.elements[binding.slot]
                single = argument.indirection == "&" and element == binding.size
                memory = Memory(name, argument.name, binding.size, () if single else (element,))
                yield _Extent(index, memory, binding.offset, binding)
            for start, memory in _variables(build.variables):
                yield _Extent(index, memory, start, None)

    def _found(self, record: Any) -> Found:
        index = int(record["dispatch"])
        dispatch = self._original.dispatches[index]
        sites = self._checked[dispatch.kernel].build.sites
        extent = int(record["extent"])

        def thread(group: str, member: str) -> Thread:
            return Thread.of(dispatch, int(record[group]), int(record[member]))

        return Found(
            kind=FindingKind(int(record["kind"])),
            flags=int(record["flags"]),
            source=dispatch.kernel.origin.source,
            kernel=dispatch.kernel.name + (f" (dispatch {index})" if len(self._original) > 1 else ""),
            site=int(record["site"]),
            other_site=int(record["other_site"]),
            sites=sites,
            memory=self._extents[extent].memory if extent < len(self._extents) else None,
            offset=int(record["offset"]),
            size=int(record["size"]),
            value=int(record["value"]),
            thread=thread("group", "thread"),
            other_thread=thread("other_group", "other_thread"),
            count=int(record["count"]),
        )


def _stand_in(kernel: Kernel, checked: CheckedKernel) -> Kernel:
    """Make the checked kernel run thread by thread, on stacks of a size that should do."""
    return kernel.on_stacks(checked.code, checked.build.threadgroup_memory)


def _groups_of(dispatch: Dispatch, groups: Groups | None) -> npt.NDArray[np.uint32]:
    shape = shape_of(dispatch)
    if groups:
        return groups(shape)
    return np.arange(math.prod(shape), dtype=np.uint32)


def _what(binding: Binding) -> str:
    if binding.argument.kind == "threadgroup":
        return "threadgroup argument"
    if binding.buffer:
        return "buffer"
    return "constant"


def _granule(binding: Binding) -> int:
    """Return log2 of the bytes that tell threads apart: no more than a scalar of the argument's type has."""
    return next((granule for pattern, granule in _GRANULES if pattern.match(binding.argument.type)), 2)


def _variables(variables: tuple[Variable, ...]) -> Iterator[tuple[int, Memory]]:
    """Yield each variable in threadgroup memory with its start, without the gap behind it.

    Its name, as Clang mangles it, holds the variable's own and the lengths of an array: include/metal_threadgroup.
    """
    for variable in variables:
        size = variable.size - _GAP
        name, lengths = _TAG.findall(variable.name), _LENGTHS.search(variable.name)
        plain = next((text[: int(length)] for length, text in reversed(name)), "").removesuffix("_shadow")
        strides = [size]
        for length in re.findall(r"\d+", lengths[1]) if lengths else ():
            strides.append(strides[-1] // int(length))
        yield variable.offset, Memory(f"threadgroup variable '{plain}'", plain, size, tuple(strides[1:]))
