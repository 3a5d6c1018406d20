"""The types that elements of MLX's arrays have on a GPU: their names in MLX, in Metal and in NumPy."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

_METAL: Mapping[str, str] = MappingProxyType(
    {
        "bool": "bool",
        "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
        "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t",
        "float16": "float16_t", "bfloat16": "bfloat16_t", "float32": "float",
        "complex64": "complex64_t",
    }
)  # fmt: skip
_NAMESPACE = "mlx.core."


@dataclass(frozen=True)
class ElementType:
    """Type of an element. `name` is MLX's and NumPy's, `metal` Metal's; `storage` is how NumPy holds the bytes."""

    name: str
    metal: str
    storage: np.dtype[Any]

    def encoded(self, value: float) -> np.generic:
        """Convert a number to the form of a stored element, rounded to nearest."""
        if self.name != "bfloat16":
            converted: np.generic = np.float32(value).astype(self.storage)
            return converted
        bits = int(np.float32(value).view(np.uint32))
        return np.uint16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)


def is_mlx_dtype(dtype: object) -> bool:
    """Return True for a dtype of MLX, without importing MLX: whoever has one has imported it."""
    return isinstance(dtype, getattr(sys.modules.get("mlx.core"), "Dtype", ()))


def element_type(dtype: Any) -> ElementType:
    """Return the type for an `mx.Dtype`, or for anything that `np.dtype` takes.

    Raises ValueError, in MLX's words, for a type that no GPU has.
    """
    if is_mlx_dtype(dtype):
        name = str(dtype).removeprefix(_NAMESPACE)
    else:
        name = np.dtype(dtype).name
    if name not in _METAL:
        raise ValueError(f"{name} is not supported on the GPU")
    return ElementType(name, _METAL[name], np.dtype("uint16" if name == "bfloat16" else name))
