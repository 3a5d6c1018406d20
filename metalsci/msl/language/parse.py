"""From the text of a `.metal` file to the signatures of its kernels."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import tree_sitter

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.attributes import LIMIT
from metalsci.msl.language.constants import evaluate
from metalsci.msl.language.file_names import FileNames
from metalsci.msl.language.kernel_heads import Declaration, find_kernels
from metalsci.msl.language.program_form import ProgramForm
from metalsci.msl.language.signature import (
    AddressSpace,
    Attribute,
    Indirection,
    KernelSignature,
    Parameter,
    TemplateArgument,
)
from metalsci.msl.language.syntax import attribute_name, attributes, first, parse_metal, walk
from metalsci.msl.text.kernel_macros import with_kernels_written_out
from metalsci.msl.text.lexer import SourceText
from metalsci.msl.text.preprocessed import live_code

_SPACES = {space.value: space for space in AddressSpace}


@dataclass(frozen=True)
class Unit:
    """A parsed file. `diagnostics` holds errors in its kernels; the compiler finds the rest.

    `text` and `declarations` are the tokens and the kernels' syntax trees, for closer inspection; in them, kernels that
    macros write are written out.
    """

    source: str
    kernels: tuple[KernelSignature, ...]
    diagnostics: tuple[Diagnostic, ...]
    text: SourceText = field(repr=False, compare=False)
    declarations: tuple[Declaration, ...] = field(repr=False, compare=False)

    @cached_property
    def live(self) -> SourceText:
        """The part that the compiler reads; the rest is blank."""
        return live_code(self.text)

    @cached_property
    def root(self) -> tree_sitter.Node:
        """The syntax tree of the live part."""
        return parse_metal(self.live.data).root_node

    @cached_property
    def form(self) -> ProgramForm:
        """The program without its comments and names, to be compared with others."""
        return ProgramForm(self.text, [kernel.name for kernel in self.kernels])

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word in the file's code: keywords, names of anything."""
        return frozenset(token.text.decode(errors="replace") for token in self.text.tokens if token.kind == "word")

    def kernel(self, name: str) -> KernelSignature | None:
        return next((kernel for kernel in self.kernels if kernel.name == name), None)


def as_unit(source: str | Unit) -> Unit:
    """Return a source as a unit: a candidate is parsed once, and travels as its unit from there on."""
    if isinstance(source, Unit):
        return source
    return parse(source)


def parse(source: str) -> Unit:
    """Read a file's kernels. Never raises: a broken file gives the kernels that could be read."""
    text = with_kernels_written_out(SourceText(source.encode(errors="surrogatepass")))
    declarations, diagnostics = find_kernels(text)
    reader = _SignatureReader(text, FileNames(text))
    kernels = tuple(reader.kernels(declarations))
    return Unit(source, kernels, (*diagnostics, *_repeated(kernels)), text, declarations)


def _repeated(kernels: Sequence[KernelSignature]) -> Iterator[Diagnostic]:
    first: dict[str, KernelSignature] = {}
    for kernel in kernels:
        if kernel.name in first:
            yield Diagnostic(Severity.ERROR, kernel.line, kernel.column, f"redefinition of '{kernel.name}'")
        first.setdefault(kernel.name, kernel)


class _SignatureReader:
    def __init__(self, text: SourceText, names: FileNames) -> None:
        self._text = text
        self._names = names

    def kernels(self, declarations: Sequence[Declaration]) -> Iterator[KernelSignature]:
        templates: dict[str, tuple[Declaration, KernelSignature]] = {}
        for declaration in declarations:
            if declaration.node.type == "template_instantiation":
                instance = self._instance(declaration, templates)
                if instance is not None:
                    yield instance
                continue
            signature = self._signature(declaration)
            if signature is None or declaration.body is None:
                continue
            if declaration.node.type == "template_declaration":
                templates[signature.name] = (declaration, signature)
            else:
                yield signature

    def _signature(self, declaration: Declaration) -> KernelSignature | None:
        declarator = declaration.declarator
        if declarator is not None:
            name = _function_name(declarator)
        else:
            name = None
        if declarator is None or name is None:
            return None
        limits = (a.value for a in self._attributes(declaration, declaration.node) if a.name == LIMIT)
        parameters = declarator.child_by_field_name("parameters")
        line, column = declaration.position(name)
        return KernelSignature(
            name=declaration.text(name),
            parameters=self._parameters(declaration, parameters) if parameters is not None else (),
            max_total_threads_per_threadgroup=next(limits, None),
            line=line,
            column=column,
            span=declaration.span,
            body=declaration.body or (declaration.span[1], declaration.span[1]),
        )

    def _parameters(self, declaration: Declaration, node: tree_sitter.Node) -> tuple[Parameter, ...]:
        read = [
            self._parameter(declaration, child)
            for child in node.named_children
            if child.type in ("parameter_declaration", "optional_parameter_declaration")
            and declaration.text(child) != "void"
        ]
        return _number(read)

    def _parameter(self, declaration: Declaration, node: tree_sitter.Node) -> Parameter:
        shape = _Shape.of(declaration, node)
        base = node.child_by_field_name("type")
        read = tuple(self._attributes(declaration, node))
        leading = next((attribute for attribute in read if attribute.name != "maybe_unused"), None)
        at = shape.name or node
        line, column = declaration.position(at)
        if base is not None:
            spelled = declaration.text(base)
        else:
            spelled = ""
        return Parameter(
            name=declaration.text(shape.name) if shape.name is not None else "",
            type=self._names.resolve(spelled) + shape.suffix,
            address_space=shape.address_space,
            indirection=shape.indirection,
            const="const" in shape.qualifiers,
            attribute=leading.name if leading is not None else None,
            attribute_value=leading.value if leading is not None else None,
            index=None,
            line=line,
            column=column,
            spelling=_spelling(declaration, node),
            attributes=read,
            start=declaration.position(node),
        )

    def _attributes(self, declaration: Declaration, node: tree_sitter.Node) -> Iterator[Attribute]:
        """Yield the attributes of `[[…]]` lists in a subtree, in order."""
        for attribute in attributes(node):
            arguments = next((c for c in attribute.named_children if c.type == "argument_list"), None)
            if arguments is not None:
                value = next(iter(arguments.named_children), None)
            else:
                value = None
            line, column = declaration.position(attribute)
            yield Attribute(
                name=declaration.text(attribute_name(attribute)),
                argument=declaration.text(arguments)[1:-1].strip() if arguments is not None else None,
                value=evaluate(value, self._names.integer) if value is not None else None,
                line=line,
                column=column,
            )

    def _instance(
        self, declaration: Declaration, templates: Mapping[str, tuple[Declaration, KernelSignature]]
    ) -> KernelSignature | None:
        """Make the kernel of a template's explicit instantiation."""
        use = first(declaration.node, "template_function")
        if use is not None:
            name = use.child_by_field_name("name")
        else:
            name = None
        if use is not None:
            values = use.child_by_field_name("arguments")
        else:
            values = None
        if use is None or name is None or values is None or declaration.text(name) not in templates:
            return None
        template, pattern = templates[declaration.text(name)]
        parameters = template.node.child_by_field_name("parameters")
        if parameters is None:
            return None
        arguments = tuple(_template_arguments(template, parameters, declaration, values))
        instantiate = partial(substitute, {a.name: a.value for a in arguments})
        line, column = declaration.position(use)
        named = [a for a in self._attributes(declaration, declaration.node) if a.name == "host_name"]
        return replace(
            pattern,
            name=_joined(named[0].argument or "") if named else declaration.text(use),
            parameters=tuple(
                replace(p, type=self._names.resolve(instantiate(p.type)), spelling=instantiate(p.spelling))
                for p in pattern.parameters
            ),
            line=line,
            column=column,
            template_arguments=arguments,
        )


@dataclass(frozen=True)
class _Shape:
    """The facts in the declarator around a parameter's name."""

    name: tree_sitter.Node | None
    indirection: Indirection
    qualifiers: tuple[str, ...]
    """Those of the object itself, or of what the pointer or reference leads to."""
    suffix: str
    """Text behind the base type but the last pointer: ` device*` in `float device* device* x`, `[4]` in `(*x)[4]`."""

    @property
    def address_space(self) -> AddressSpace:
        return next((_SPACES[word] for word in self.qualifiers if word in _SPACES), AddressSpace.THREAD)

    @classmethod
    def of(cls, declaration: Declaration, node: tree_sitter.Node) -> "_Shape":
        levels: list[tuple[Indirection, tuple[str, ...]]] = []
        qualifiers = _qualifiers(declaration, node)
        extents = ""
        array = None  # the sizes of an array that nothing points or refers to yet
        current = node.child_by_field_name("declarator")
        while current is not None and current.type not in ("identifier", "field_identifier"):
            if current.type.endswith("array_declarator"):
                size = current.child_by_field_name("size")
                array = (f"[{declaration.text(size)}]" if size is not None else "", *(array or ()))
            elif "pointer" in current.type or "reference" in current.type:
                kind = Indirection.REFERENCE if "reference" in current.type else Indirection.POINTER
                levels.append((kind, qualifiers))
                qualifiers = _qualifiers(declaration, current)
                extents, array = "".join(array or ()), None
            current = current.child_by_field_name("declarator") or _declarator_in(current)
        if array is not None:  # such a parameter is a pointer to its first element
            levels.append((Indirection.POINTER, qualifiers))
            extents = "".join(array[1:])
        if not levels:
            return cls(current, Indirection.VALUE, qualifiers, "")
        inner = "".join(f" {' '.join(q)}*" if q else "*" for _, q in levels[:-1])
        return cls(current, levels[-1][0], levels[-1][1], inner + extents)


def _declarator_in(node: tree_sitter.Node) -> tree_sitter.Node | None:
    return next((c for c in node.named_children if c.type.endswith(("declarator", "identifier"))), None)


def _qualifiers(declaration: Declaration, node: tree_sitter.Node) -> tuple[str, ...]:
    found = (c for c in node.children if c.type == "type_qualifier")
    return tuple(declaration.word(c) for c in found)


def _spelling(declaration: Declaration, node: tree_sitter.Node) -> str:
    """Return a parameter's text without its attributes."""
    text = bytearray(declaration.head.text[node.start_byte : node.end_byte])
    for attribute in walk(node):
        if attribute.type != "attribute_declaration":
            continue
        start, end = attribute.start_byte - node.start_byte, attribute.end_byte - node.start_byte
        text[start:end] = b" " * (end - start)
    return " ".join(text.decode(errors="replace").split())


def _number(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Give each buffer and each threadgroup pointer its index: the explicit one, or the next free in order."""
    slots = {space: ("threadgroup" if space is AddressSpace.THREADGROUP else "buffer") for space in AddressSpace}
    taken = {
        (p.attribute, p.attribute_value)
        for p in parameters
        if p.attribute in ("buffer", "threadgroup") and p.attribute_value is not None
    }
    numbered = []
    for p in parameters:
        bound = p.indirection is not Indirection.VALUE and p.address_space is not AddressSpace.THREAD
        if p.attribute in ("buffer", "threadgroup"):
            index = p.attribute_value
        else:
            index = None
        if bound and index is None and p.attribute in (None, "buffer", "threadgroup"):
            kind = slots[p.address_space]
            index = next(n for n in range(len(taken) + 1) if (kind, n) not in taken)
            taken.add((kind, index))
        numbered.append(replace(p, index=index))
    return tuple(numbered)


def _template_arguments(
    template: Declaration, parameters: tree_sitter.Node, use: Declaration, values: tree_sitter.Node
) -> Iterator[TemplateArgument]:
    given = [use.text(value) for value in values.named_children]
    before: dict[str, str] = {}
    for position, parameter in enumerate(parameters.named_children):
        default = parameter.child_by_field_name("default_type") or parameter.child_by_field_name("default_value")
        name = parameter.child_by_field_name("declarator") or parameter.child_by_field_name("name")
        kind = parameter.child_by_field_name("type")
        if parameter.type in ("type_parameter_declaration", "optional_type_parameter_declaration"):
            name = name or next((c for c in parameter.named_children if c.type == "type_identifier"), None)
            kind = None
        if name is None or (position >= len(given) and default is None):
            continue
        if position < len(given):
            value = given[position]
        elif default:
            value = substitute(before, template.text(default))
        else:
            value = ""
        before[template.text(name)] = value
        yield TemplateArgument(template.text(kind) if kind is not None else "typename", template.text(name), value)


def substitute(values: Mapping[str, str], text: str) -> str:
    """Replace words of a text."""
    return re.sub(r"\b[A-Za-z_]\w*\b", lambda match: values.get(match[0], match[0]), text)


def _joined(literals: str) -> str:
    """Return the text of string literals side by side, which macros write."""
    return "".join(re.findall(r'"((?:\\.|[^"\\])*)"', literals)) or literals


def _function_name(declarator: tree_sitter.Node) -> tree_sitter.Node | None:
    inner = declarator.child_by_field_name("declarator")
    if inner is not None:
        return first(inner, "identifier")
    return None
