"""The lines before a user's body that give MLX's arguments the user's names and types."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.attributes import BUILT_IN, POSITIONS
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.signature import AddressSpace, Indirection, KernelSignature, Parameter
from metalsci.msl.language.types import ValueType, value_type
from metalsci.msl.mlx.mlx_names import ARGUMENTS, CONSTANT_BELOW, INPUT_SUFFIXES, SAME_TYPES

_COMPONENTS = {1: ".x", 2: ".xy", 3: ""}
_SYNONYMS = {
    "threads_per_simdgroup": "thread_execution_width",
    "thread_execution_width": "threads_per_simdgroup",
}


@dataclass(frozen=True)
class ArgumentBinding:
    """One of the user's buffers and the array that MLX binds it by."""

    parameter: Parameter
    name: str
    """Name of the input or output that it is bound to."""
    type: ValueType
    output: bool

    @property
    def dtype(self) -> str:
        """The array's dtype, by its name in `mlx.core`."""
        return self.type.dtype

    @property
    def elements(self) -> int:
        """Elements of the array for one value of the user's type: 4 for a `float4` or a `float3`."""
        return self.type.elements

    @property
    def atomic(self) -> bool:
        return self.type.atomic

    @property
    def scalar(self) -> bool:
        """True if bound by reference to one number: the array must have no dimensions."""
        return not self.output and self.parameter.indirection is Indirection.REFERENCE and self.type.is_scalar


@dataclass(frozen=True)
class Prologue:
    """Lines before the body.

    `view` is the name of the function template the lines use to see an array as another type, if they use it.
    """

    bindings: tuple[ArgumentBinding, ...]
    before: str
    after: str
    view: str | None
    diagnostics: tuple[Diagnostic, ...]


def prologue_of(unit: Unit, kernel: KernelSignature, body: str) -> Prologue:
    writer = _Writer(unit, kernel, body)
    buffers = list(writer.buffers())
    lines = [*writer.template_arguments(), *writer.attributes(), *(line for _, line in buffers if line)]
    bindings = tuple(binding for binding, _ in buffers)
    if not any(binding.output for binding in bindings):
        message = f"kernel '{kernel.name}' has no writable buffer, and MLX kernels return their outputs"
        writer.report((kernel.line, kernel.column), message)
    uses_view = any(writer.view in line for line in lines)
    if writer.captures:
        lines = [*writer.captures, "{", *lines]
    return Prologue(
        bindings=bindings,
        before="".join(f"    {line}\n" for line in lines),
        after="\n    }" if writer.captures else "",
        view=writer.view if uses_view else None,
        diagnostics=tuple(writer.diagnostics),
    )


class _Writer:
    def __init__(self, unit: Unit, kernel: KernelSignature, body: str) -> None:
        self._kernel = kernel
        self._body = body
        self._words = unit.words
        self._made: set[str] = set()
        self._arguments = self._arguments_by_attribute()
        self.view = self._fresh("view_as")
        self.captures: list[str] = []
        self.diagnostics: list[Diagnostic] = []

    def report(self, at: tuple[int, int], message: str) -> None:
        self.diagnostics.append(Diagnostic(Severity.ERROR, *at, message))

    def template_arguments(self) -> Iterator[str]:
        for argument in self._kernel.template_arguments:
            if argument.kind == "typename":
                yield f"using {argument.name} = {argument.value};"
            else:
                yield f"constexpr {argument.kind} {argument.name} = {argument.value};"

    def attributes(self) -> Iterator[str]:
        """Yield positions and indices, narrowed from MLX's uint3 and uint.

        If a name of the user's is one of MLX's, MLX's are put aside first and the user's declared in a block of their
        own.
        """
        hidden = any(p.name in ARGUMENTS for p in self._kernel.parameters)
        for parameter in self._kernel.parameters:
            attribute = parameter.attribute
            if attribute not in BUILT_IN or attribute is None or not parameter.name:
                continue
            type_ = value_type(parameter.type)
            if type_ is None or type_.rows not in _COMPONENTS:
                self.report(parameter.start, f"'{parameter.spelling}' cannot be bound to '{attribute}'")
                continue
            argument = self._arguments[attribute]
            if hidden:
                aside = self._fresh(f"{argument}_")
                self.captures.append(f"const auto {aside} = {argument};")
                argument = aside
            value = argument + (_COMPONENTS[type_.rows] if attribute in POSITIONS else "")
            if type_.scalar != "uint":
                value = f"{type_.name}({value})"
            yield f"{'const ' if parameter.const else ''}{type_.name} {parameter.name} = {value};"

    def buffers(self) -> Iterator[tuple[ArgumentBinding, str | None]]:
        """Yield each of the user's buffers with the line that binds it, None if MLX's own argument will do."""
        for parameter in self._kernel.parameters:
            if not parameter.is_buffer and parameter.attribute not in BUILT_IN:
                self.report(parameter.start, _unbindable(parameter))
        for parameter in sorted(self._kernel.buffers, key=lambda p: p.index or 0):
            type_ = value_type(parameter.type)
            if type_ is None:
                message = f"'{parameter.type}' cannot be the element type of an MLX array: pass scalars or vectors"
                self.report(parameter.start, message)
                continue
            yield self._buffer(parameter, type_)

    def _buffer(self, parameter: Parameter, type_: ValueType) -> tuple[ArgumentBinding, str | None]:
        reference = parameter.indirection is Indirection.REFERENCE
        output = parameter.writable
        same = type_.is_scalar and not type_.atomic and type_.scalar in SAME_TYPES and not (reference and output)
        name = parameter.name or self._fresh("unnamed")
        if same and self._can_keep(name):
            return ArgumentBinding(parameter, name, type_, output), None
        data = self._fresh(f"{name}_data")
        binding = ArgumentBinding(parameter, data, type_, output)
        if not parameter.name:
            return binding, None
        if reference:
            return binding, _reference(binding)
        if output:
            if same:
                value = data
            else:
                value = f"reinterpret_cast<device {type_.name}*>({data})"
            return binding, f"device {type_.name}* {name} = {value};"
        return binding, f"auto {name} = {data if same else f'{self.view}<{type_.name}>({data})'};"

    def _can_keep(self, name: str) -> bool:
        """Return False if MLX would declare the name a second time, or add arguments that it finds by it."""
        return name not in ARGUMENTS and not any(name + suffix in self._body for suffix in INPUT_SUFFIXES)

    def _fresh(self, name: str) -> str:
        while name in self._words or name in self._made:
            name += "_"
        self._made.add(name)
        return name

    def _arguments_by_attribute(self) -> Mapping[str, str]:
        """Return MLX's argument for each attribute.

        Two names mean the SIMD-group's width, and Metal refuses a kernel that has both: if the body uses one as a name
        of its own, that one serves for both.
        """
        text = self._body + " ".join(p.name for p in self._kernel.parameters)
        used = {name: synonym for name, synonym in _SYNONYMS.items() if synonym in text}
        return {name: used.get(name, name) for name in BUILT_IN}


def _reference(binding: ArgumentBinding) -> str:
    """Return a reference to the one value of an array. Its number of elements decides the address space."""
    type_, name, data = binding.type, binding.parameter.name, binding.name
    if binding.output:
        return f"device {type_.name}& {name} = *reinterpret_cast<device {type_.name}*>({data});"
    if binding.scalar:
        cast = type_.scalar not in SAME_TYPES or type_.atomic
        space = AddressSpace.CONSTANT
        if cast:
            value = f"reinterpret_cast<const {space} {type_.name}&>({data})"
        else:
            value = data
    else:
        if type_.elements < CONSTANT_BELOW:
            space = AddressSpace.CONSTANT
        else:
            space = AddressSpace.DEVICE
        value = f"*reinterpret_cast<const {space} {type_.name}*>({data})"
    return f"const {space} {type_.name}& {name} = {value};"


def _unbindable(parameter: Parameter) -> str:
    if parameter.address_space is AddressSpace.THREADGROUP:
        return (
            f"'{parameter.spelling}' is threadgroup memory that the host provides, which MLX does not: "
            "declare the array inside the kernel"
        )
    return f"'{parameter.spelling}' cannot be bound by mx.fast.metal_kernel, which passes arrays"
