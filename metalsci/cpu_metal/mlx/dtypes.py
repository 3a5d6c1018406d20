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
    """`name` is MLX's, which is NumPy's; `metal` stands in signatures; `storage` is how NumPy holds the bytes."""

    name: str
    metal: str
    storage: np.dtype[Any]

    def encoded(self, value: float) -> np.generic:
        """A number as an element is stored, rounded to nearest."""
        if self.name != "bfloat16":
            converted: np.generic = np.float32(value).astype(self.storage)
            return converted
        bits = int(np.float32(value).view(np.uint32))
        return np.uint16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)


def is_mlx_dtype(dtype: object) -> bool:
    """Nobody has one who has not imported MLX."""
    return isinstance(dtype, getattr(sys.modules.get("mlx.core"), "Dtype", ()))


def element_type(dtype: Any) -> ElementType:
    """Of an `mx.Dtype`, or of whatever `np.dtype` takes. Raises ValueError for what no GPU has, in MLX's words."""
    name = str(dtype).removeprefix(_NAMESPACE) if is_mlx_dtype(dtype) else np.dtype(dtype).name
    if name not in _METAL:
        raise ValueError(f"{name} is not supported on the GPU")
    return ElementType(name, _METAL[name], np.dtype("uint16" if name == "bfloat16" else name))
