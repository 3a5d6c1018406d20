"""Arrays of MLX and of NumPy, seen as memory with strides; MLX need not be installed."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metalsci.cpu_metal.mlx.dtypes import ElementType, element_type, is_mlx_dtype

# What MLX makes of NumPy's arrays in double precision.
_NARROWED = {"float64": np.float32, "complex128": np.complex64}
_INT32 = range(-(2**31), 2**31)


@dataclass(frozen=True)
class StridedArray:
    """Array with strides. `values` shares the memory of the array it was made of."""

    type: ElementType
    values: npt.NDArray[Any]

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides in elements."""
        return tuple(stride // self.values.itemsize for stride in self.values.strides)

    def row_contiguous(self) -> "StridedArray":
        """Copy the array, unless the elements already lie row by row without gaps."""
        if self.values.flags.c_contiguous:
            return self
        return StridedArray(self.type, self.values.copy(order="C"))

    def span(self) -> tuple[npt.NDArray[Any], int]:
        """Return the memory from the first to the last element, gaps included, and the byte in it of element 0."""
        ascending = self.values[tuple(slice(None, None, -1 if s < 0 else 1) for s in self.values.strides)]
        low, high = np.lib.array_utils.byte_bounds(ascending)
        count = (high - low) // self.values.itemsize
        flat = np.lib.stride_tricks.as_strided(ascending, (count,), (self.values.itemsize,))
        return flat, self.values.ctypes.data - low


def is_mlx(value: object) -> bool:
    """Return True for an array or a dtype of MLX."""
    return is_mlx_dtype(value) or isinstance(value, getattr(sys.modules.get("mlx.core"), "array", ()))


def strided(value: Any) -> StridedArray:
    """Take an input as MLX does: an array, or a number, whose type MLX chooses. Raises ValueError for anything else."""
    if is_mlx(value):
        kind = element_type(value.dtype)
        module = sys.modules["mlx.core"]
        return StridedArray(kind, np.asarray(value.view(module.uint16) if kind.name == "bfloat16" else value))
    values = _numpy(value)
    kind = element_type(values.dtype)
    values = values.view(kind.storage)
    if any(stride % values.itemsize for stride in values.strides):  # a field of records
        values = values.copy(order="C")
    return StridedArray(kind, values)


def mlx_array(values: npt.NDArray[Any], kind: ElementType) -> Any:
    """Convert stored elements to an `mx.array`."""
    module = sys.modules["mlx.core"]
    array = module.array(values)
    if kind.name == "bfloat16":
        return array.view(module.bfloat16)
    return array


def _numpy(value: object) -> npt.NDArray[Any]:
    match value:
        case bool():
            return np.asarray(value)
        case int():
            return np.asarray(value, np.int32 if value in _INT32 else np.int64)
        case float():
            return np.asarray(value, np.float32)
        case complex():
            return np.asarray(value, np.complex64)
        case np.ndarray() | np.generic():
            values = np.asarray(value)
            if values.dtype.name in _NARROWED:
                return values.astype(_NARROWED[values.dtype.name])
            return values
    raise ValueError(f"an input must be an array or a number, not {type(value).__name__}")


def without_derivatives(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """Return outputs that depend on the inputs for MLX, which refuses their derivatives as those of its own kernels.

    Outputs that depend on nothing would have derivatives of zero.
    """
    if not inputs:
        return list(outputs)
    kernel = sys.modules["mlx.core"].custom_function(lambda *_: list(outputs))

    def refuse(transformation: str) -> Callable[..., Any]:
        def refused(*_: Any) -> Any:
            raise ValueError(f"[Primitive::{transformation}] Not implemented for CustomKernel.")

        return refused

    kernel.vjp(refuse("vjp"))
    kernel.jvp(refuse("jvp"))
    return list(kernel(*inputs))
