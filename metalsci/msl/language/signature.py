"""The signature of a kernel: the arguments that the host must bind, and the body's names for them."""

from dataclasses import dataclass
from enum import StrEnum


class AddressSpace(StrEnum):
    DEVICE = "device"
    CONSTANT = "constant"
    THREADGROUP = "threadgroup"
    THREAD = "thread"


class Indirection(StrEnum):
    VALUE = "value"
    POINTER = "pointer"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Attribute:
    """One attribute of a `[[…]]` list: `buffer(0)`, `max_total_threads_per_threadgroup(64)`.

    `value` is the argument's value if it is an integer constant, else None; `argument` its text.
    """

    name: str
    argument: str | None
    value: int | None
    line: int
    column: int


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel.

    type: spelled without address space, cv-qualifiers and declarator, and with the file's own type names and macros
        replaced by their meaning: `float4`, `atomic_uint`, `packed_float3`.
    attribute: the first attribute's name (`buffer`, `thread_position_in_grid`, …) or None.
    attribute_value: the attribute's integer argument.
    index: the buffer (or threadgroup-memory) slot it binds to: the attribute's if it has one, else the next free one in
        order; None for position attributes.
    spelling: the declaration as the user wrote it, without attributes: `device const float *x`.
    name: empty for a parameter without one.
    line, column: of the name. start: of the declaration's first word.
    """

    name: str
    type: str
    address_space: AddressSpace
    indirection: Indirection
    const: bool
    attribute: str | None
    attribute_value: int | None
    index: int | None
    line: int
    column: int
    spelling: str = ""
    attributes: tuple[Attribute, ...] = ()
    start: tuple[int, int] = (0, 0)

    @property
    def is_buffer(self) -> bool:
        """True if the host binds it by a buffer index: a device or constant pointer or reference."""
        return self.index is not None and self.address_space in (AddressSpace.DEVICE, AddressSpace.CONSTANT)

    @property
    def writable(self) -> bool:
        return self.address_space is AddressSpace.DEVICE and not self.const


@dataclass(frozen=True)
class TemplateArgument:
    """An argument of an explicit instantiation for a kernel template's parameter: `typename T = float`, `int N = 4`."""

    kind: str
    name: str
    value: str


@dataclass(frozen=True)
class KernelSignature:
    """A `kernel void` function.

    Spans are byte offsets into the UTF-8 source; `body` includes the braces, `span` everything from the first attribute
    or specifier to the closing brace.

    An explicit instantiation of a kernel template is a kernel of its own, called by its host name, with the
    template's spans and the `template_arguments` that make it.
    """

    name: str
    parameters: tuple[Parameter, ...]
    max_total_threads_per_threadgroup: int | None
    line: int
    column: int
    span: tuple[int, int]
    body: tuple[int, int]
    template_arguments: tuple[TemplateArgument, ...] = ()

    @property
    def buffers(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.is_buffer)
