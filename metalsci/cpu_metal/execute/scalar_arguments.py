"""Scalars and vectors that a host binds by value, as bytes of the argument's Metal type."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

_DTYPES: dict[str, npt.DTypeLike] = {
    "bool": np.bool_,
    "char": np.int8, "int8_t": np.int8,
    "uchar": np.uint8, "uint8_t": np.uint8,
    "short": np.int16, "int16_t": np.int16,
    "ushort": np.uint16, "uint16_t": np.uint16,
    "int": np.int32, "int32_t": np.int32,
    "uint": np.uint32, "uint32_t": np.uint32,
    "long": np.int64, "int64_t": np.int64,
    "ulong": np.uint64, "uint64_t": np.uint64, "size_t": np.uint64,
    "half": np.float16,
    "float": np.float32,
}  # fmt: skip
_VECTOR = re.compile(r"(packed_)?([a-z]+)([234])")


def value_bytes(value: Any, metal_type: str) -> bytes:
    """Convert `value` (a number, a sequence, an array or bytes) to the bytes of an argument of type `metal_type`.

    Raises ValueError for a number that the type cannot hold and for one that is bound to a type of the user's own.
    """
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if metal_type in _DTYPES:
        return _converted(value, metal_type).tobytes()
    vector = _VECTOR.fullmatch(metal_type)
    if vector and vector[2] in _DTYPES:
        elements = _converted(value, vector[2])
        width = int(vector[3])
        if elements.size % width:
            raise ValueError(f"{elements.size} elements do not make a {metal_type}")
        rows = elements.reshape(-1, width)
        if width == 3 and not vector[1]:  # three elements in the space of four
            rows = np.pad(rows, ((0, 0), (0, 1)))
        return rows.tobytes()
    if isinstance(value, np.ndarray | np.generic):
        return value.tobytes()
    raise ValueError(f"a value of type '{metal_type}' must be given as bytes or as a NumPy array")


def _converted(value: Any, scalar: str) -> npt.NDArray[Any]:
    given = np.asarray(value)
    dtype = np.dtype(_DTYPES[scalar])
    if given.dtype == dtype:
        return given
    if dtype.kind in "iu" and given.dtype.kind in "iu" and given.size:
        limits = np.iinfo(dtype)
        if int(given.min()) < limits.min or int(given.max()) > limits.max:
            raise ValueError(f"{value} does not fit a {scalar}")
    if dtype.kind in "iu" and given.dtype.kind == "f" and not np.all(given == np.trunc(given)):
        raise ValueError(f"{value} is not a whole number, which a {scalar} must be")
    return given.astype(dtype)
