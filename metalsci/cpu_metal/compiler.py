"""From the text of a `.metal` file to one shared object for each of its kernels."""

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from metalsci.cpu_metal.cache import Cache, digest
from metalsci.cpu_metal.elf import ObjectFile, read_object
from metalsci.cpu_metal.errors import CompileError
from metalsci.cpu_metal.messages import diagnostics, files_read
from metalsci.cpu_metal.platform import processors
from metalsci.cpu_metal.rewrite import Rewritten, rewrite
from metalsci.cpu_metal.toolchain import INCLUDE, RUNTIME, Toolchain, ToolchainError
from metalsci.cpu_metal.wrapper import Mode, needs_group, unit
from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.lexer import SourceText
from metalsci.msl.math_mode import MathMode
from metalsci.msl.parse import Unit, parse
from metalsci.msl.rules import check
from metalsci.msl.signature import KernelSignature
from metalsci.msl.untrusted import refuse

_FILE = "kernel.metal"
_SECTION = "metal_threadgroup"
_MAX_DENSE_STACK = 16000  # runtime/runtime.h
_WAITS = frozenset({"metal_threadgroup_barrier"})
_WAIT_WORDS = re.compile(r"_barrier\b")
_MEMORY = frozenset({"memcpy", "memset", "memmove"})
_MATH = frozenset(
    f"{name}f"
    for name in (
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "exp",
        "exp2",
        "exp10",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "pow",
        "atan2",
        "fmod",
        "fma",
        "round",
        "roundeven",
        "rint",
        "ceil",
        "floor",
        "trunc",
        "ldexp",
        "sincos",
        "erf",
        "erfc",
        "cbrt",
        "hypot",
        "fmin",
        "fmax",
    )
)
_ALLOWED = _WAITS | _MEMORY | _MATH | {f"__start_{_SECTION}", "_GLOBAL_OFFSET_TABLE_"}
# Printed by Clang just before it vectorises: whether threads' own variables still live in memory.
_BEFORE_VECTORISING = ("-mllvm", "-print-before=loop-vectorize", "-mllvm", "-filter-print-funcs=metal_run")
_ALLOCA = re.compile(r"^ +%\S+ = alloca ", re.MULTILINE)


@dataclass(frozen=True)
class CompiledKernel:
    """One kernel, ready to load: its shared object, how its dispatches are cut up, its static threadgroup memory."""

    signature: KernelSignature
    path: Path
    mode: Mode
    threadgroup_memory: int
    stack: int
    """Bytes of stack that a thread needs; 0 where that cannot be told."""


@dataclass(frozen=True)
class Compiler:
    cache: Cache
    toolchain: Toolchain

    def runtime(self) -> Path:
        """The shared object of the runtime, built at first use."""
        key = digest(self.toolchain.identity, *_contents(RUNTIME))
        built = self.cache.entry(f"runtime-{key}", lambda path: self.toolchain.build_runtime(path / "runtime.so"))
        return built / "runtime.so"

    def compile(self, source: str, math_mode: MathMode) -> tuple[list[CompiledKernel], tuple[Diagnostic, ...]]:
        """Every kernel of the file, and the warnings.

        Raises CompileError with all that is wrong with the file.
        """
        parsed = parse(source)
        found = check(parsed)
        errors = [d for d in found if d.severity is Severity.ERROR]
        if list(refuse(SourceText(source.encode(errors="surrogatepass")))):
            raise CompileError(found)
        key = digest(
            source, math_mode.value, self.toolchain.identity, *_contents(INCLUDE), *_contents(Path(__file__).parent)
        )
        build = _Build(self.toolchain, source, parsed, math_mode)
        if errors:
            raise CompileError(_merged(found, build.errors()))
        folder = self.cache.entry(key, build)
        facts = json.loads((folder / "facts.json").read_text())
        kernels = [
            CompiledKernel(
                signature, folder / fact["file"], Mode(fact["mode"]), fact["threadgroup_memory"], fact["stack"]
            )
            for signature, fact in zip(parsed.kernels, facts["kernels"], strict=True)
        ]
        warnings = [
            Diagnostic(Severity(w["severity"]), w["line"], w["column"], w["message"]) for w in facts["warnings"]
        ]
        return kernels, _merged(found, warnings)


def _contents(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path.name.encode()
            yield path.read_bytes()


def _merged(first: Sequence[Diagnostic], second: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Both, sorted; of two errors at one place the first's, which is in Apple's words."""
    places = {(d.line, d.column) for d in first if d.severity is Severity.ERROR}
    kept = [d for d in second if (d.line, d.column) not in places or d.severity is not Severity.ERROR]
    return tuple(sorted([*first, *kept], key=lambda d: (d.line, d.column)))


@dataclass(frozen=True)
class _Built:
    object: ObjectFile
    data: bytes
    mode: Mode
    messages: Sequence[Diagnostic]
    in_memory: bool


@dataclass(frozen=True)
class _Build:
    """Fills a cache entry with a source's kernels."""

    toolchain: Toolchain
    source: str
    parsed: Unit
    math_mode: MathMode

    def __call__(self, folder: Path) -> None:
        rewritten = rewrite(self.source)
        with TemporaryDirectory(prefix="metalsci-") as name:
            scratch = Path(name)
            (scratch / _FILE).write_bytes(rewritten.text)
            kernels = list(enumerate(self.parsed.kernels))
            # The first kernel alone: what is wrong with the file is wrong with all of them.
            built = [self._kernel(scratch, 0, self.parsed.kernels[0], rewritten)]
            with ThreadPoolExecutor(processors()) as pool:
                built += pool.map(lambda item: self._kernel(scratch, item[0], item[1], rewritten), kernels[1:])
            for index in range(len(kernels)):
                (folder / f"{index}.so").write_bytes((scratch / f"{index}.so").read_bytes())
        facts = {
            "kernels": [
                {
                    "file": f"{i}.so",
                    "mode": b.mode,
                    "threadgroup_memory": b.object.sections.get(_SECTION, 0),
                    "stack": _stack(b.object),
                }
                for i, b in enumerate(built)
            ],
            "warnings": [vars(d) for d in dict.fromkeys(d for b in built for d in b.messages)],
        }
        (folder / "facts.json").write_text(json.dumps(facts))

    def errors(self) -> Sequence[Diagnostic]:
        """What Clang finds wrong, for a file that is refused already."""
        if not self.parsed.kernels:
            return ()
        with TemporaryDirectory(prefix="metalsci-") as name:
            rewritten = rewrite(self.source)
            (Path(name) / _FILE).write_bytes(rewritten.text)
            try:
                self._object(Path(name), 0, self.parsed.kernels[0], rewritten, Mode.THREAD)
            except CompileError as error:
                return error.diagnostics
        return ()

    def _kernel(self, scratch: Path, index: int, signature: KernelSignature, rewritten: Rewritten) -> _Built:
        guess = self._guess(signature)
        built = self._object(scratch, index, signature, rewritten, guess)
        mode = _mode(built.object, signature)
        if mode is not guess:
            built = self._object(scratch, index, signature, rewritten, mode)
        if built.in_memory:
            # Variables of a thread that live in memory: vectorised on the promise that threads are independent,
            # neighbouring threads would share them.
            built = self._object(scratch, index, signature, rewritten, mode, independent=False)
        unknown = built.object.undefined - _ALLOWED
        if unknown:
            raise CompileError([_undefined(self.source, name) for name in sorted(unknown)])
        self.toolchain.link(scratch, [f"{index}.o"], f"{index}.so")
        return built

    def _guess(self, signature: KernelSignature) -> Mode:
        """The mode, from a look at the text; the compiled object tells in the end."""
        if _WAIT_WORDS.search(self.source):
            return Mode.THREAD
        return Mode.GROUP if needs_group(signature) or "threadgroup" in self.source else Mode.GRID

    def _object(
        self,
        scratch: Path,
        index: int,
        signature: KernelSignature,
        rewritten: Rewritten,
        mode: Mode,
        independent: bool = True,
    ) -> _Built:
        vectorised = mode is not Mode.THREAD and independent
        name = f"{index}.cl"
        (scratch / name).write_text(unit(_FILE, signature, self._function(signature), mode, independent=independent))
        extra = _BEFORE_VECTORISING if vectorised else ()
        try:
            run = self.toolchain.compile_metal(scratch, name, f"{index}.o", self.math_mode, extra)
        except ToolchainError as error:
            raise CompileError([Diagnostic(Severity.ERROR, 0, 0, str(error))]) from error
        messages = diagnostics(run.messages, _FILE, rewritten)
        _refuse_foreign_files(run.messages)
        if run.code:
            known = [d for d in messages if d.severity is not Severity.WARNING or d.line]
            raise CompileError(known or [Diagnostic(Severity.ERROR, 0, 0, "the compiler gave no reason")])
        data = (scratch / f"{index}.o").read_bytes()
        in_memory = vectorised and _ALLOCA.search(run.messages) is not None
        return _Built(read_object(data), data, mode, messages, in_memory)

    def _function(self, signature: KernelSignature) -> str:
        """What the kernel is called in C++; an instance of a template has another name for the host."""
        if not signature.template_arguments:
            return signature.name
        text = self.source.encode(errors="surrogatepass")[slice(*signature.span)].decode(errors="replace")
        match = re.search(r"\bvoid\s+(\w+)\s*\(", text)
        name = match[1] if match else signature.name
        return f"{name}<{', '.join(a.value for a in signature.template_arguments)}>"


def _mode(compiled: ObjectFile, signature: KernelSignature) -> Mode:
    if compiled.undefined & _WAITS:
        return Mode.THREAD
    return Mode.GROUP if _SECTION in compiled.sections or needs_group(signature) else Mode.GRID


def _stack(compiled: ObjectFile) -> int:
    """Of a kernel that calls nothing but the runtime: what its only function needs, its return address included."""
    if len(compiled.stacks) != 1 or compiled.undefined & (_MATH | _MEMORY) or compiled.stacks[0] > _MAX_DENSE_STACK:
        return 0
    return compiled.stacks[0] + 64


def _refuse_foreign_files(messages: str) -> None:
    """Raises when anything but the user's file, once, and the package's headers was read."""
    own = {str(path) for path in INCLUDE.iterdir()}
    user = [depth for depth, file in files_read(messages) if Path(file).name == _FILE and Path(file).parent == Path()]
    foreign = [file for _, file in files_read(messages) if file not in own and Path(file) != Path(_FILE)]
    if foreign or user[1:]:
        raise CompileError([Diagnostic(Severity.ERROR, 0, 0, "only Metal's own headers can be included")])


def _undefined(source: str, symbol: str) -> Diagnostic:
    """A function that is declared and called, and is nowhere."""
    text = SourceText(source.encode(errors="surrogatepass"))
    place = next((text.position(t.start) for t in text.tokens if t.text.decode(errors="replace") in symbol), (0, 0))
    return Diagnostic(Severity.ERROR, *place, f"undefined symbol '{symbol}'")
