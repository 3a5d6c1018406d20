"""Lowering: from a `.metal` file to one call of `mx.fast.metal_kernel` for each of its kernels.

MLX writes the kernel's signature itself, from arrays. So each kernel of the file becomes

- `header`: the file without its kernels,
- `source`: a prologue that gives MLX's arguments the user's names and types, and, as a block, the user's body,

and a list that says which array each of the user's parameters is bound by. Read-only buffers are inputs, writable ones
outputs, each in the order of buffer indices. An output is always a fresh array: a kernel that updates a buffer in place
cannot be told by its text from one that only writes it, and reads garbage. `docs/mlx.md` walks through an example.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from metalsci.msl.diagnostics import CompileError, Diagnostic, Severity
from metalsci.msl.language.attributes import LIMIT
from metalsci.msl.language.kernel_heads import Declaration
from metalsci.msl.language.parse import Unit, substitute
from metalsci.msl.language.signature import KernelSignature
from metalsci.msl.language.syntax import attribute_name, attributes
from metalsci.msl.mlx.header import Outline
from metalsci.msl.mlx.mlx_names import ARGUMENTS
from metalsci.msl.mlx.prologue import ArgumentBinding, prologue_of
from metalsci.msl.text.directives import keyword_of, name_in
from metalsci.msl.text.lexer import SourceText
from metalsci.msl.text.source_map import MappedText, Piece, locate


@dataclass(frozen=True)
class LoweredKernel:
    """The arguments of `mx.fast.metal_kernel` for one kernel, and how to call its result.

    `bindings` has one entry for each of the user's buffers, in the order of their indices.
    """

    name: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    header: str
    source: str
    bindings: tuple[ArgumentBinding, ...]
    max_total_threads_per_threadgroup: int | None
    _parts: tuple[MappedText, MappedText]
    _file: SourceText

    @property
    def inputs(self) -> tuple[ArgumentBinding, ...]:
        return tuple(binding for binding in self.bindings if not binding.output)

    @property
    def outputs(self) -> tuple[ArgumentBinding, ...]:
        return tuple(binding for binding in self.bindings if binding.output)

    def locate(self, generated: str, line: int, column: int) -> tuple[int, int] | None:
        """Return the user's line and column for those of the compiled text; None for MLX's text or the prologue.

        generated: MLX's text, with or without its preamble in front.
        """
        return locate(generated, self._parts, self._file, line, column)


def lower(unit: Unit, names: Collection[str] | None = None) -> Mapping[str, LoweredKernel]:
    """Lower every kernel of a file, or those named, by name.

    Raises CompileError with all obstacles. Expects a file that `rules.check` accepts.
    """
    lowered: dict[str, LoweredKernel] = {}
    diagnostics = [d for d in unit.diagnostics if d.severity is Severity.ERROR]
    diagnostics += _function_constants(unit)
    outline = Outline.of(unit)
    hiding = tuple(_hiding_names(unit))
    for kernel in unit.kernels:
        if names is not None and kernel.name not in names:
            continue
        try:
            lowered[kernel.name] = _lower(outline, kernel, hiding)
        except CompileError as error:
            diagnostics.extend(error.diagnostics)
    if diagnostics:
        raise CompileError(diagnostics)
    return lowered


def _lower(outline: Outline, kernel: KernelSignature, hiding: Sequence["_HidingName"]) -> LoweredKernel:
    unit = outline.unit
    declaration = next(d for d in unit.declarations if d.span == kernel.span)
    start, end = kernel.body
    body = unit.text.data[start:end]
    prologue = prologue_of(unit, kernel, body.decode(errors="surrogatepass"))
    diagnostics = [*prologue.diagnostics, *_hidden(unit, kernel, prologue.before, hiding)]
    if diagnostics:
        raise CompileError(diagnostics)
    header = MappedText((*outline.header(declaration, prologue.view), *_limit(declaration, kernel)))
    source = MappedText(
        (Piece(prologue.before.encode()), Piece(body, start), Piece(prologue.after.encode())),
    )
    return LoweredKernel(
        name=re.sub(r"\W", "_", kernel.name),
        input_names=tuple(b.name for b in prologue.bindings if not b.output),
        output_names=tuple(b.name for b in prologue.bindings if b.output),
        header=header.text,
        source=source.text,
        bindings=prologue.bindings,
        max_total_threads_per_threadgroup=kernel.max_total_threads_per_threadgroup,
        _parts=(header, source),
        _file=unit.text,
    )


def _limit(declaration: Declaration, kernel: KernelSignature) -> Iterator[Piece]:
    """Yield `[[max_total_threads_per_threadgroup(n)]]`, to stand right before the kernel that MLX writes."""
    values = {argument.name: argument.value for argument in kernel.template_arguments}
    for attribute in attributes(declaration.node):
        if declaration.text(attribute_name(attribute)) == LIMIT:
            yield Piece(b"[[")
            text = substitute(values, declaration.text(attribute))
            yield Piece(text.encode(), declaration.head.origin(attribute.start_byte))
            yield Piece(b"]]\n")


def _function_constants(unit: Unit) -> Iterator[Diagnostic]:
    for token in unit.text.tokens:
        if token.text == b"function_constant":
            message = "function constants get no value from mx.fast.metal_kernel: use a macro or a constant"
            yield Diagnostic(Severity.ERROR, *unit.text.position(token.start), message)


@dataclass(frozen=True)
class _HidingName:
    """A name at file scope that an argument of MLX's has too.

    The argument would hide it from the body; if it is a macro, it would break the argument.
    """

    text: bytes
    macro: bool
    place: tuple[int, int]


def _hiding_names(unit: Unit) -> Iterator[_HidingName]:
    depth = 0
    for token in unit.text.tokens:
        depth += (token.text in (b"(", b"{")) - (token.text in (b")", b"}"))
        macro = token.kind == "directive" and keyword_of(token) == b"define"
        name = name_in(token) if macro else token.text
        if name.decode(errors="replace") in ARGUMENTS and (macro or depth == 0):
            yield _HidingName(name, macro, unit.text.position(token.start))


def _hidden(unit: Unit, kernel: KernelSignature, prologue: str, names: Sequence[_HidingName]) -> Iterator[Diagnostic]:
    if not names:
        return
    own = {parameter.name.encode() for parameter in kernel.parameters}
    start, end = kernel.body
    used = {token.text for token in unit.text.tokens if start <= token.start < end} - own
    for name in names:
        added = name.text in unit.text.data[start:end] or name.text in prologue.encode()
        if (added and name.macro) or name.text in used:
            message = f"'{name.text.decode()}' is the name of an argument that MLX adds to the kernel: choose another"
            yield Diagnostic(Severity.ERROR, *name.place, message)
