"""The value types of Metal, and the array of plain elements for each."""

import re
from dataclasses import dataclass

_SCALARS = {
    # Metal's name: (C++ name, bytes, MLX dtype)
    "bool": ("bool", 1, "bool_"),
    "char": ("char", 1, "int8"),
    "uchar": ("unsigned char", 1, "uint8"),
    "short": ("short", 2, "int16"),
    "ushort": ("unsigned short", 2, "uint16"),
    "int": ("int", 4, "int32"),
    "uint": ("unsigned int", 4, "uint32"),
    "long": ("long", 8, "int64"),
    "ulong": ("unsigned long", 8, "uint64"),
    "half": ("half", 2, "float16"),
    "bfloat": ("bfloat", 2, "bfloat16"),
    "float": ("float", 4, "float32"),
}
_SYNONYMS = {
    "signed char": "char",
    "unsigned char": "uchar",
    "short int": "short",
    "unsigned short": "ushort",
    "unsigned short int": "ushort",
    "signed int": "int",
    "signed": "int",
    "unsigned": "uint",
    "unsigned int": "uint",
    "long int": "long",
    "unsigned long": "ulong",
    "unsigned long int": "ulong",
    "size_t": "ulong",
    "ptrdiff_t": "long",
    **{f"int{8 * size}_t": name for name, size in (("char", 1), ("short", 2), ("int", 4), ("long", 8))},
    **{f"uint{8 * size}_t": name for name, size in (("uchar", 1), ("ushort", 2), ("uint", 4), ("ulong", 8))},
}
_SCALAR = "|".join(_SCALARS)
_VECTOR = re.compile(rf"(?P<packed>packed_)?(?P<scalar>{_SCALAR})(?P<lanes>[234])$")
_GENERIC_VECTOR = re.compile(r"(?P<packed>packed_)?vec<(?P<scalar>.+),(?P<lanes>[234])>$")
_MATRIX = re.compile(rf"(?P<scalar>{_SCALAR})(?P<columns>[234])x(?P<rows>[234])$")
_GENERIC_MATRIX = re.compile(r"matrix<(?P<scalar>.+),(?P<columns>[234]),(?P<rows>[234])>$")
_ATOMIC = re.compile(r"(?:atomic_(?P<name>bool|int|uint|ulong|float)|_?atomic<(?P<scalar>.+)>)$")


@dataclass(frozen=True)
class ValueType:
    """A scalar, vector, matrix or atomic type. `scalar` is Metal's name of the element: `float`, `uchar`."""

    scalar: str
    rows: int = 1
    columns: int = 1
    packed: bool = False
    atomic: bool = False

    @property
    def is_scalar(self) -> bool:
        return self.rows == 1 and self.columns == 1

    @property
    def elements(self) -> int:
        """Scalars that one value takes in memory: 4 for a float3, which is padded, 3 for a packed_float3."""
        if self.rows == 3 and not self.packed:
            rows = 4
        else:
            rows = self.rows
        return rows * self.columns

    @property
    def dtype(self) -> str:
        """Name of the MLX (and NumPy) dtype of the elements."""
        return _SCALARS[self.scalar][2]

    @property
    def name(self) -> str:
        """The shortest name Metal has for the type."""
        if self.columns > 1:
            return f"{self.scalar}{self.columns}x{self.rows}"
        vector = f"{'packed_' if self.packed else ''}{self.scalar}{self.rows if self.rows > 1 else ''}"
        if self.atomic:
            return f"atomic_{vector}"
        return vector

    @property
    def quoted(self) -> str:
        """The type as Apple's compiler names it: `'uint' (aka 'unsigned int')`."""
        plain = _SCALARS[self.scalar][0]
        if self.rows > 1 and self.columns == 1 and not self.packed:
            return f"'{self.name}' (vector of {self.rows} '{plain}' values)"
        if self.is_scalar and plain != self.name:
            return f"'{self.name}' (aka '{plain}')"
        return f"'{self.name}'"


def value_type(spelled: str) -> ValueType | None:
    """Return the type of that name, None for structs, pointers, textures and others without an array."""
    name = re.sub(r"\b(?:metal|simd)\s*::\s*", "", spelled)
    name = " ".join(name.split())
    scalar = _SYNONYMS.get(name, name)
    if scalar in _SCALARS:
        return ValueType(scalar)
    name = re.sub(r"\s*([<>,])\s*", r"\1", name)
    match = _ATOMIC.match(name)
    if match:
        inner = value_type(match["name"] or match["scalar"])
        if inner and inner.is_scalar and not inner.atomic:
            return ValueType(inner.scalar, atomic=True)
        return None
    match = _VECTOR.match(name) or _GENERIC_VECTOR.match(name)
    if match:
        element = value_type(match["scalar"])
        lanes = int(match["lanes"])
        if element:
            return ValueType(element.scalar, rows=lanes, packed=bool(match["packed"]))
        return None
    match = _MATRIX.match(name) or _GENERIC_MATRIX.match(name)
    if match:
        element = value_type(match["scalar"])
        if element:
            return ValueType(element.scalar, rows=int(match["rows"]), columns=int(match["columns"]))
        return None
    return None
