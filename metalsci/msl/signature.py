"""The signature of a kernel: what the host must bind, and under which names the body finds it."""

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
class Parameter:
    """One parameter of a kernel.

    `type` is spelled without address space, cv-qualifiers and declarator: `float4`, `atomic_uint`, `packed_float3`.
    `attribute` is the first attribute's name (`buffer`, `thread_position_in_grid`, …) or None; `attribute_value` its
    integer argument. `index` is the buffer (or threadgroup-memory) slot it binds to: the attribute's where it has
    one, else the next free one in order; None for position attributes.
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

    @property
    def is_buffer(self) -> bool:
        """Bound by the host through a buffer index: a device or constant pointer or reference."""
        return self.index is not None and self.address_space in (AddressSpace.DEVICE, AddressSpace.CONSTANT)

    @property
    def writable(self) -> bool:
        return self.address_space is AddressSpace.DEVICE and not self.const


@dataclass(frozen=True)
class KernelSignature:
    """A `kernel void` function. Spans are byte offsets into the UTF-8 source; `body` includes the braces,
    `span` everything from the first attribute or specifier to the closing brace."""

    name: str
    parameters: tuple[Parameter, ...]
    max_total_threads_per_threadgroup: int | None
    line: int
    column: int
    span: tuple[int, int]
    body: tuple[int, int]

    @property
    def buffers(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.is_buffer)
