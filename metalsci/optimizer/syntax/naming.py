"""Values that deserve a name of their own, and that name."""

from collections.abc import Sequence

from metalsci.optimizer.syntax import builtins
from metalsci.optimizer.syntax.source import Names
from metalsci.optimizer.syntax.tree import Node

NAMEABLE_TYPES = ("int", "uint", "float", "float2", "float3", "float4")

_COSTLY = ("*", "/", "%")
_LONGEST_NAME = 24
_LONGEST_QUOTE = 60


def is_worth_a_name(node: Node) -> bool:
    """Return True for a load, a call, a product, or at least three operators: an `i + 1` is cheaper to repeat."""
    if node.kind == "call_expression" and builtins.is_scalar_type(builtins.called_name(node)):
        return any(is_worth_a_name(argument.bare) for argument in builtins.arguments(node))
    if node.kind in ("call_expression", "subscript_expression", "conditional_expression"):
        return True
    operators = [part.operator for part in node.find("binary_expression")]
    return any(operator in _COSTLY for operator in operators) or len(operators) > 2


def named_after(nodes: Sequence[Node], names: Names) -> str:
    """Make a name: `nx_ny` for `nx * ny`, `uu_1_5` for `1.5f * uu`."""
    leaves = [leaf for node in nodes for leaf in node.walk() if not leaf.children]
    words = [leaf.text for leaf in leaves if leaf.kind == "identifier" and leaf.field != "function"]
    numbers = [leaf.text.rstrip("fu").removesuffix(".0") for leaf in leaves if leaf.kind == "number_literal"]
    parts = list(dict.fromkeys((*words, *(number.strip("-").replace(".", "_") for number in numbers))))
    name = "_".join(parts)
    return names.fresh(name if len(parts) > 1 and len(name) <= _LONGEST_NAME and name.isidentifier() else "shared")


def quoted(text: str) -> str:
    """Quote a text for a sentence: on one line, and not too long."""
    flat = " ".join(text.split())
    if len(flat) <= _LONGEST_QUOTE:
        return f"`{flat}`"
    return f"`{flat[: _LONGEST_QUOTE - 3]}...`"
