"""Watch over the timed runs of one candidate: each starts from nothing, and some are looked at.

A kernel that computes only in the runs that are compared would otherwise be as fast as it likes. It cannot know which
these are: they are drawn after it was compiled, and nothing of one run is left for the next.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from metalsci.devices.program import Array
from metalsci.devices.protocol import Stage
from metalsci.evaluation.safeguards import Safeguard

# Bytes that outputs hold before a timed run, other ones than the NaN of verified runs: a kernel may have been right by
# data it found there. As single precision 3.4e38 and -1.7e38, as int8 127 and -2.
_PATTERNS = (0x7F, 0xFE)
# Share of the repeated runs that are looked at; the last one is always compared. Five runs may be enough for a kernel,
# of which three wrong ones move the median: they come through in 9 % of the evaluations. Of a slow kernel three may be
# enough, of which two wrong ones do: in 6 %.
_LOOKED_AT, _LOOKED_AT_SLOW = 0.56, 0.75
_SLOW = 0.015  # seconds of a run, of which three are a time that evaluations take for long
_BLOCK = 1 << 16  # bytes
_BLOCKS = 64  # of an array that are compared; what skips a twentieth of its work escapes in 4 % of the looks
# Blocks of a large array: those of a look are drawn among them. All miss that twentieth once in 500,000 candidates.
_KEPT = 256

Blocks = Mapping[int, NDArray[np.uint8]]  # bytes by their place: all at 0, or some of many


class Vigil:
    """Watch over runs.

    complaint: the fault of the first bad run, None while all is well.
    repeatable: each run must give the same bits.
    """

    def __init__(self, checks: frozenset[Safeguard], rng: np.random.Generator, *, repeatable: bool) -> None:
        self.complaint: str | None = None
        self._checks = checks
        self._rng = rng
        self._repeatable = repeatable and Safeguard.BITWISE in checks
        self._verified: list[Blocks] = []

    def remember(self, outputs: Sequence[Array]) -> None:
        """Keep the outputs of the verified run; later ones are compared with them."""
        if self._repeatable and Safeguard.TURNS in self._checks:
            self._verified = [self._copied(_bytes(array)) for array in outputs]

    def before(self, stage: Stage) -> None:
        if Safeguard.POISON in self._checks:
            stage.poison(int(self._rng.choice(_PATTERNS)))

    def after(self, stage: Stage, seconds: float) -> None:
        """Check the run, which took so many seconds, if its turn was drawn."""
        share = _LOOKED_AT_SLOW if seconds >= _SLOW else _LOOKED_AT
        if self.complaint or Safeguard.TURNS not in self._checks or self._rng.random() >= share:
            return
        if Safeguard.GUARDS in self._checks and (damage := stage.damage()):
            self.complaint = f"in a repeated run: {damage}"
        elif self._verified and not self._same(stage.outputs()):
            self.complaint = "a repeated run on the same inputs gave other bits than the first one"

    def unchanged(self, outputs: Sequence[Array]) -> bool:
        """Return True if outputs are those of the verified run, to the bit. False if that is not known."""
        if not self._verified:
            return False
        pairs = zip(map(_bytes, outputs), self._verified, strict=True)
        return all(len(before) == 1 and np.array_equal(got, before[0]) for got, before in pairs)

    def _copied(self, output: NDArray[np.uint8]) -> Blocks:
        if output.size <= _BLOCK * _KEPT:
            return {0: output.copy()}
        starts = self._rng.integers(output.size - _BLOCK, size=_KEPT)
        return {int(at): output[at : at + _BLOCK].copy() for at in starts}

    def _same(self, outputs: Sequence[Array]) -> bool:
        pairs = zip(map(_bytes, outputs), self._verified, strict=True)
        return all(self._equal(got, before) for got, before in pairs)

    def _equal(self, got: NDArray[np.uint8], before: Blocks) -> bool:
        if got.size <= _BLOCK * _BLOCKS:
            return bool(np.array_equal(got, before[0]))
        if len(before) == 1:
            starts = self._rng.integers(got.size - _BLOCK, size=_BLOCKS)
            return all(np.array_equal(got[at : at + _BLOCK], before[0][at : at + _BLOCK]) for at in starts)
        places = self._rng.choice(list(before), size=_BLOCKS, replace=False)
        return all(np.array_equal(got[at : at + _BLOCK], before[int(at)]) for at in places)


def _bytes(array: Array) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
