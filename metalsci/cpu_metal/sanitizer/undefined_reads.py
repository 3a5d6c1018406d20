"""Reads of undefined values, of which those count that results depend on.

A kernel may read what nobody has written, or what a lane that is not active has, as long as it makes nothing of it: the
last thread of a row shuffles from a neighbour that is not there. So commands that did it run again, with other
undefined values at one place in the source after another. A place at which results, findings or the end of the
commands change is a finding.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.errors import DeviceCrash, DeviceTimeout
from metalsci.cpu_metal.execute.buffer import SharedRegion
from metalsci.cpu_metal.execute.commands import CommandBuffer
from metalsci.cpu_metal.sanitizer.checked_commands import EVERY_SITE, CheckedCommands, Records

_MOST = 8  # places that are looked at one by one
Contents = Sequence[npt.NDArray[np.uint8]]


class WritableMemory:
    """All buffers that commands may write."""

    def __init__(self, commands: CommandBuffer) -> None:
        bound = (binding for binding in commands.bindings if binding.buffer and binding.argument.writable)
        self._regions: list[SharedRegion] = list(dict.fromkeys(b.buffer.region for b in bound if b.buffer))
        self._views = [np.frombuffer(region.memory, np.uint8) for region in self._regions]

    def contents(self) -> Contents:
        return [view.copy() for view in self._views]

    def holds(self, contents: Contents) -> bool:
        return all(np.array_equal(view, held) for view, held in zip(self._views, contents, strict=True))

    def put_back(self, contents: Contents) -> None:
        for view, held in zip(self._views, contents, strict=True):
            view[:] = held


def settled(checked: CheckedCommands, memory: WritableMemory, before: Contents, run: Callable[[], object]) -> Records:
    """Return the findings of a run that is over, without the undefined values that nothing depends on.

    before: contents of the memory before that run. run: runs the commands again. It is left as that run left it.
    """
    records = checked.records()
    sites = records.doubtful_sites
    if not sites:
        return records
    after = memory.contents()

    def matters(site: int) -> bool:
        memory.put_back(before)
        checked.disturb(site)
        try:
            run()
        except (DeviceCrash, DeviceTimeout):
            return True
        return not memory.holds(after) or checked.records().certain != records.certain

    kept = {site for site in sites[:_MOST] if matters(site)}
    if not kept and len(sites) > 1 and matters(EVERY_SITE):
        kept = set(sites[_MOST:]) or set(sites)
    memory.put_back(after)
    return records.without_doubts(kept)
