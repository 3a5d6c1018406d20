"""The facts that rewrites need of Metal's library: which calls are pure, and what they return."""

from collections.abc import Sequence

from metalsci.optimizer.syntax.tree import Node

SCALARS = ("bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half", "float")
_SCALAR_TYPES = frozenset(SCALARS)
_VECTORS = frozenset(f"{scalar}{n}" for scalar in SCALARS for n in (2, 3, 4))

# Functions of one type that return it; a vector of floats in is a vector of floats out.
_ELEMENTWISE_NAMES = """
    abs acos asin atan atan2 ceil clamp cos cosh divide exp exp2 fabs floor fma fmax fmin fmod fract log log2 max min
    mix mad powr pow rint round rsqrt saturate select sign sin sinh sqrt step tan tanh trunc
"""
_ELEMENTWISE = frozenset(_ELEMENTWISE_NAMES.split())
_REDUCING = frozenset(("dot", "length", "length_squared", "distance", "distance_squared"))
_OTHER_NAMES = "as_type static_cast normalize cross any all isfinite isnan isinf popcount mulhi"
_OTHERS = frozenset(_OTHER_NAMES.split())


def called_name(call: Node) -> str:
    """Return the function's name without namespaces and template arguments."""
    function = call.part("function")
    while function.kind in ("qualified_identifier", "template_function"):
        function = function.part("name")
    return function.text


def arguments(call: Node) -> Sequence[Node]:
    return call.part("arguments").named


def is_scalar_type(name: str) -> bool:
    return name in _SCALAR_TYPES


def is_vector_type(name: str) -> bool:
    return name in _VECTORS


def element_type(name: str) -> str:
    if name in _VECTORS:
        return name[:-1]
    return name


def is_pure(name: str) -> bool:
    """Recognise a constructor, conversion or mathematical function: its value depends on its arguments alone."""
    return name in _ELEMENTWISE or name in _REDUCING or name in _OTHERS or is_scalar_type(name) or is_vector_type(name)


def is_elementwise(name: str) -> bool:
    return name in _ELEMENTWISE


def is_reducing(name: str) -> bool:
    return name in _REDUCING
