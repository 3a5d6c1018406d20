"""A folder in which one source goes through Clang, LLVM's optimiser and the linker, and the refusals of all three."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metalsci.cpu_metal.compile.clang_diagnostics import diagnostics, files_read
from metalsci.cpu_metal.compile.elf import ObjectFile, read_object
from metalsci.cpu_metal.compile.shared_object import UnlinkedError, linked
from metalsci.cpu_metal.compile.toolchain import INCLUDE, Run, TooLateError, Toolchain, ToolchainError
from metalsci.cpu_metal.compile.wrapper import RUN
from metalsci.cpu_metal.legalize import ranks, short_vectors
from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.math_mode import MathMode
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.text.edits import Edit, EditedSource
from metalsci.msl.text.lexer import SourceText

FILE = "kernel.metal"
"""Name of the user's file in the folder."""
TO_MODULE = ("-S", "-emit-llvm", "-Xclang", "-disable-llvm-passes")
TO_MODULE_WITH_PLACES = (*TO_MODULE, "-gline-tables-only", "-gcolumn-info")


class TooLateCompileError(CompileError):
    """A refusal for the time of a step alone."""


class RepairableError(CompileError):
    """A refusal that `edits` repair."""

    def __init__(self, diagnostics: Sequence[Diagnostic], edits: tuple[Edit[bytes], ...]) -> None:
        super().__init__(diagnostics)
        self.edits = edits


@dataclass(frozen=True)
class Scratch:
    """A folder with a source in it. prelude: Metal's headers precompiled, for a source that includes them."""

    path: Path
    source: EditedSource
    toolchain: Toolchain
    math_mode: MathMode
    prelude: Path | None

    def __post_init__(self) -> None:
        (self.path / FILE).write_bytes(self.source.text)

    def read(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8")

    def clang(
        self, name: str, text: str, flags: Sequence[str], place: tuple[int, int] = (0, 0)
    ) -> Sequence[Diagnostic]:
        """Run Clang on `text`. Return its messages about the user's file; `place` is for those without one.

        Raises CompileError.
        """
        self.write(name, text)
        run = self._clang(name, flags)
        _check_files(run.messages)
        found = diagnostics(run.messages, FILE, self.source, place)
        if run.code:
            edits = self._repairs(name, run.messages)
            if edits:
                raise RepairableError(found, edits)
            raise CompileError(found or [Diagnostic(Severity.ERROR, 0, 0, "the compiler gave no reason")])
        return found

    def _repairs(self, name: str, messages: str) -> tuple[Edit[bytes], ...]:
        """Return edits for what Clang refuses and Metal does not."""
        text = SourceText(self.source.text)
        edits = tuple(sorted(short_vectors.completions(messages, FILE, text), key=lambda edit: edit.start))
        if not edits and ranks.is_mentioned(messages):
            edits = ranks.conversions(self._clang(name, ranks.FLAGS).messages, FILE, text)
        return edits

    def _clang(self, name: str, flags: Sequence[str]) -> Run:
        try:
            return self.toolchain.compile_metal(self.path, name, self.math_mode, self.prelude, flags)
        except ToolchainError as error:
            raise CompileError([Diagnostic(Severity.ERROR, 0, 0, str(error))]) from error

    def ran(self, step: Callable[[], Run], place: tuple[int, int]) -> str:
        """Run a step after Clang's first. Return its output. Raises CompileError if it failed."""
        try:
            run = step()
        except TooLateError as error:
            raise TooLateCompileError([Diagnostic(Severity.ERROR, 0, 0, str(error))]) from error
        except ToolchainError as error:
            raise CompileError([Diagnostic(Severity.ERROR, 0, 0, str(error))]) from error
        if run.code:
            errors = [line for line in run.messages.splitlines() if "error:" in line]
            message = "; ".join(errors) or f"the compiler ended with status {run.code} and gave no reason"
            raise CompileError([Diagnostic(Severity.ERROR, *place, message)])
        return run.messages

    def object(self, name: str, allowed: frozenset[str]) -> ObjectFile:
        """Read an object. Raises CompileError if it needs a function that is not allowed, or runs code when loaded."""
        compiled = read_object((self.path / name).read_bytes())
        _check_object(compiled, self.source.users, allowed)
        return compiled

    def link(self, name: str, output: str, place: tuple[int, int], toolchain: Toolchain | None = None) -> None:
        """Link an object to a shared object."""
        link = (toolchain or self.toolchain).link
        self.ran(lambda: link(self.path, [name], output), place)

    def link_kernel(self, name: str, output: str, place: tuple[int, int]) -> None:
        """Link the object of a kernel, in this process if it calls nothing."""
        try:
            made = linked((self.path / name).read_bytes(), RUN)
        except UnlinkedError:
            self.link(name, output, place)
        else:
            (self.path / output).write_bytes(made)

    def function(self, signature: KernelSignature) -> str:
        """Return the kernel's name in C++; an instance of a template has another name for the host."""
        if not signature.template_arguments:
            return signature.name
        match = re.search(rb"\bvoid\s+(\w+)\s*\(", self.source.users.data[slice(*signature.span)])
        if match:
            name = match[1].decode()
        else:
            name = signature.name
        return f"{name}<{', '.join(argument.value for argument in signature.template_arguments)}>"


def place(signature: KernelSignature) -> tuple[int, int]:
    return signature.line, signature.column


def _check_files(output: str) -> None:
    """Raise if any file was read except the user's, once, and the package's headers."""
    own = {str(path) for path in INCLUDE.rglob("*")}
    read = [file for _, file in files_read(output) if file not in own]
    if any(Path(file) != Path(FILE) for file in read) or len(read) > 1:
        raise CompileError([Diagnostic(Severity.ERROR, 0, 0, "only Metal's own headers can be included")])


def _check_object(compiled: ObjectFile, source: SourceText, allowed: frozenset[str]) -> None:
    """Raise if the object calls a function that is not Metal's, or would run code when it is loaded."""
    unknown = sorted(compiled.undefined - allowed)
    errors = [Diagnostic(Severity.ERROR, *_mention(source, name), f"undefined symbol '{name}'") for name in unknown]
    if any(section.startswith((".init", ".preinit", ".ctors", ".fini", ".dtors")) for section in compiled.sections):
        message = "a variable in program scope must be initialized by a constant expression"
        errors.append(Diagnostic(Severity.ERROR, 0, 0, message))
    if errors:
        raise CompileError(errors)


def _mention(source: SourceText, symbol: str) -> tuple[int, int]:
    """Find the first mention of a symbol, which may be mangled, in the source."""
    words = (t for t in source.tokens if t.kind == "word" and len(t.text) > 2)
    return next((source.position(t.start) for t in words if t.text.decode() in symbol), (0, 0))
