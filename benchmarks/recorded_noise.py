"""The noise of recorded times: those of kernels with the same counts differ, and no predictor could tell why.

Kernels of a task that have the same counts are one kernel to a predictor. The deviations of their times from their mean
are noise: of the recordings, most of it is the GPU's clock, which was low for some runs. The recorded order is compared
with that of the recorded times to which such noise is added once more. What comes out is more than can be reached: the
recorded spread has noise in it already, and tasks of which few kernels have the same counts are taken to have none.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from recordings import Recording

_DRAWS = 100
_FEWEST = 6  # deviations of a task, from which its noise is known


def deviations(recordings: Sequence[Recording], seconds: Callable[[Recording], float]) -> dict[str, list[float]]:
    """Return for each task the logarithms of times over the mean of the kernels that `seconds` cannot tell apart.

    Each is scaled to make up for the mean, which is of the same times.
    """
    groups: dict[tuple[str, float], list[float]] = {}
    for recording in recordings:
        groups.setdefault((recording.task, seconds(recording)), []).append(math.log(recording.seconds))
    found: dict[str, list[float]] = {}
    for (task, _), times in groups.items():
        if len(times) > 1:
            mean, scale = statistics.fmean(times), math.sqrt(len(times) / (len(times) - 1))
            found.setdefault(task, []).extend(scale * (time - mean) for time in times)
    return found


def with_noise_again(
    recordings: Sequence[Recording], noise: Mapping[str, Sequence[float]]
) -> Iterator[list[Recording]]:
    """Yield the recordings of one size with noise added to their times, drawn by a fixed seed."""
    known = {task: found for task, found in noise.items() if len(found) >= _FEWEST}
    random = Random(0)
    for _ in range(_DRAWS):
        yield [replace(r, seconds=r.seconds * math.exp(random.choice(known.get(r.task, [0.0])))) for r in recordings]
