"""A ladder with valleys: a new structure is slower than the old one until it has been tuned.

This is why kernels are hard for a greedy search: tiling first costs a barrier and only then saves bandwidth. Each
structure has another count of barriers and another tile, as real ones do, so that a strategy may tell them apart.
"""

import random
import re
from collections.abc import Sequence

_STEP = 0.7  # doublings between two structures, equally tuned
_TUNE = 0.16  # doublings of one act of tuning


class Ladder:
    """Candidates that are a structure and how far it is tuned.

    levels: structures. tuning: acts of tuning that a structure can take; beyond that they bring nothing.
    bold: share of answers with the next structure, untuned. wrong: share of answers that are no correct kernel.
    """

    name = "ladder"
    start = "structure 0 tuned 0 draft 0;"

    def __init__(self, *, levels: int = 8, tuning: int = 8, bold: float = 0.15, wrong: float = 0.3) -> None:
        self._levels = levels
        self._tuning = tuning
        self._bold = bold
        self._wrong = wrong

    def child(self, parents: Sequence[str], rng: random.Random) -> str | None:
        if rng.random() < self._wrong:
            return None
        best = max(parents, key=self.worth)
        structure, tuned = _numbers(best)
        if rng.random() < self._bold:
            structure, tuned = min(structure + 1, self._levels), 0
        else:
            tuned += 1
        text = f"structure {structure} tuned {tuned} draft {rng.getrandbits(40)};"
        tile = f" threadgroup float tile[{512 * structure}];" if structure else ""
        return text + tile + " threadgroup_barrier();" * structure

    def worth(self, source: str) -> float:
        structure, tuned = _numbers(source)
        return _STEP * structure + _TUNE * min(tuned, self._tuning)


def _numbers(source: str) -> tuple[int, int]:
    structure, tuned = map(int, re.findall(r"\d+", source)[:2])
    return structure, tuned
