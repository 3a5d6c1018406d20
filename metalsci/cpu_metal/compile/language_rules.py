"""C++ that Metal leaves out, and that Clang would accept, or refuse in other words."""

import re
from collections.abc import Iterator
from itertools import pairwise

import tree_sitter

from metalsci.cpu_metal.compile.recursion import recursive_calls
from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.parse import Unit
from metalsci.msl.language.pointers import KnownTypes
from metalsci.msl.language.syntax import first, walk
from metalsci.msl.text.lexer import SourceText, Token

_KEYWORDS = {
    **{
        word: f"'{word.decode()}' is not supported in Metal"
        for word in (
            b"goto",
            b"new",
            b"delete",
            b"try",
            b"throw",
            b"double",
            b"thread_local",
            b"typeid",
            b"dynamic_cast",
        )
    },
    b"register": "Metal does not support the 'register' storage class specifier",
    b"virtual": "virtual member functions are not supported in Metal",
    b"function_constant": "function constants are not supported by this device: they have no value here",
}
_STAGES = (b"vertex", b"fragment")
# What Metal has and this device has not.
_MISSING = {
    **dict.fromkeys(_STAGES, "functions are not supported by this device: it runs kernels"),
    **dict.fromkeys((b"ray_data", b"object_data", b"threadgroup_imageblock"), "memory is not supported by this device"),
    b"os_log_default": "is not supported by this device: logging came with Metal 3.2",
}
_SHAPES = ("1d", "1d_array", "2d", "2d_array", "2d_ms", "2d_ms_array", "3d", "cube", "cube_array", "_buffer")
_MISSING_TYPES = {
    **{f"{kind}{shape}": "textures" for kind in ("texture", "depth") for shape in _SHAPES},
    "sampler": "samplers",
    "intersector": "ray tracing",
    "intersection_query": "ray tracing",
    "intersection_function_table": "ray tracing",
    "acceleration_structure": "ray tracing",
    "instance_acceleration_structure": "ray tracing",
    "primitive_acceleration_structure": "ray tracing",
    "imageblock": "imageblocks",
    "visible_function_table": "function tables",
    "os_log": "logging, which came with Metal 3.2",
}
_WIDE = re.compile(r"(?:unsigned |signed )?long long|long double")


def check_language(unit: Unit) -> Iterator[Diagnostic]:
    """Yield an error for each use."""
    text, live, root = unit.text, unit.live, unit.root
    found = [*_words(live), *_constructs(live, root)]
    for node, message in (*KnownTypes(text, live).unqualified(root), *recursive_calls(live.data, root)):
        found.append((node.start_byte, message))
    for offset, message in dict.fromkeys(found):
        yield Diagnostic(Severity.ERROR, *text.position(offset), message)


def _words(text: SourceText) -> Iterator[tuple[int, str]]:
    """Yield refused words with their places; keywords mean one thing, so the word alone is enough."""
    edge = Token("end", len(text.data), len(text.data), b"")
    tokens = (edge, edge, *text.tokens, edge)
    for earlier, before, token, following in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        is_member = before.text == b"." or earlier.text + before.text == b"->"
        if token.kind != "word" or is_member:
            continue
        if _is_use(token, before) and token.text in _KEYWORDS:
            yield token.start, _KEYWORDS[token.text]
        elif token.text in _STAGES and following.text in (b"=", b";", b",", b"[", b"(", b")"):
            yield following.start, "expected unqualified-id"  # a keyword as a name
        elif token.text in _MISSING:
            yield token.start, f"'{token.text.decode()}' {_MISSING[token.text]}"
        elif token.text == b"noexcept" and _is_refused_noexcept(before):
            yield token.start, "'noexcept' is not supported in Metal"


def _is_use(keyword: Token, before: Token) -> bool:
    """Return False in `= delete`, `operator new` and `long double`, which other rules report."""
    other = {b"new": (b"operator",), b"delete": (b"=", b"operator"), b"double": (b"long",)}
    return before.text not in other.get(keyword.text, ())


def _is_refused_noexcept(before: Token) -> bool:
    """Return True for the operator, and after a function's parameters. Apple takes the word after qualifiers."""
    return before.kind != "word" or before.text == b"return"


def _constructs(text: SourceText, root: tree_sitter.Node) -> Iterator[tuple[int, str]]:
    own = {b.text for a, b in pairwise(text.tokens) if a.text in (b"struct", b"class", b"using", b"enum", b"typename")}
    for node in walk(root):
        at = node.start_byte
        match node.type:
            case "labeled_statement":
                yield at, "labeled statements are not supported in Metal"
            case "lambda_expression":
                yield at, "lambda expressions are not supported in Metal"
            case "sized_type_specifier" if _WIDE.fullmatch(name := " ".join(_spelled(text, node).split())):
                yield at, f"'{name}' is not supported in Metal"
            case "type_identifier" if (name := _spelled(text, node)).encode() not in own and _is_metals(text, node):
                if name in _MISSING_TYPES:
                    yield at, f"'{name}' is not supported by this device: it has no {_MISSING_TYPES[name]}"
            case "array_declarator" if (size := node.child_by_field_name("size")) and size.text == b"0":
                if _declares(node):
                    yield size.start_byte, "zero-length arrays are not permitted in C++"
            case "function_definition":
                yield from _function(text, node)


def _is_metals(text: SourceText, name: tree_sitter.Node) -> bool:
    """Return True if a name stands in no namespace but Metal's."""
    if name.parent is None or name.parent.type != "template_type":
        around = name.parent
    else:
        around = name.parent.parent
    if around is not None:
        scope = around.child_by_field_name("scope")
    else:
        scope = None
    return scope is None or _spelled(text, scope) == "metal"


def _declares(declarator: tree_sitter.Node) -> bool:
    """Return True for a declaration; other code that the grammar cannot parse may look like one."""
    around = declarator.parent
    while around is not None and around.type.endswith("declarator"):
        around = around.parent
    return around is not None and around.type in ("declaration", "field_declaration") and not around.has_error


def _spelled(text: SourceText, node: tree_sitter.Node) -> str:
    return text.data[node.start_byte : node.end_byte].decode(errors="replace")


def _function(text: SourceText, node: tree_sitter.Node) -> Iterator[tuple[int, str]]:
    declarator = first(node, "function_declarator")
    if declarator is not None:
        name = declarator.child_by_field_name("declarator")
    else:
        name = None
    if name is None:
        return
    body = node.child_by_field_name("body")
    head = SourceText(text.data[node.start_byte : body.start_byte if body is not None else node.end_byte])
    is_kernel = any(token.text == b"kernel" for token in head.tokens)
    is_member = node.parent is not None and node.parent.type == "field_declaration_list"
    if is_kernel and is_member:
        yield name.start_byte, "kernel function cannot be a member function"
    elif not (is_kernel or is_member) and text.data[name.start_byte : name.end_byte] == b"main":
        yield name.start_byte, "non-qualified function cannot be called 'main'"
