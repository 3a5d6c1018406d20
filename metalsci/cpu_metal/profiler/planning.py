"""The plan of counting: which dispatches of a command buffer are alike, which of them count, what must run before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalsci.cpu_metal.compile.library import Kernel
from metalsci.cpu_metal.execute.buffer import Buffer, BufferSlice
from metalsci.cpu_metal.execute.commands import Dispatch
from metalsci.cpu_metal.profiler.sampling import choose_dispatches


@dataclass(frozen=True)
class Alike:
    """Dispatches of one kernel over one grid, by their indices.

    counted: those of them to be counted. steered: contents that earlier dispatches wrote steer them.
    """

    indices: tuple[int, ...]
    counted: tuple[int, ...]
    steered: bool


def plan(dispatches: Sequence[Dispatch], steering: Mapping[Kernel, Sequence[int]]) -> list[Alike]:
    """Group dispatches that are alike. steering: slots of arguments whose contents steer a kernel."""
    steered = _steered(dispatches, steering)
    groups: dict[object, list[int]] = {}
    for index, dispatch in enumerate(dispatches):
        shape = (id(dispatch.kernel), tuple(dispatch.threads), tuple(dispatch.threadgroup))
        groups.setdefault((shape, tuple(sorted(dispatch.threadgroup_memory.items()))), []).append(index)
    return [
        Alike(
            tuple(indices),
            tuple(choose_dispatches(indices, _vary(dispatches, indices) or any(steered[i] for i in indices))),
            any(steered[i] for i in indices),
        )
        for indices in groups.values()
    ]


def _steered(dispatches: Sequence[Dispatch], steering: Mapping[Kernel, Sequence[int]]) -> list[bool]:
    written: set[int] = set()
    found = []
    for dispatch in dispatches:
        arguments = dispatch.kernel.arguments
        slots = steering[dispatch.kernel]
        read = {
            id(_buffer(dispatch.arguments.get(argument.index)))
            for slot, argument in enumerate(arguments)
            if argument.kind == "buffer" and (slot in slots or -1 in slots)
        }
        found.append(bool(read & written))
        for argument in arguments:
            buffer = _buffer(dispatch.arguments.get(argument.index)) if argument.kind == "buffer" else None
            if argument.writable and buffer is not None:
                written.add(id(buffer))
    return found


def _buffer(bound: object) -> Buffer | None:
    if isinstance(bound, BufferSlice):
        return bound.buffer
    if isinstance(bound, Buffer):
        return bound
    return None


def _vary(dispatches: Sequence[Dispatch], indices: Sequence[int]) -> bool:
    """Return True if values that are bound differ between dispatches."""
    values = {
        tuple(str(bound) for bound in dispatches[index].arguments.values() if _buffer(bound) is None)
        for index in indices
    }
    return len(values) > 1
