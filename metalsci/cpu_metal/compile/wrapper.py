"""The code around a kernel that runs it over threads: generated C++, one wrapper for each kernel."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from metalsci.msl.language.signature import KernelSignature, Parameter

RUN = "metal_run"
"""The symbol by which the device process finds a kernel's wrapper."""


class Mode(IntEnum):
    """The way to cut a dispatch of a kernel into units of work; the values are runtime/runtime.h's."""

    GRID = 0
    """The group does not matter to the kernel: runs of threads along x, vectorised."""
    GROUP = 1
    """The group matters, but its threads never wait for one another: threads of a group in a loop, vectorised."""
    THREAD = 2
    """Threads of a group wait for one another: one stack a thread."""


class ThreadExecution(StrEnum):
    """The way to run threads. If a kernel cannot be run in one way, it is run in the next one."""

    FASTEST = "fastest"
    """As is the fastest for each kernel."""
    LANES = "lanes"
    """A vector of threads at a time: compile/lanes."""
    LOOPS = "loops"
    """A loop over threads that never wait for one another, vectorised by LLVM."""
    STACKS = "stacks"
    """One stack a thread: what all others are compared with."""


GRID_ATTRIBUTES = {
    "thread_position_in_grid": "x, y, z",
    "threads_per_grid": "d->grid[0], d->grid[1], d->grid[2]",
    "grid_size": "d->grid[0], d->grid[1], d->grid[2]",
    "grid_origin": "0, 0, 0",
    "threadgroups_per_grid": "d->groups[0], d->groups[1], d->groups[2]",
    "dispatch_threads_per_threadgroup": "d->group[0], d->group[1], d->group[2]",
    "dispatch_simdgroups_per_threadgroup": "(d->group[0] * d->group[1] * d->group[2] + 31) / 32, 0, 0",
    "dispatch_quadgroups_per_threadgroup": "(d->group[0] * d->group[1] * d->group[2] + 3) / 4, 0, 0",
    "threads_per_simdgroup": "32, 0, 0",
    "thread_execution_width": "32, 0, 0",
}
GROUP_ATTRIBUTES = {
    "thread_position_in_threadgroup": "lx, ly, lz",
    "threadgroup_position_in_grid": "px, py, pz",
    "threads_per_threadgroup": "wx, wy, wz",
    "thread_index_in_threadgroup": "index, 0, 0",
    "thread_index_in_simdgroup": "index % 32, 0, 0",
    "thread_index_in_quadgroup": "index % 4, 0, 0",
    "simdgroup_index_in_threadgroup": "index / 32, 0, 0",
    "quadgroup_index_in_threadgroup": "index / 4, 0, 0",
    "simdgroups_per_threadgroup": "(wx * wy * wz + 31) / 32, 0, 0",
    "quadgroups_per_threadgroup": "(wx * wy * wz + 3) / 4, 0, 0",
}
_ATTRIBUTES = GRID_ATTRIBUTES | GROUP_ATTRIBUTES

# User code is inlined whole into the loop over threads, where it is vectorised, and none of it is emitted separately.
_UNIT = """\
#include <metal_runtime>
#pragma clang attribute push(__attribute__((internal_linkage, always_inline)), apply_to = function)
#pragma clang attribute push(__attribute__((internal_linkage)), apply_to = variable(is_global))
#include "{file}"
#pragma clang attribute pop
#pragma clang attribute pop
"""
_PREAMBLE = """\
#include <metal_wrapper>
#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable
"""
_TYPES = """\
namespace metal {{
typedef decltype(::{kernel}) _Kernel_{symbol};
template <int K> using _P_{symbol} = typename _parameter<K, _Kernel_{symbol}>::type;
}}
"""
_SIGNATURE = """\
extern "C" __attribute__((visibility("default"))) void {symbol}(const metal::_Dispatch *d, uint first, uint last) {{
  using namespace metal;
  {bindings}
"""
_ROWS = (
    _SIGNATURE
    + """\
  const uint gx = d->grid[0], gy = d->grid[1], tile = d->tile, tiles = (gx + tile - 1) / tile;
  for (uint unit = first; unit < last; ++unit) {{
    const uint row = unit / tiles, x0 = unit % tiles * tile, x1 = gx - x0 < tile ? gx : x0 + tile;
    const uint y = row % gy, z = row / gy;
"""
)
_GROUPS = (
    _SIGNATURE
    + """\
  for (uint unit = first; unit < last; ++unit) {{
    const uint px = unit % d->groups[0], row = unit / d->groups[0], py = row % d->groups[1], pz = row / d->groups[1];
    const uint x0 = px * d->group[0], y0 = py * d->group[1], z0 = pz * d->group[2];
    const uint wx = min(d->group[0], d->grid[0] - x0), wy = min(d->group[1], d->grid[1] - y0);
    const uint wz = min(d->group[2], d->grid[2] - z0);
"""
)
_GRID = (
    _ROWS
    + """\
    {pragma}
    for (uint x = x0; x < x1; {next_x}) ::{name}({arguments});
  }}
}}
"""
)
_GROUP = (
    _GROUPS
    + """\
    for (uint lz = 0; lz < wz; ++lz) {{
      for (uint ly = 0; ly < wy; ++ly) {{
        {pragma}
        for (uint lx = 0; lx < wx; {next_lx}) {{
          const uint x = x0 + lx, y = y0 + ly, z = z0 + lz, index = lx + wx * (ly + wy * lz);
          ::{name}({arguments});
        }}
      }}
    }}
  }}
}}
"""
)
_THREAD = """\
extern "C" __attribute__((visibility("default"))) void {symbol}(
    const metal::_Dispatch *d, const metal::_Group *g, uint index) {{
  using namespace metal;
  {bindings}
  const uint px = g->position[0], py = g->position[1], pz = g->position[2];
  const uint wx = g->size[0], wy = g->size[1], wz = g->size[2];
  const uint lx = index % wx, ly = index / wx % wy, lz = index / wx / wy;
  const uint x = px * d->group[0] + lx, y = py * d->group[1] + ly, z = pz * d->group[2] + lz;
  ::{name}({arguments});
}}
"""
# One thread's code between two marks, which compile/lanes makes a vector of threads'. A row of the grid, or a group.
_ROW_IN_LANES = (
    _ROWS
    + """\
    metal_lanes_begin(x1 - x0, 1, 1);
    const uint x = metal_lane(0, x0);
    ::{name}({arguments});
    metal_lanes_end();
  }}
}}
"""
)
_GROUP_IN_LANES = (
    _GROUPS
    + """\
    metal_lanes_begin(wx, wy, wz);
    const uint lx = metal_lane(0, 0), ly = metal_lane(1, 0), lz = metal_lane(2, 0), index = metal_lane(3, 0);
    const uint x = x0 + lx, y = y0 + ly, z = z0 + lz;
    ::{name}({arguments});
    metal_lanes_end();
  }}
}}
"""
)
# Of instrumented kernels each has a table of the bytes of an element of each argument; 0 ends it.
_CHECKED = "#include <metal_check>\n"
_ELEMENTS = """\
extern "C" __attribute__((used)) __constant uint {symbol}_elements[] = {{ {elements} 0 }};
"""
_IMAGE = "metal_image((ulong)__ehdr_start, (ulong)_end);"
_WORD = re.compile(r"[A-Za-z_]\w*")
_TEMPLATES = {Mode.GRID: _GRID, Mode.GROUP: _GROUP, Mode.THREAD: _THREAD}
_IN_LANES = {Mode.GRID: _ROW_IN_LANES, Mode.GROUP: _GROUP_IN_LANES}


def needs_group(signature: KernelSignature) -> bool:
    """Return True if a parameter gives the kernel its group."""
    return any(
        p.attribute in GROUP_ATTRIBUTES or (p.index is not None and not p.is_buffer) for p in signature.parameters
    )


@dataclass(frozen=True)
class Wrapper:
    """The function that runs one kernel over threads, in one way.

    function: the kernel's name in C++. symbol: the wrapper's own name.
    lanes: has one thread's code between two marks, for compile/lanes.
    one_of: threads next to each other in a row of which only the first has work; the others are left out.
    independent: promises the vectoriser that no thread touches another thread's own data. The caller must take that
        promise back if threads' own variables live in memory: see pipeline.py.
    """

    signature: KernelSignature
    function: str
    mode: Mode
    lanes: bool = False
    independent: bool = False
    symbol: str = RUN
    one_of: int = 1

    def text(self, before: Sequence[str] = ()) -> str:
        """Write the wrapper. before: statements at its start."""
        kind = f"_P_{self.symbol}"
        bindings = [
            f"const {_bound(self.signature.parameters[i])}<{kind}<{i}>> b{i}(d->arguments[{slot}]);"
            for slot, i in enumerate(slots(self.signature))
        ]
        template = (_IN_LANES if self.lanes else _TEMPLATES)[self.mode]
        return _TYPES.format(kernel=self.function, symbol=self.symbol) + template.format(
            symbol=self.symbol,
            bindings="\n  ".join([*before, *bindings]),
            name=self.function,
            arguments=", ".join(_arguments(self.signature, kind)),
            next_x=_next("x", self.one_of),
            next_lx=_next("lx", self.one_of),
            pragma="#pragma clang loop vectorize(assume_safety)" if self.independent else "",
        )


def _next(name: str, one_of: int) -> str:
    """Write the step to the next thread of a row that has work. A row ends below 2^32 - 1."""
    if one_of == 1:
        return f"++{name}"
    if one_of >= 1 << 32:
        return f"{name} = 0xffffffffu"
    return f"{name} = __builtin_elementwise_add_sat({name} - {name} % {one_of}u, {one_of}u)"


def unit(file: str, wrappers: Sequence[Wrapper]) -> str:
    """Write a translation unit: the user's `file` and wrappers of its kernels."""
    return _unit(file, wrappers, "".join(wrapper.text() for wrapper in wrappers))


def checked_unit(file: str, wrappers: Sequence[Wrapper]) -> str:
    """Write a translation unit of kernels that are going to be instrumented."""
    kernels = "".join(wrapper.text([_IMAGE]) for wrapper in wrappers)
    return _CHECKED + _unit(file, wrappers, kernels) + "".join(map(_elements, wrappers))


def _elements(wrapper: Wrapper) -> str:
    kinds = (f"metal::_P_{wrapper.symbol}<{i}>" for i in slots(wrapper.signature))
    elements = "".join(f"metal::_element_size<{kind}>::value, " for kind in kinds)
    return _ELEMENTS.format(symbol=wrapper.symbol, elements=elements)


def _unit(file: str, wrappers: Sequence[Wrapper], text: str) -> str:
    # The user's macros end here: `#define tile 16` is not about the wrapper.
    functions = {word for wrapper in wrappers for word in _WORD.findall(wrapper.function)}
    macros = sorted({*_WORD.findall(_PREAMBLE + text)} - functions)
    return _UNIT.format(file=file) + "".join(f"#undef {word}\n" for word in macros) + _PREAMBLE + text


def unbound(signature: KernelSignature) -> tuple[Parameter, ...]:
    """Return the parameters that the host does not bind and that no attribute explains."""
    return tuple(p for p in signature.parameters if p.index is None and p.attribute not in _ATTRIBUTES)


def bare_unit(file: str) -> str:
    """Write a translation unit of the user's file alone: a file without kernels can be wrong too."""
    return _UNIT.format(file=file)


def slots(signature: KernelSignature) -> tuple[int, ...]:
    """Return the parameters that the host binds, in the order of their places in a dispatch's arguments."""
    return tuple(i for i, parameter in enumerate(signature.parameters) if parameter.index is not None)


def _bound(parameter: Parameter) -> str:
    if parameter.is_buffer:
        return "_Bound"
    return "_Bound_threadgroup"


def _arguments(signature: KernelSignature, kind: str) -> Iterator[str]:
    for i, parameter in enumerate(signature.parameters):
        if parameter.index is None:
            yield f"_position<{kind}<{i}>>({_ATTRIBUTES[parameter.attribute or '']})"
        else:
            yield f"b{i}.get()"
