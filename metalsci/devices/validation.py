"""The rules that a source must follow before a compiler that does not check them sees it: MLX's."""

from collections.abc import Sequence

from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.parse import Unit, as_unit
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.rules.metal_rules import check


def accept(source: str | Unit, signatures: Sequence[KernelSignature]) -> tuple[Unit, list[Diagnostic]]:
    """Return the parsed source and its warnings. Raises CompileError if it breaks Metal's rules or `signatures`."""
    unit = as_unit(source)
    found = check(unit, signatures)
    errors = [d for d in found if d.severity is Severity.ERROR]
    if errors:
        raise CompileError(errors)
    return unit, [d for d in found if d.severity is Severity.WARNING]
