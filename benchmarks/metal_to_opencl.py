"""Metal in OpenCL C: enough of the language for the hand-written examples, so that the peers can run them.

A kernel's head is written again from its signature; in all other code words are replaced. A kernel gets the grid's
three sizes as further arguments, since OpenCL 1.2 has whole groups only: if there are threads too many, they end first,
unless others wait for them. Functions of a simdgroup become those of a sub-group of 32, which PoCL 3.0 does not have.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from metalsci.msl.language.parse import parse
from metalsci.msl.language.signature import AddressSpace, Indirection, KernelSignature, Parameter

_POSITIONS = {
    "thread_position_in_grid": "get_global_id",
    "thread_position_in_threadgroup": "get_local_id",
    "threads_per_threadgroup": "get_local_size",
    "threadgroup_position_in_grid": "get_group_id",
}
_WORDS = {
    "device": "__global",
    "threadgroup": "__local",
    "thread": "",
    "atomic_uint": "uint",
    "threadgroup_barrier": "barrier",
    "mem_flags::mem_threadgroup": "CLK_LOCAL_MEM_FENCE",
    "mem_flags::mem_device": "CLK_GLOBAL_MEM_FENCE",
    "simd_sum": "sub_group_reduce_add",
    "simd_max": "sub_group_reduce_max",
    "simd_prefix_exclusive_sum": "sub_group_scan_exclusive_add",
    "simd_shuffle": "sub_group_shuffle",
    "simd_shuffle_xor": "sub_group_shuffle_xor",
}
_HELPERS = """uint reverse_bits(uint x) {
    x = (x & 0x55555555u) << 1 | (x >> 1 & 0x55555555u);
    x = (x & 0x33333333u) << 2 | (x >> 2 & 0x33333333u);
    x = (x & 0x0F0F0F0Fu) << 4 | (x >> 4 & 0x0F0F0F0Fu);
    x = (x & 0x00FF00FFu) << 8 | (x >> 8 & 0x00FF00FFu);
    return x << 16 | x >> 16;
}
"""
_COMMENT = re.compile(r"//[^\n]*")
_HEADERS = re.compile(r"#include <metal_stdlib>\s*using namespace metal;")
_CONSTANT = re.compile(r"(?m)^constant (\w+) (\w+) = ([^;]+);")
_CONSTRUCTOR = re.compile(r"\b((?:float|u?int|u?char|u?short)[234]?)\((?!\*)")
_FUNCTION = re.compile(r"(?m)^static [\w ]*?(\w+)\(")
_TEMPLATE = re.compile(r"(?ms)^template <uint (\w+)>\n(static .*?^\}\n)")
_REFERENCE = re.compile(r"thread (\w+) &(\w+)")
_ATOMIC_ADD = re.compile(r"atomic_fetch_add_explicit\((.*?), memory_order_relaxed\)")
_WAITING = ["threadgroup_barrier", *(each for each in _WORDS if each.startswith("simd_"))]
_SUB_GROUP = "__attribute__((intel_reqd_sub_group_size(32))) "


def as_opencl(source: str, by_hand: Mapping[str, str], cut: Collection[str]) -> str:
    """Return a file of kernels in OpenCL C.

    by_hand: replaced first, since it takes types to know. cut: kernels whose grids are no whole groups.
    """
    code = _COMMENT.sub("", source)
    for before, after in by_hand.items():
        assert before in code, f"not in the example any more: {before}"
        code = code.replace(before, after)
    code = _own_names(_HEADERS.sub("", code))
    unit = parse(code)
    text, written, at = unit.text.data, [_HELPERS], 0
    uses_simdgroups = "simd_" in code
    waiting = [*_WAITING, *_waiting_functions(code)]
    for kernel in unit.kernels:
        written.append(_functions(text[at : kernel.span[0]].decode()))
        at = kernel.span[1]
        attribute = _SUB_GROUP if uses_simdgroups else ""
        body = text[slice(*kernel.body)].decode()
        is_cut = kernel.name in cut and not any(f"{name}(" in body for name in waiting)
        written.append(attribute + _kernel(kernel, body, is_cut=is_cut))
    return "".join([*written, _functions(text[at:].decode())])


def _kernel(kernel: KernelSignature, body: str, *, is_cut: bool) -> str:
    """Write a kernel: its buffers and the grid as arguments, its positions as variables, its body."""
    arguments = [*(_argument(each) for each in kernel.buffers), *(f"const uint grid_{axis}" for axis in "xyz")]
    positions = "".join(f"    {_position(each)}\n" for each in kernel.parameters if not each.is_buffer)
    if is_cut:
        beyond = " || ".join(f"get_global_id({place}) >= grid_{axis}" for place, axis in enumerate("xyz"))
        positions = f"    if ({beyond}) return;\n{positions}"
    return f"__kernel void {kernel.name}({', '.join(arguments)}) {{\n{positions}{_in_words(body[1:])}"


def _argument(parameter: Parameter) -> str:
    kind = parameter.type.replace("atomic_uint", "uint")
    if parameter.address_space is AddressSpace.CONSTANT:
        assert parameter.indirection is Indirection.REFERENCE, parameter
        return f"const {kind} {parameter.name}"
    return f"__global {'const ' if parameter.const else ''}{kind} *{parameter.name}"


def _position(parameter: Parameter) -> str:
    kind, name = parameter.type, parameter.name
    if parameter.attribute == "thread_index_in_simdgroup":
        return f"const {kind} {name} = get_sub_group_local_id();"
    call = _POSITIONS[str(parameter.attribute)]
    axes = range(int(kind[-1])) if kind[-1].isdigit() else (0,)
    return f"const {kind} {name} = ({kind})({', '.join(f'{call}({axis})' for axis in axes)});"


def _own_names(code: str) -> str:
    """Give functions names that OpenCL's library does not have, and each instance of a template its own."""
    for name in dict.fromkeys(_FUNCTION.findall(code)):
        code = re.sub(rf"\b{name}(?=[(<])", f"own_{name}", code)
    instances = re.findall(r"CASE\((\d+)\)", code)
    code = _TEMPLATE.sub(lambda found: "".join(_instances(found[1], found[2], instances)), code)
    return re.sub(r"\b(own_\w+)<(\w+)>", r"\1_##\2", code)


def _instances(parameter: str, function: str, values: Sequence[str]) -> Iterator[str]:
    name = _FUNCTION.findall(function)[0]
    for value in values:
        one = re.sub(rf"\b{name}\(", f"{name}_{value}(", function)
        one = re.sub(rf"\b(own_\w+)<{parameter}>", rf"\1_{value}", one)
        yield re.sub(rf"\b{parameter}\b", value, one)


def _functions(code: str) -> str:
    """Translate constants and functions, whose references become pointers."""
    code = _CONSTANT.sub(r"#define \2 ((\1)\3)", code)
    return _in_words("".join(_with_pointers(each) for each in _each_function(code)))


def _waiting_functions(code: str) -> Iterator[str]:
    for function in _each_function(code):
        if "kernel void" not in function and any(word in function for word in _WAITING):
            yield _FUNCTION.findall(function)[-1]


def _each_function(code: str) -> list[str]:
    return re.split(r"(?m)(?<=^\}\n)", code)


def _with_pointers(function: str) -> str:
    for kind, name in _REFERENCE.findall(function):
        head, brace, body = function.replace(f"thread {kind} &{name}", f"{kind} *{name}").partition("{")
        function = head + brace + re.sub(rf"(?<!\.)\b{name}\b", f"(*{name})", body)
    return function


def _in_words(code: str) -> str:
    code = re.sub(r"as_type<(\w+)>", r"as_\1", code)
    code = _ATOMIC_ADD.sub(r"atomic_add(\1)", code)
    code = _CONSTRUCTOR.sub(r"(\1)(", code)
    for before, after in _WORDS.items():
        code = re.sub(rf"\b{before}\b", after, code)
    return code
