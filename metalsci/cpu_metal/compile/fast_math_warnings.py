"""Warnings of code that fast math may fold away on a GPU, and that this device keeps."""

from collections.abc import Iterator

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.syntax import walk

_SAYS = {"!=": "false", "==": "true"}
_NAMES = ("identifier", "field_expression", "subscript_expression")


def check_fast_math(unit: Unit) -> Iterator[Diagnostic]:
    """Yield a warning for each comparison of a value with itself, which asks if it is a NaN.

    Metal's fast math assumes that there are none. Of integers nobody asks that.
    """
    for node in walk(unit.root):
        if node.type != "binary_expression":
            continue
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if left is None or right is None or operator is None or operator.type not in _SAYS:
            continue
        if left.type in _NAMES and left.text and left.text == right.text:
            spelled = (node.text or b"").decode(errors="replace")
            yield Diagnostic(
                Severity.WARNING,
                *unit.text.position(node.start_byte),
                f"fast math assumes that no value is a NaN: Apple's compiler may take '{spelled}' to be "
                f"{_SAYS[operator.type]}; compare the bits (as_type<uint>), or compile with math mode safe",
            )
