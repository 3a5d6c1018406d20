"""Functions that call themselves. A thread's stack is small, and nothing says how deep a recursion goes.

Only calls that are certain to come back are found: those of functions and methods that the file defines once under that
name. Overloads, template arguments and `constexpr` functions may end at compile time.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import tree_sitter

from metalsci.cpu_metal.compile.toolchain import INCLUDE
from metalsci.msl.language.syntax import first, walk

_CALLED = re.compile(r"\b([a-z]\w*)(?=\()|(?<=\()([a-z]\w*)(?=[,)])")
_RECORDS = ("struct_specifier", "class_specifier", "union_specifier")


@dataclass(frozen=True)
class _Function:
    scope: str
    """The struct that it is a method of, else empty."""
    name: str
    definition: tree_sitter.Node
    parameters: str
    """Arguments of the template that it is: `<T, N>`."""


def recursive_calls(text: bytes, root: tree_sitter.Node) -> Iterator[tuple[tree_sitter.Node, str]]:
    """Yield each call by which a function comes back to itself, and a message about it."""
    functions = _functions(text, root)
    calls = {key: list(_calls(text, function, functions)) for key, function in functions.items()}
    for key, called in calls.items():
        for node, target in called:
            if target == key:
                yield node, f"recursion is not supported: '{key[1]}' calls itself"
            elif _reaches(calls, target, key):
                yield node, f"recursion is not supported: '{key[1]}' calls itself through '{target[1]}'"


_Key = tuple[str, str]
_Calls = Mapping[_Key, list[tuple[tree_sitter.Node, _Key]]]


def _reaches(calls: _Calls, start: _Key, end: _Key) -> bool:
    seen, queue = {start}, [start]
    while queue:
        for _, target in calls[queue.pop()]:
            if target == end:
                return True
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return False


def _functions(text: bytes, root: tree_sitter.Node) -> Mapping[_Key, _Function]:
    found = [function for node in walk(root) if node.type == "function_definition" for function in _read(text, node)]
    many = Counter((function.scope, function.name) for function in found)
    return {(f.scope, f.name): f for f in found if many[f.scope, f.name] == 1 and f.name not in _library()}


@cache
def _library() -> frozenset[str]:
    """Return the names that Metal's headers call or define by a macro: a user's overload of one may be called there."""
    headers = (re.sub(r"//.*", "", path.read_text(encoding="utf-8")) for path in INCLUDE.iterdir() if path.is_file())
    return frozenset(word for text in headers for match in _CALLED.finditer(text) for word in match.groups() if word)


def _read(text: bytes, node: tree_sitter.Node) -> Iterator[_Function]:
    declarator, body = first(node, "function_declarator"), node.child_by_field_name("body")
    if declarator is not None:
        name = declarator.child_by_field_name("declarator")
    else:
        name = None
    if name is None or body is None:
        return
    around = node.parent
    if around is not None and around.type == "template_declaration":
        template = around
    else:
        template = None
    scope = _record(text, node)
    spelled = _spelled(text, name)
    if "::" in spelled:
        scope, _, spelled = spelled.rpartition("::")
    head = text[node.start_byte : body.start_byte]
    compile_time = b"constexpr" in head or (
        template is not None and b"constexpr" in text[body.start_byte : body.end_byte]
    )
    if not compile_time:
        yield _Function(scope, spelled, node, _arguments(text, template))


def _record(text: bytes, node: tree_sitter.Node) -> str:
    around = node.parent
    while around is not None:
        if around.type in _RECORDS:
            name = around.child_by_field_name("name")
            if name is not None:
                return _spelled(text, name)
            return "?"
        around = around.parent
    return ""


def _arguments(text: bytes, template: tree_sitter.Node | None) -> str:
    """Return the arguments with which a template's function calls itself: `<T,N>` in `template <typename T, int N>`."""
    if template is not None:
        parameters = template.child_by_field_name("parameters")
    else:
        parameters = None
    names: list[str] = []
    for parameter in parameters.named_children if parameters is not None else ():
        named = parameter.child_by_field_name("declarator") or first(parameter, "type_identifier")
        names.append(_spelled(text, named) if named is not None else "?")
    return f"<{','.join(names)}>"


def _calls(
    text: bytes, function: _Function, functions: Mapping[_Key, _Function]
) -> Iterator[tuple[tree_sitter.Node, _Key]]:
    """Yield the calls in a function's body, each with its target."""
    body = function.definition.child_by_field_name("body")
    for node in walk(body) if body is not None else ():
        if node.type == "call_expression":
            called = node.child_by_field_name("function")
        else:
            called = None
        if called is not None:
            target = _target(text, called, function)
        else:
            target = None
        if target is not None:
            if function.scope:
                own = (function.scope, target)
            else:
                own = ("", target)
            key = own if own in functions else ("", target)
            if key in functions:
                yield node, key


def _target(text: bytes, called: tree_sitter.Node, function: _Function) -> str | None:
    """Return the name of a function or method of the same struct; None if types or template arguments choose it."""
    match called.type:
        case "identifier":
            return _spelled(text, called)
        case "field_expression" if text[called.start_byte :].startswith(b"this->"):
            return _spelled(text, called).removeprefix("this->")
        case "template_function":
            name, _, arguments = _spelled(text, called).partition("<")
            if name == function.name and f"<{arguments}" == function.parameters:
                return name
            return None
    return None


def _spelled(text: bytes, node: tree_sitter.Node) -> str:
    return "".join(text[node.start_byte : node.end_byte].decode(errors="replace").split())
