"""A task's host code as data: which kernels are dispatched on which arrays, in which order.

Host code is ordinary Python that calls kernels as MLX does, with fresh outputs:

    u, = kernels.heat_step(u, NX, NY, alpha, threads=(NX, NY, 1), threadgroup=(16, 16, 1), outputs=[(u.shape, u.dtype)])

`trace` runs it once, on symbols instead of data, and returns a `Program` that any device can replay as often as it
likes. So host code never runs in the process that runs candidates, and it is the same for every candidate.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from metalsci.devices.errors import PipelineFailure
from metalsci.msl.language.signature import Indirection, KernelSignature

Shape = tuple[int, ...]
Extent = tuple[int, int, int]
Array = NDArray[Any]

# Metal's scalar types as NumPy's; vectors are arrays with a trailing axis of the scalar.
SCALARS: Mapping[str, np.dtype[np.generic]] = {
    name: np.dtype(dtype)
    for name, dtype in {
        "bool": np.bool_,
        "char": np.int8,
        "uchar": np.uint8,
        "short": np.int16,
        "ushort": np.uint16,
        "int": np.int32,
        "uint": np.uint32,
        "long": np.int64,
        "ulong": np.uint64,
        "half": np.float16,
        "float": np.float32,
    }.items()
}


@dataclass(frozen=True)
class Symbol:
    """An array of a program: an input, or the output of one call. Row-major and contiguous."""

    id: int
    shape: Shape
    dtype: np.dtype[np.generic]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True)
class Call:
    """One dispatch. A threadgroup that does not `shrink` is dispatched whole or not at all.

    arguments, outputs: fill the kernel's read-only and writable buffers, each in the order of the signature. A scalar
        argument has the parameter's type.
    init: initial value of every element of the outputs; None leaves them undefined.
    """

    kernel: str
    arguments: tuple[Symbol | np.generic, ...]
    outputs: tuple[Symbol, ...]
    threads: Extent
    threadgroup: Extent
    init: float | None = None
    shrink: bool = True


@dataclass(frozen=True)
class Program:
    inputs: tuple[tuple[Symbol, Array], ...]
    calls: tuple[Call, ...]
    results: tuple[Symbol, ...]


class Kernels:
    """The kernels of a task, as attributes that host code calls. Calling one records a dispatch."""

    def __init__(self, signatures: Iterable[KernelSignature]) -> None:
        self._signatures = {s.name: s for s in signatures}
        self.calls: list[Call] = []
        self._count = 0

    def symbol(self, shape: Shape, dtype: DTypeLike) -> Symbol:
        self._count += 1
        return Symbol(self._count, tuple(int(n) for n in shape), np.dtype(dtype))

    def __getattr__(self, name: str) -> Callable[..., tuple[Symbol, ...]]:
        if name not in self._signatures:
            raise AttributeError(f"the task has no kernel {name!r}, only {', '.join(sorted(self._signatures))}")
        signature = self._signatures[name]

        def call(
            *arguments: Symbol | float | np.generic,
            threads: Extent,
            threadgroup: Extent,
            outputs: Sequence[tuple[Shape, DTypeLike]],
            init: float | None = None,
            shrink: bool = True,
        ) -> tuple[Symbol, ...]:
            made = tuple(self.symbol(shape, dtype) for shape, dtype in outputs)
            bound = _bind(signature, arguments, len(made))
            self.calls.append(Call(name, bound, made, threads, threadgroup, init, shrink))
            return made

        return call


def _bind(
    signature: KernelSignature, arguments: Sequence[Symbol | float | np.generic], outputs: int
) -> tuple[Symbol | np.generic, ...]:
    """Match arguments with the signature and convert scalars to the types that it gives them."""
    readable = [p for p in signature.buffers if not p.writable]
    writable = len(signature.buffers) - len(readable)
    if (len(arguments), outputs) != (len(readable), writable):
        raise TypeError(
            f"{signature.name} takes {len(readable)} arguments ({', '.join(p.name for p in readable)}) and {writable} "
            f"outputs; the host code gives {len(arguments)} and {outputs}"
        )
    bound: list[Symbol | np.generic] = []
    for parameter, argument in zip(readable, arguments, strict=True):
        if isinstance(argument, Symbol) != (parameter.indirection is Indirection.POINTER):
            raise TypeError(f"{signature.name}: {parameter.name} is a {parameter.indirection}, got {argument!r}")
        bound.append(argument if isinstance(argument, Symbol) else SCALARS[parameter.type].type(argument))
    return tuple(bound)


# Host code: inputs by name, and the kernels by attribute, to the arrays that are the program's results.
Host = Callable[[Mapping[str, Symbol], "Kernels"], Sequence[Symbol]]


def trace(host: Host, inputs: Mapping[str, Array], signatures: Iterable[KernelSignature]) -> Program:
    """Run `host` once on symbols. Raises TypeError or AttributeError if it does not fit the signatures."""
    recorder = Kernels(signatures)
    symbols = {name: recorder.symbol(a.shape, a.dtype) for name, a in inputs.items()}
    results = host(symbols, recorder)
    pairs = tuple((symbols[name], np.ascontiguousarray(array)) for name, array in inputs.items())
    return Program(pairs, tuple(recorder.calls), tuple(results))


def fit_threadgroup(threadgroup: Extent, limit: int | None, shrink: bool = True) -> Extent:
    """Return the group that the host dispatches if a kernel declares `max_total_threads_per_threadgroup(limit)`.

    One-dimensional groups shrink to the limit, others by halving their outer axes, as in the benchmark. Raises
    PipelineFailure if a group must not shrink and would have to.
    """
    x, y, z = threadgroup
    if limit is None:
        return threadgroup
    if x * y * z > limit and not shrink:
        raise PipelineFailure(
            f"max_total_threads_per_threadgroup({limit}) is too small: the host dispatches groups of {x * y * z} "
            "threads, which this task's kernels need whole; declare at least as many, or nothing"
        )
    while x * y * z > limit and z > 1:
        z //= 2
    while x * y * z > limit and y > 1:
        y //= 2
    return (min(x, limit), y, z)
