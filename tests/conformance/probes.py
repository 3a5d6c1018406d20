"""Many expressions of Metal evaluated at once: one kernel for all of them, a thread for each set of arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal import Device, Dispatch

Array = npt.NDArray[Any]
HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
DTYPES: dict[str, Any] = {
    "char": np.int8, "uchar": np.uint8, "short": np.int16, "ushort": np.uint16,
    "int": np.int32, "uint": np.uint32, "long": np.int64, "ulong": np.uint64,
    "bool": np.bool_, "half": np.float16, "float": np.float32,
    "bfloat": np.uint16,  # by its bits
}  # fmt: skip
NAMES = "xyzw"


def scalar(metal_type: str) -> str:
    """Return `float` for `float4`."""
    return metal_type.rstrip("234")


def lanes(metal_type: str) -> int:
    last = metal_type[-1]
    return int(last) if last.isdigit() else 1


def sized(kind: str, lanes: int) -> str:
    """Return `float4` for `float` and 4; a vector of one element is a scalar."""
    return f"{kind}{lanes}" if lanes > 1 else kind


@dataclass(frozen=True)
class Probe:
    """An expression of x, y, z and w, which are of the types `arguments`, and the type of its value.

    before: statements that it needs.
    """

    expression: str
    arguments: tuple[str, ...]
    result: str
    before: str = ""


@dataclass(frozen=True)
class Values:
    """The results of a probe: `got[i]` is the value for the arguments in the rows `at[i]`."""

    got: Array
    at: npt.NDArray[np.intp]


def evaluate(
    device: Device, probes: Sequence[Probe], columns: Sequence[Array], mode: str = "safe", together: int = 12
) -> list[Values]:
    """Evaluate the probes for every row of `columns`.

    columns: each holds one argument's scalars, of shape (rows,), or (probes, rows) if each probe has arguments of its
        own.
    together: probes in a kernel; all kernels are one source.

    Element `k` of a vector argument is `k` rows further down, and of a vector value a thread shows one element: so all
    elements are seen.
    """
    rows = columns[0].shape[-1]
    types = [scalar(argument) for argument in max((p.arguments for p in probes), key=len)]
    numbered = list(enumerate(probes))
    parts = [numbered[start : start + together] for start in range(0, len(probes), together)]
    results = list(dict.fromkeys(scalar(p.result) for p in probes))
    names = list(zip(NAMES, types, columns, strict=False))
    inputs = "".join(f"device const {kind} *{name}s, " for name, kind, _ in names)
    outputs = "".join(f"device {_stored(kind)} *{kind}_values, " for kind in results)
    own = [name for name, _, column in names if column.ndim == 2]
    source = HEADER + "".join(
        f"kernel void probe{k}({inputs}{outputs}constant uint &n, uint i [[thread_position_in_grid]]) {{\n"
        + "".join(_statement(p, place, own) for place, p in part)
        + "}\n"
        for k, part in enumerate(parts)
    )
    out = {kind: device.empty((len(probes), rows), DTYPES[kind]) for kind in results}
    bound = dict(enumerate([*(device.buffer(column) for _, _, column in names), *out.values(), rows]))
    kernels = device.compile(source, mode).kernels
    device.run([Dispatch(kernels[f"probe{k}"], bound, (rows,), (64,)) for k in range(len(parts))])
    row = np.arange(rows)
    return [
        Values(np.array(out[scalar(p.result)].array[place]), (row + row % lanes(p.result)) % rows)
        for place, p in numbered
    ]


def _stored(kind: str) -> str:
    return "uchar" if kind == "bool" else kind


def _statement(probe: Probe, place: int, own: Sequence[str]) -> str:
    loads = "".join(
        f"const {kind} {name} = {_load(kind, name, f'{place} * n + ' if name in own else '')}; "
        for name, kind in zip(NAMES, probe.arguments, strict=False)
    )
    width = lanes(probe.result)
    element = f"[i % {width}]" if width > 1 else ""
    kind = scalar(probe.result)
    store = f"{kind}_values[{place} * n + i] = {_stored(kind)}(value{element});"
    return f"{{ {loads}{probe.before} const {probe.result} value = {probe.expression}; {store} }}\n"


def _load(kind: str, name: str, start: str) -> str:
    width = lanes(kind)
    elements = ", ".join(f"{name}s[{start}(i + {k}) % n]" for k in range(width))
    return f"{kind}({elements})" if width > 1 else f"{name}s[{start}i]"
