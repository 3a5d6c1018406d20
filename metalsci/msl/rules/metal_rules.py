"""Errors of Apple's compiler in the signatures and attributes of kernels, in its words.

Wording and positions follow Apple's compiler on recorded candidates that broke the rule. The compiler judges the rest
of the language.
"""

from collections.abc import Iterator, Sequence

import tree_sitter

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.attributes import (
    BUILT_IN,
    LIMIT,
    ON_KERNELS,
    ON_PARAMETERS,
    OTHER_STAGES,
    POSITIONS,
    RESOURCES,
)
from metalsci.msl.language.kernel_heads import Declaration
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.pointers import unqualified
from metalsci.msl.language.signature import AddressSpace, Attribute, Indirection, KernelSignature, Parameter
from metalsci.msl.language.syntax import attribute_name, attributes, walk
from metalsci.msl.language.types import ValueType, value_type
from metalsci.msl.rules.interface import compare
from metalsci.msl.rules.source_policy import refuse
from metalsci.msl.text.directives import keyword_of, name_in
from metalsci.msl.text.lexer import SourceText, Token

_HANDLES = ("texture", "depth", "sampler", "array", "imageblock", "acceleration_structure", "tensor")
_EXCLUSIVE = ("thread_execution_width", "threads_per_simdgroup")


def check(unit: Unit, expected: Sequence[KernelSignature] = ()) -> tuple[Diagnostic, ...]:
    """Return all errors of a file's signatures, forbidden text included; see `check_signatures`."""
    return (*refuse(unit.text), *check_signatures(unit, expected))


def check_signatures(unit: Unit, expected: Sequence[KernelSignature] = ()) -> tuple[Diagnostic, ...]:
    """Return the parser's findings, broken rules of Apple's, and differences from the signatures `expected`.

    expected: a task's, parsed from its seed kernel. Errors refuse the file, warnings do not; a note belongs to the
        message before it.
    """
    return (
        *unit.diagnostics,
        *_restrict(unit.text),
        *(found for declaration in unit.declarations for found in _placement(declaration)),
        *(found for declaration in unit.declarations for found in _address_spaces(declaration)),
        *(found for kernel in unit.kernels for found in _signature(kernel)),
        *compare(unit, expected),
    )


def _error(at: tuple[int, int], message: str) -> Diagnostic:
    return Diagnostic(Severity.ERROR, *at, message)


def _note(at: tuple[int, int], message: str) -> Diagnostic:
    return Diagnostic(Severity.NOTE, *at, message)


def _unknown(at: tuple[int, int], name: str) -> Diagnostic:
    return Diagnostic(Severity.WARNING, *at, f"unknown attribute '{name}' ignored")


def _place(thing: Attribute | Parameter | KernelSignature) -> tuple[int, int]:
    return thing.line, thing.column


def _restrict(text: SourceText) -> Iterator[Diagnostic]:
    """Refuse `restrict`, which Metal lacks: the word reads as the parameter's name, and the name as an error."""
    if any(t.kind == "directive" and keyword_of(t) == b"define" and name_in(t) == b"restrict" for t in text.tokens):
        return
    opened: list[Token] = []
    reported: set[int] = set()
    for token, following in zip(text.tokens, text.tokens[1:], strict=False):
        if token.text == b"(":
            opened.append(token)
        elif token.text == b")" and opened:
            opened.pop()
        elif token.text == b"restrict" and not opened:
            yield _error(text.position(token.end), "expected ';' at end of declaration")
        elif token.text == b"restrict" and opened[-1].start not in reported:
            reported.add(opened[-1].start)
            yield _error(text.position(following.start), "expected ')'")
            yield _note(text.position(opened[-1].start), "to match this '('")


def _placement(declaration: Declaration) -> Iterator[Diagnostic]:
    """Check that a kernel's attributes stand before it, and that it returns void and has fixed arguments."""
    function, declarator = declaration.function, declaration.declarator
    if function is None or declarator is None or function.type != "function_definition":
        return
    returned = function.child_by_field_name("type")
    after_kernel = after_type = False
    for child in function.children:
        if child.type == "attribute_declaration" and after_type:
            yield from _on_type(declaration, child)
        elif child.type == "attribute_declaration" and after_kernel:
            yield _error(declaration.position(child), "an attribute list cannot appear here")
        elif child.type == "attribute_declaration":
            yield from _on_kernel(declaration, child)
        elif child.type == "attribute_specifier":
            yield from _gnu(declaration, child)
        elif child.type == "attributed_declarator":
            for trailing in child.children:
                if trailing.type == "attribute_declaration":
                    yield from _on_type(declaration, trailing)
        after_kernel |= child.type == "storage_class_specifier"
        after_type |= child == returned

    if returned is not None and declaration.text(returned) != "void":
        quoted = _quoted(declaration.text(returned))
        yield _error(declaration.position(declarator), f"invalid return type {quoted} for kernel function")
    parameters = declarator.child_by_field_name("parameters")
    if parameters is not None and any(child.type == "..." for child in parameters.children):
        message = "invalid prototype; variadic arguments are not allowed in Metal qualified functions"
        yield _error(declaration.position(declarator), message)


def _on_type(declaration: Declaration, node: tree_sitter.Node) -> Iterator[Diagnostic]:
    """Refuse a list after the parameters, or after `void`: it belongs to the type."""
    for attribute in attributes(node):
        name, at = declaration.text(attribute_name(attribute)), declaration.position(attribute)
        known = name in ON_KERNELS | ON_PARAMETERS
        yield _error(at, f"'{name}' attribute cannot be applied to types") if known else _unknown(at, name)


def _on_kernel(declaration: Declaration, node: tree_sitter.Node) -> Iterator[Diagnostic]:
    for attribute in attributes(node):
        name, at = declaration.text(attribute_name(attribute)), declaration.position(attribute)
        if name in ON_PARAMETERS - ON_KERNELS:
            yield _error(at, f"'{name}' attribute only applies to parameters")
        elif name not in ON_KERNELS:
            yield _unknown(at, name)


def _gnu(declaration: Declaration, node: tree_sitter.Node) -> Iterator[Diagnostic]:
    for name in walk(node):
        if name.type == "identifier" and declaration.text(name) == LIMIT:
            yield _unknown(declaration.position(name), LIMIT)


def _address_spaces(declaration: Declaration) -> Iterator[Diagnostic]:
    """Check that every pointer and reference names its address space."""
    declarator = declaration.declarator
    if declarator is not None:
        parameters = declarator.child_by_field_name("parameters")
    else:
        parameters = None
    for parameter in parameters.named_children if parameters is not None else ():
        for found, message in unqualified(declaration.head.text, parameter):
            yield _error(declaration.position(found), message)


def _signature(kernel: KernelSignature) -> Iterator[Diagnostic]:
    for parameter in kernel.parameters:
        yield from _attributes_of(parameter)
        yield from _input(parameter)
    yield from _indices(kernel)
    yield from _repeated(kernel)
    yield from _widths(kernel)
    yield from _conflict(kernel)


def _attributes_of(parameter: Parameter) -> Iterator[Diagnostic]:
    for attribute in parameter.attributes:
        name, at = attribute.name, _place(attribute)
        if name == LIMIT:
            yield _error(at, f"'{name}' attribute only applies to functions")
        elif name in OTHER_STAGES or name == "stage_in":
            yield _error(at, f"invalid '{name}' attribute for input declaration in a kernel function")
        elif name in RESOURCES and attribute.argument is None:
            yield _error(at, f"'{name}' attribute takes one argument")
        elif name in RESOURCES and attribute.value is not None and not 0 <= attribute.value <= RESOURCES[name]:
            bounds = f"must be between 0 and {RESOURCES[name]}"
            yield _error(at, f"'{name}' attribute parameter is out of bounds: {bounds}")
        elif name not in ON_PARAMETERS:
            yield _unknown(at, name)


def _input(parameter: Parameter) -> Iterator[Diagnostic]:
    """Check that a kernel can receive an argument of this type in this way."""
    type_ = value_type(parameter.type)
    by_value = parameter.indirection is Indirection.VALUE
    for attribute in parameter.attributes:
        if not _fits(attribute.name, parameter, type_):
            if by_value:
                quoted = _quoted(parameter.type)
            else:
                quoted = f"'{_declared(parameter)}'"
            yield _error(_place(attribute), f"type {quoted} is not valid for attribute '{attribute.name}'")
    known = [a for a in parameter.attributes if a.name in ON_PARAMETERS]
    if parameter.type in ("double", "long long", "unsigned long long", "long double"):
        yield _error(parameter.start, f"'{parameter.type}' is not supported in Metal")
    elif by_value and parameter.address_space is not AddressSpace.THREAD:
        yield _error(_place(parameter), "parameter may not be qualified with an address space")
    elif by_value and not known and not parameter.type.removeprefix("metal::").startswith(_HANDLES):
        message = f"invalid type {_quoted(parameter.type)} for input declaration in a kernel function"
        yield _error(parameter.start, message)
    private = not by_value and parameter.spelling.startswith("thread ")
    shared = parameter.attribute == "buffer" and parameter.address_space is AddressSpace.THREADGROUP
    if private or shared:
        pointee = f"{parameter.address_space} {parameter.type}"
        message = f"invalid address space qualification for buffer pointee type '{pointee}'"
        yield _error(_place(parameter), message)
        yield _note(_place(parameter), "valid address space qualifications are device and constant")


def _fits(attribute: str, parameter: Parameter, type_: ValueType | None) -> bool:
    by_value = parameter.indirection is Indirection.VALUE
    if attribute in BUILT_IN:
        widest = 3 if attribute in POSITIONS else 1
        plain = type_ is not None and not (type_.packed or type_.atomic) and type_.columns == 1
        return by_value and plain and type_ is not None and type_.scalar in ("uint", "ushort") and type_.rows <= widest
    if attribute == "buffer":
        return not by_value or parameter.type.removeprefix("metal::").startswith(_HANDLES)
    if attribute == "threadgroup":
        return not by_value and parameter.address_space is AddressSpace.THREADGROUP
    return attribute not in ("texture", "sampler") or type_ is None


def _indices(kernel: KernelSignature) -> Iterator[Diagnostic]:
    taken: set[tuple[str, int]] = set()
    for parameter in kernel.parameters:
        for attribute in parameter.attributes:
            if attribute.name not in RESOURCES or attribute.value is None:
                continue
            slot = (attribute.name, attribute.value)
            if slot in taken:
                message = f"cannot reserve '{attribute.name}' resource location at index {attribute.value}"
                yield _error(_place(parameter), message)
            taken.add(slot)


def _repeated(kernel: KernelSignature) -> Iterator[Diagnostic]:
    """Refuse a second parameter for the same value of the device."""
    seen: dict[str, Attribute] = {}
    for attribute in (a for parameter in kernel.parameters for a in parameter.attributes if a.name in BUILT_IN):
        if attribute.name in seen:
            yield _error(_place(attribute), f"declaration with attribute '{attribute.name}' already specified")
            yield _note(_place(seen[attribute.name]), f"previous declaration with attribute '{attribute.name}' here")
        seen.setdefault(attribute.name, attribute)


def _widths(kernel: KernelSignature) -> Iterator[Diagnostic]:
    """Check that positions are all scalars or all vectors of one width."""
    positions = [
        (p, type_) for p in kernel.parameters if p.attribute in POSITIONS and (type_ := value_type(p.type)) is not None
    ]
    differing = next((pair for pair in positions if pair[1].rows != positions[0][1].rows), None)
    if differing is None:
        return
    either = "either all scalar types or all vector types with the same number of elements"
    yield _error(_place(kernel), f"expecting input declarations with {either}")
    for parameter, type_ in (positions[0], differing):
        message = f"declaration with attribute '{parameter.attribute}' of type {type_.quoted} here"
        yield _note(_place(parameter), message)


def _conflict(kernel: KernelSignature) -> Iterator[Diagnostic]:
    found = {p.attribute: p for p in kernel.parameters if p.attribute in _EXCLUSIVE}
    if len(found) == len(_EXCLUSIVE):
        names = " and ".join(f"'{name}'" for name in _EXCLUSIVE)
        yield _error(_place(kernel), f"kernel function cannot have input declarations with {names} attributes")
        for name in _EXCLUSIVE:
            yield _note(_place(found[name]), f"conflicting declaration with '{name}' attribute here")


def _declared(parameter: Parameter) -> str:
    if parameter.indirection is Indirection.POINTER:
        symbol = "*"
    else:
        symbol = "&"
    if parameter.const or parameter.address_space is AddressSpace.CONSTANT:
        const = "const "
    else:
        const = ""
    return f"{const}{parameter.address_space} {parameter.type} {symbol}"


def _quoted(type_: str) -> str:
    known = value_type(type_)
    if known is not None:
        return known.quoted
    return f"'{type_}'"
