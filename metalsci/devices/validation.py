"""What every device asks of a source before its own compiler sees it."""

from collections.abc import Sequence

from metalsci.devices.errors import CompileFailure
from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.parse import Unit, parse
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.rules.metal_rules import check


def accept(source: str, signatures: Sequence[KernelSignature]) -> tuple[Unit, list[Diagnostic]]:
    """The parsed source and its warnings. Raises CompileFailure where it breaks Metal's rules or `signatures`."""
    unit = parse(source)
    found = check(unit, signatures)
    if errors := [d for d in found if d.severity is Severity.ERROR]:
        raise CompileFailure(errors)
    return unit, [d for d in found if d.severity is Severity.WARNING]
