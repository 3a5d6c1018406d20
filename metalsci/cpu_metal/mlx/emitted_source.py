"""The Metal source that `mx.fast.metal_kernel` writes around a kernel's body, to the byte (MLX 0.32.4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from metalsci.cpu_metal.mlx.arrays import is_mlx
from metalsci.cpu_metal.mlx.dtypes import ElementType, element_type
from metalsci.msl.language.attributes import BUILT_IN, POSITIONS
from metalsci.msl.mlx.mlx_names import CONSTANT_BELOW, INPUT_SUFFIXES

# Declarations by suffix: what MLX adds to an input whose name and suffix occur in the body.
_LAYOUT = dict(zip(INPUT_SUFFIXES, ("int* ", "int64_t* ", "int& "), strict=True))
_INT32 = range(-(2**31), 2**31)


@dataclass(frozen=True)
class Input:
    """The facts about an input array that the signature depends on."""

    type: ElementType
    ndim: int
    size: int


@dataclass(frozen=True)
class TemplateValue:
    """A template parameter as MLX declares it, and its value as MLX writes it."""

    declaration: str
    value: str


@dataclass(frozen=True)
class GeneratedKernel:
    name: str
    source: str


@dataclass(frozen=True)
class KernelWriter:
    """A body with the names of its arguments. Types and shapes come with each call."""

    name: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    body: str
    header: str
    atomic_outputs: bool

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Metal's position attributes whose names occur in the body, even inside other words."""
        return tuple(name for name in sorted(BUILT_IN) if name in self.body)

    def layout(self, name: str) -> tuple[str, ...]:
        """Return the suffixes of an input's further arguments: its shape, strides and number of dimensions."""
        return tuple(suffix for suffix in INPUT_SUFFIXES if name + suffix in self.body)

    def write(
        self, inputs: Sequence[Input], outputs: Sequence[ElementType], template: Sequence[TemplateValue]
    ) -> GeneratedKernel:
        """Write the text that MLX compiles for arrays of these types, without its preamble."""
        name = self._kernel_name(inputs, outputs, template)
        parts = [self.header]
        if template:
            parts.append(f"template <{', '.join(t.declaration for t in template)}>\n")
        parts.append(f"[[kernel]] void {name}(\n")
        parts += self._parameters(inputs, outputs)
        parts.append(f"{self.body}\n}}\n")
        if template:
            instance = f"{name}<{', '.join(t.value for t in template)}>"
            parts.append(f'\ntemplate [[host_name("{name}")]] [[kernel]] decltype({instance}) {instance};\n')
        return GeneratedKernel(name, "".join(parts))

    def _kernel_name(
        self, inputs: Sequence[Input], outputs: Sequence[ElementType], template: Sequence[TemplateValue]
    ) -> str:
        parts = ["custom_kernel_" + self.name]
        if template:
            parts += ["", *(argument.value.replace("-", "_") for argument in template)]
        parts += [i.type.metal + ("s" if i.ndim == 0 else "c" if i.size < CONSTANT_BELOW else "") for i in inputs]
        return "_".join([*parts, *(kind.metal for kind in outputs)])

    def _parameters(self, inputs: Sequence[Input], outputs: Sequence[ElementType]) -> Iterator[str]:
        index = 0
        for name, given in zip(self.input_names, inputs, strict=True):
            for declaration in self._input(name, given):
                yield f"  const {declaration} [[buffer({index})]],\n"
                index += 1
        for name, kind in zip(self.output_names, outputs, strict=True):
            if self.atomic_outputs:
                element = f"atomic<{kind.metal}>"
            else:
                element = kind.metal
            # MLX does not count the inputs that it has added, and may close the list before its last output.
            more = self.attributes or index < len(inputs) + len(outputs) - 1
            yield f"  device {element}* {name} [[buffer({index})]]{_separator(more)}"
            index += 1
        for position, name in enumerate(self.attributes, start=1):
            if name in POSITIONS:
                width = "uint3"
            else:
                width = "uint"
            yield f"  {width} {name} [[{name}]]{_separator(position < len(self.attributes))}"

    def _input(self, name: str, given: Input) -> Iterator[str]:
        if given.size < CONSTANT_BELOW:
            space = "constant"
        else:
            space = "device"
        yield f"{space} {given.type.metal}{'*' if given.ndim else '&'} {name}"
        if given.ndim:
            yield from (f"constant {_LAYOUT[suffix]}{name}{suffix}" for suffix in self.layout(name))


def template_argument(name: str, value: Any) -> TemplateValue:
    """Convert a template argument. Raises ValueError for types that MLX does not take.

    It takes its dtypes (here NumPy's too), `bool` and 32-bit `int`.
    """
    if isinstance(value, bool):
        return TemplateValue(f"bool {name}", str(int(value)))
    if isinstance(value, int) and value in _INT32:
        return TemplateValue(f"int {name}", str(value))
    if is_mlx(value) or isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return TemplateValue(f"typename {name}", element_type(value).metal)
    raise ValueError("[metal_kernel] Invalid template argument. Must be `mlx.core.Dtype`, `int` or `bool`.")


def _separator(more: object) -> str:
    if more:
        return ",\n"
    return ") {\n"
