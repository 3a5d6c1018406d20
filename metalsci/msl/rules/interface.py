"""The interface of a file: the kernels that a host will call, with the arguments that it will bind."""

from collections.abc import Iterator, Sequence

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import AddressSpace, KernelSignature, Parameter
from metalsci.msl.language.types import value_type


def compare(unit: Unit, expected: Sequence[KernelSignature]) -> Iterator[Diagnostic]:
    """Yield differences. Names of parameters are free, and so are position attributes and further kernels.

    Buffers must agree in index, type, address space and constness, since the host binds them by index.
    """
    for kernel in expected:
        found = unit.kernel(kernel.name)
        if found is None:
            # where it might stand
            if unit.kernels:
                place = (unit.kernels[0].line, unit.kernels[0].column)
            else:
                place = (1, 1)
            yield Diagnostic(
                Severity.ERROR, *place, f"kernel '{kernel.name}' is missing: expected '{_spelled(kernel)}'"
            )
        else:
            yield from _buffers(found, kernel)


def _buffers(found: KernelSignature, expected: KernelSignature) -> Iterator[Diagnostic]:
    given = {p.index: p for p in found.buffers}
    wanted = {p.index: p for p in expected.buffers}
    for index, parameter in sorted(wanted.items(), key=lambda item: item[0] or 0):
        if index not in given:
            message = f"kernel '{found.name}' has no parameter for buffer({index}): expected '{parameter.spelling}'"
            yield Diagnostic(Severity.ERROR, found.line, found.column, message)
        elif _binding(given[index]) != _binding(parameter):
            yield _mismatch(given[index], f"'{given[index].spelling}', expected '{parameter.spelling}'")
    for index, parameter in sorted(given.items(), key=lambda item: item[0] or 0):
        if index not in wanted:
            known = ", ".join(f"'{p.spelling}'" for p in expected.buffers)
            yield _mismatch(parameter, f"'{parameter.spelling}', which the host does not bind: it binds {known}")
    for parameter in found.parameters:
        if parameter.address_space is AddressSpace.THREADGROUP and parameter.index is not None:
            message = (
                f"threadgroup({parameter.index}) is '{parameter.spelling}', which the host does not bind: "
                "declare threadgroup arrays inside the kernel"
            )
            yield Diagnostic(Severity.ERROR, parameter.line, parameter.column, message)


def _mismatch(parameter: Parameter, message: str) -> Diagnostic:
    return Diagnostic(Severity.ERROR, parameter.line, parameter.column, f"buffer({parameter.index}) is {message}")


def _binding(parameter: Parameter) -> tuple[object, ...]:
    return (
        value_type(parameter.type) or "".join(parameter.type.split()),
        parameter.address_space,
        parameter.indirection,
        parameter.writable,
    )


def _spelled(kernel: KernelSignature) -> str:
    return f"kernel void {kernel.name}({', '.join(p.spelling for p in kernel.parameters)})"
