"""Wrong results, made from the right ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metalsci.task.definition import Size, Task

Array = NDArray[Any]  # of numbers, whatever their type
# From task, size, inputs and right results to wrong ones, or None where there is no such thing.
Spoil = Callable[[Task, Size, Mapping[str, Array], list[Array]], list[Array] | None]


def right(task: Task, size: Size, want: Sequence[Array]) -> list[Array]:
    """Return the results of a right candidate, in its types."""
    results = [w.astype(np.float32) if w.dtype.kind == "f" else w.copy() for w in want]
    return results if task.name != "lj" else [*results[:2], *counts(size, results[2::2], results[3::2])]


def counts(size: Size, least: Sequence[Array], most: Sequence[Array]) -> Iterator[Array]:
    """Count particles by cell: each that may be counted in several, in the first that has room."""
    for sure, highest in zip(least, most, strict=True):
        count = sure.astype(np.uint32)
        for cell in np.repeat(np.arange(count.size), highest - sure)[: size.N - int(sure.sum())]:
            count[cell] += 1
        yield count


def fill(value: Callable[[Array], float]) -> Spoil:
    return lambda task, size, inputs, got: [np.full_like(g, value(g)) for g in got]


def one_element(value: Callable[[Array, Any], float]) -> Spoil:
    def change(task: Task, size: Size, inputs: Mapping[str, Array], got: list[Array]) -> list[Array] | None:
        flat = got[0].reshape(-1)
        at = flat.size // 2 + 1
        flat[at] = value(got[0], flat[at])
        return got

    return change


def unchanged(task: Task, size: Size, inputs: Mapping[str, Array], got: list[Array]) -> list[Array]:
    """Return the inputs in place of the results, in their order, without padding."""
    return [a[..., : g.shape[-1]] for a, g in zip(inputs.values(), got, strict=False)] + got[len(inputs) :]


def swapped_axes(task: Task, size: Size, inputs: Mapping[str, Array], got: list[Array]) -> list[Array] | None:
    g = got[0]
    pairs = [(a, b) for a, b in combinations(range(g.ndim), 2) if g.shape[a] == g.shape[b]]
    return [np.swapaxes(g, *pairs[0]), *got[1:]] if pairs else None


def steps(more: int) -> Spoil:
    def change(task: Task, size: Size, inputs: Mapping[str, Array], got: list[Array]) -> list[Array] | None:
        if "steps" not in size.extents:
            return None
        other = size.replace(steps=size.steps + more)
        made = right(task, size, task.reference(other, inputs))
        return (made + got[len(made) :])[: len(got)]

    return change


def rounded(task: Task, size: Size, inputs: Mapping[str, Array], got: list[Array]) -> list[Array] | None:
    if got[0].dtype.kind != "f":
        return None
    with np.errstate(over="ignore"):
        return [g.astype(np.float16).astype(g.dtype) if g.dtype.kind == "f" else g for g in got]


SPOILS: dict[str, Spoil] = {
    "zeros": fill(lambda g: 0),
    "ones": fill(lambda g: 1),
    "mean": fill(lambda g: g.mean()),
    "input unchanged": unchanged,
    "one wrong element": one_element(lambda g, x: -x if g.dtype.kind == "i" else x + 0.01 * np.abs(g).max()),
    "one NaN": one_element(lambda g, x: np.nan if g.dtype.kind == "f" else -x),
    "sign": lambda task, size, inputs, got: [-g if g.dtype.kind != "u" else g for g in got],
    "shifted by one": lambda task, size, inputs, got: [np.roll(g, 1, axis=-1) for g in got],
    "swapped axes": swapped_axes,
    "one step fewer": steps(-1),
    "one step more": steps(1),
    "half precision": rounded,
}
