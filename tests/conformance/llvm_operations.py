"""LLVM's text of every instruction and intrinsic that a kernel can come to, each in a function of its own.

What has no instruction on a processor becomes a call, which the undefined symbols of the object show. Left out is what
neither Metal's headers nor LLVM's passes make: the remainder of two floats (fmod is written out), the least and the
greatest of two halfs (<metal_half> is, and LLVM makes no such reduction), exp, log, sin and their kind.
"""

from collections.abc import Iterator, Sequence

INTEGERS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64}
FLOATS = {"half": 16, "bfloat": 16, "float": 32, "double": 64}
_SUFFIXES = {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64"}
_COMPARED = "oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno"
_FIRST, _SECOND, _THIRD = "%a", "%b", "%c"


class Module:
    """A module that grows by a function for each operation."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self._declared: set[str] = set()

    @property
    def text(self) -> str:
        return "\n".join([*sorted(self._declared), *self.functions, ""])

    def apply(self, operation: str, operand: str, result: str, count: int) -> None:
        """Add a function that loads `count` operands, %a, %b and %c, and stores the result of `operation`."""
        loads = [f"%{name} = load {operand}, ptr %{place}" for name, place in zip("abc", "qrs", strict=True)][:count]
        self.add(*loads, f"%v = {operation}", f"store {result} %v, ptr %p")

    def call(self, name: str, result: str, operands: Sequence[str], *more: str) -> None:
        """Add the same for an intrinsic. `more`: its further arguments, which are constants."""
        kinds = [*operands, *(argument.split()[0] for argument in more)]
        self._declared.add(f"declare {result} @llvm.{name}({', '.join(kinds)})")
        given = [f"{kind} {value}" for kind, value in zip(operands, (_FIRST, _SECOND, _THIRD), strict=False)]
        self.apply(f"call {result} @llvm.{name}({', '.join([*given, *more])})", operands[0], result, len(operands))

    def run(self, name: str, *arguments: str) -> None:
        """Add a function that calls an intrinsic without a result."""
        self._declared.add(f"declare void @llvm.{name}({', '.join(argument.split()[0] for argument in arguments)})")
        self.add("%n = load i64, ptr %r", f"call void @llvm.{name}({', '.join(arguments)})")

    def add(self, *statements: str) -> None:
        body = "\n  ".join([*statements, "ret void"])
        self.functions.append(f"define void @f{len(self.functions)}(ptr %p, ptr %q, ptr %r, ptr %s) {{\n  {body}\n}}")


def operations(sizes: Sequence[int]) -> str:
    """Return a module of all operations on scalars (size 1) and vectors of these sizes."""
    module = Module()
    for size in sizes:
        for kind in INTEGERS:
            _of_integers(module, kind, size)
            for other in FLOATS:
                _between(module, kind, other, size)
        for operation in ("add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr"):
            wide = _sized("i128", min(size, 4))  # closed forms of sums of 64-bit integers
            module.apply(f"{operation} {wide} %a, %b", wide, wide, 2)
        for kind in FLOATS:
            _of_floats(module, kind, size)
    _of_memory(module)
    return module.text


def _of_integers(module: Module, kind: str, size: int) -> None:
    whole, name, flag = _sized(kind, size), _named(kind, size), _sized("i1", size)
    for operation in ["add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr", "sdiv", "udiv", "srem", "urem"]:
        module.apply(f"{operation} {whole} %a, %b", whole, whole, 2)
    for comparison in ["eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle"]:
        module.apply(f"icmp {comparison} {whole} %a, %b", whole, flag, 2)
    for operation in ["smin", "smax", "umin", "umax", "sadd.sat", "uadd.sat", "ssub.sat", "usub.sat"]:
        module.call(f"{operation}.{name}", whole, (whole, whole))
    for operation in ("bitreverse", "ctpop", *(["bswap"] if kind != "i8" else [])):
        module.call(f"{operation}.{name}", whole, (whole,))
    for operation in ("ctlz", "cttz", "abs"):
        module.call(f"{operation}.{name}", whole, (whole,), "i1 false")
    for operation in ("fshl", "fshr"):
        module.call(f"{operation}.{name}", whole, (whole,) * 3)
    for operation in ["umul", "smul", "uadd", "sadd", "usub", "ssub"]:
        pair = f"{{{whole}, {flag}}}"
        module.call(f"{operation}.with.overflow.{name}", pair, (whole, whole))
    if size > 1:
        for operation in ["add", "mul", "and", "or", "xor", "smin", "smax", "umin", "umax"]:
            module.call(f"vector.reduce.{operation}.{name}", kind, (whole,))


def _between(module: Module, integer: str, floating: str, size: int) -> None:
    whole, real = _sized(integer, size), _sized(floating, size)
    for operation in ("sitofp", "uitofp"):
        module.apply(f"{operation} {whole} %a to {real}", whole, real, 1)
    for operation in ("fptosi", "fptoui"):
        module.apply(f"{operation} {real} %a to {whole}", real, whole, 1)
        module.call(f"{operation}.sat.{_named(integer, size)}.{_named(floating, size)}", whole, (real,))


def _of_floats(module: Module, kind: str, size: int) -> None:
    real, name = _sized(kind, size), _named(kind, size)
    for operation in ("fadd", "fsub", "fmul", "fdiv"):
        module.apply(f"{operation} {real} %a, %b", real, real, 2)
        module.apply(f"{operation} fast {real} %a, %b", real, real, 2)
    for comparison in _COMPARED.split():
        module.apply(f"fcmp {comparison} {real} %a, %b", real, _sized("i1", size), 2)
    module.apply(f"fneg {real} %a", real, real, 1)
    for operation in ["sqrt", "floor", "ceil", "trunc", "round", "roundeven", "fabs"]:
        module.call(f"{operation}.{name}", real, (real,))
    for operation in ("copysign", "minimum", "maximum", *(["minnum", "maxnum"] if kind != "half" else [])):
        module.call(f"{operation}.{name}", real, (real, real))
    for operation in ("fma", "fmuladd"):
        module.call(f"{operation}.{name}", real, (real,) * 3)
    if size > 1:
        for operation in ("fminimum", "fmaximum", *(["fmin", "fmax"] if kind != "half" else [])):
            module.call(f"vector.reduce.{operation}.{name}", kind, (real,))
    for other, width in FLOATS.items():
        if width < FLOATS[kind]:
            module.apply(f"fptrunc {real} %a to {_sized(other, size)}", real, _sized(other, size), 1)
        if width > FLOATS[kind]:
            module.apply(f"fpext {real} %a to {_sized(other, size)}", real, _sized(other, size), 1)


def _of_memory(module: Module) -> None:
    for name, source in (("memcpy.p0.p0", "ptr %q"), ("memmove.p0.p0", "ptr %q"), ("memset.p0", "i8 7")):
        module.run(f"{name}.i64", "ptr %p", source, "i64 %n", "i1 false")
    for kind, operation in _atomics():
        module.apply(f"atomicrmw {operation} ptr %p, {kind} %a monotonic", kind, kind, 1)
    for kind in ("i32", "i64"):
        exchange = f"cmpxchg ptr %p, {kind} %a, {kind} %b monotonic monotonic"
        module.apply(exchange, kind, f"{{{kind}, i1}}", 2)


def _atomics() -> Iterator[tuple[str, str]]:
    for kind in ("i32", "i64"):
        yield from (
            (kind, operation)
            for operation in ["xchg", "add", "sub", "and", "nand", "or", "xor", "max", "min", "umax", "umin"]
        )
    yield from (("float", operation) for operation in ["xchg", "fadd", "fsub", "fmax", "fmin"])


def _sized(kind: str, size: int) -> str:
    return kind if size == 1 else f"<{size} x {kind}>"


def _named(kind: str, size: int) -> str:
    """Return the type as a part of an intrinsic's name."""
    name = _SUFFIXES.get(kind, kind)
    return name if size == 1 else f"v{size}{name}"
