"""What every device asks of a source before its own compiler sees it."""

from collections.abc import Sequence

from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.parse import Unit, parse
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.rules.metal_rules import check


def accept(source: str, signatures: Sequence[KernelSignature]) -> tuple[Unit, list[Diagnostic]]:
    """The parsed source and its warnings. Raises CompileError where it breaks Metal's rules or `signatures`."""
    unit = parse(source)
    found = check(unit, signatures)
    if errors := [d for d in found if d.severity is Severity.ERROR]:
        raise CompileError(errors)
    return unit, [d for d in found if d.severity is Severity.WARNING]
