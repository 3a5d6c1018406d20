"""Reads of undefined values, of which those count that results depend on.

A kernel may read what nobody has written, or what a lane that is not active has, as long as it makes nothing of it: the
last thread of a row shuffles from a neighbour that is not there. So commands that did it run again, with other
undefined values at one place in the source after another. A place at which results, findings or the end of the
commands change is a finding. Random values would never meet the one number that a kernel may wait for, so each place
is tried with comparisons that say the contrary as well: `comparisons.py`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.errors import DeviceCrash, DeviceTimeout
from metalsci.cpu_metal.execute.commands import CommandBuffer
from metalsci.cpu_metal.sanitizer.checked_commands import EVERY_SITE, CheckedCommands, Records

_LITTLE = 1 << 24  # bytes that are soon set to zero
_MOST = 8  # places that are looked at one by one
Bytes = npt.NDArray[np.uint8]


class WritableMemory:
    """All buffers that commands may write. What nobody has written yet is no content, and copies of it cost time.

    reset: it holds zeros now, where nobody has written, which not much memory does.
    """

    def __init__(self, commands: CommandBuffer) -> None:
        bound = [b.buffer for b in commands.bindings if b.buffer is not None and b.argument.writable]
        regions = list(dict.fromkeys(buffer.region for buffer in bound))
        self._written = [any(b.initialised for b in bound if b.region is region) for region in regions]
        self._views = [np.frombuffer(region.memory, np.uint8) for region in regions]
        unwritten = [view for view, written in zip(self._views, self._written, strict=True) if not written]
        self.reset = sum(view.size for view in unwritten) <= _LITTLE
        if self.reset:
            for view in unwritten:
                view[:] = 0

    def contents(self) -> Sequence[Bytes | None]:
        """Copy what has been written before the commands run."""
        pairs = zip(self._views, self._written, strict=True)
        return [view.copy() if written else None for view, written in pairs]

    def everything(self) -> Sequence[Bytes]:
        return [view.copy() for view in self._views]

    def holds(self, contents: Sequence[Bytes]) -> bool:
        return all(np.array_equal(view, held) for view, held in zip(self._views, contents, strict=True))

    def put_back(self, contents: Sequence[Bytes | None]) -> None:
        for view, held in zip(self._views, contents, strict=True):
            view[:] = 0 if held is None else held


def settled(
    checked: CheckedCommands, memory: WritableMemory, before: Sequence[Bytes | None], run: Callable[[], object]
) -> Records:
    """Return the findings of a run that is over, without the undefined values that nothing depends on.

    before: contents of the memory before that run, in which undefined values were zeros. run: runs the commands again.
    The memory is left as that run left it.
    """
    records = checked.records()
    sites = records.doubtful_sites
    if not sites:
        return records
    after = same = memory.everything()
    if not memory.reset:
        memory.put_back(before)
        checked.disturb(0)
        run()
        same = memory.everything()

    seen = set(sites)  # and those that are read only where another one says the contrary

    def changes(site: int, *, marked: bool) -> bool:
        memory.put_back(before)
        checked.disturb(site, marked=marked)
        try:
            run()
        except (DeviceCrash, DeviceTimeout):
            return True
        seen.update(checked.records().doubtful_sites)
        if not memory.holds(same):
            return True
        return not marked and checked.records().certain != records.certain  # marks are NaNs, which are found as such

    # Random values at all places at once leave results alone only if each does; comparisons of two can undo each other.
    some = changes(EVERY_SITE, marked=False)
    few = sites[:_MOST]
    kept = {site for site in few if (some and changes(site, marked=False)) or changes(site, marked=True)}
    if not kept and (some or (len(seen) > 1 and changes(EVERY_SITE, marked=True))):
        kept = set(sites[_MOST:]) or set(sites)
    memory.put_back(after)
    return records.without_doubts(kept)
