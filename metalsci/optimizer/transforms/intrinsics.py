"""Library calls with cheaper equals."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax import builtins
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.precedence import PRIMARY, PRODUCT, level_of, parenthesised, put
from metalsci.optimizer.syntax.source import Source
from metalsci.optimizer.syntax.tree import Node

_Spelling = tuple[str, int]


@dataclass(frozen=True)
class CheaperCalls:
    """`1/sqrt(x)` as `rsqrt(x)`, powers with small constant exponents as products."""

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            Change(f"Wrote `{_flat(node)}` as `{edit.text}`.", (edit,))
            for function in source.functions
            for node, edit in _cheaper(function.body, source.expressions)
        ]


def _flat(node: Node) -> str:
    return " ".join(node.text.split())


def _cheaper(body: Node, expressions: Expressions) -> Iterator[tuple[Node, Edit[str]]]:
    for node in body.find("binary_expression", "call_expression"):
        if node.kind == "binary_expression":
            spelling = _division(node, expressions)
        else:
            spelling = _power(node, expressions)
        if spelling is not None:
            yield node, put(node, *spelling)


def _call(node: Node, name: str, expressions: Expressions) -> Sequence[Node] | None:
    """Return the arguments of a call of that library function on floats."""
    if node.kind != "call_expression" or builtins.called_name(node) != name or not expressions.is_builtin_call(node):
        return None
    arguments = builtins.arguments(node)
    if arguments and expressions.type_of(arguments[0]) == "float":
        return arguments
    return None


def _division(node: Node, expressions: Expressions) -> _Spelling | None:
    if node.operator != "/":
        return None
    root = _call(node.part("right").bare, "sqrt", expressions)
    if root is None or len(root) != 1:
        return None
    left = node.part("left")
    one = expressions.constant(left)
    if one is not None and one.value == 1:
        return f"rsqrt({root[0].text})", PRIMARY
    return f"{parenthesised(left.text, level_of(left), PRODUCT)} * rsqrt({root[0].text})", PRODUCT


_POWERS: dict[float, Callable[[str], _Spelling]] = {
    0.5: lambda x: (f"sqrt({x})", PRIMARY),
    -0.5: lambda x: (f"rsqrt({x})", PRIMARY),
    1.5: lambda x: (f"{x} * sqrt({x})", PRODUCT),
    2.0: lambda x: (f"{x} * {x}", PRODUCT),
    3.0: lambda x: (f"{x} * {x} * {x}", PRODUCT),
    -1.0: lambda x: (f"1.0f / {x}", PRODUCT),
}


def _power(node: Node, expressions: Expressions) -> _Spelling | None:
    arguments = _call(node, "pow", expressions) or _call(node, "powr", expressions)
    if arguments is None or len(arguments) != 2 or not expressions.is_pure(arguments[0]):
        return None
    exponent = expressions.constant(arguments[1])
    if exponent is None or float(exponent.value) not in _POWERS:
        return None
    base = parenthesised(arguments[0].text, level_of(arguments[0]), PRODUCT + 1)
    return _POWERS[float(exponent.value)](base)
