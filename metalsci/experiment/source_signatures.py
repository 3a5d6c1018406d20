"""Signatures read from source text, without an import: the parameters of a config option, with types and defaults.

`--help` shows every setting of every chosen option. To import their classes would cost it numpy, MLX's worker and the
parser of kernels, half a second in all; a file of a few hundred lines is parsed in two milliseconds. Nothing runs
either, so a `_target_` that somebody else wrote can be read before it is trusted.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class SourceParameter:
    """One parameter. `annotation` and `default` are expressions in the terms of `module`; None if there is none.

    doc: its part of the docstring. is_field: a dataclass field, whose default may be a call of `field`.
    """

    name: str
    annotation: ast.expr | None
    default: ast.expr | None
    module: "SourceModule"
    doc: str = ""


@dataclass(frozen=True)
class SourceSignature:
    """The parameters of a class or function. is_open: it has **kwargs, so any further name is right too."""

    target: str
    summary: str
    parameters: tuple[SourceParameter, ...]
    is_open: bool = False


@dataclass(frozen=True, eq=False)
class SourceModule:
    """A module's text, parsed: its definitions by name, and the origins of its imported names."""

    name: str
    definitions: dict[str, ast.ClassDef | ast.FunctionDef] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)

    def resolve(self, name: str) -> tuple["SourceModule", str] | None:
        """Find the module that defines or assigns `name`; None if its source is out of reach."""
        if name in self.definitions or name in self.constants:
            return self, name
        if name not in self.imports:
            return None
        module, original = self.imports[name]
        home = read_module(module)
        if home is not None and home is not self:
            return home.resolve(original)
        return None


def read_signature(target: str) -> SourceSignature | None:
    """Read the signature of `package.module.Name`; None if its source is not found. Raises SyntaxError."""
    module_name, _, name = target.rpartition(".")
    module = read_module(module_name)
    if module is not None:
        place = module.resolve(name)
    else:
        place = None
    if place is None:
        return None
    home, name = place
    match home.definitions.get(name):
        case ast.ClassDef() as node:
            return _of_class(target, home, node)
        case ast.FunctionDef() as node:
            return _of_function(target, home, node, ast.get_docstring(node))
        case _:
            return None


def is_class(module: SourceModule, name: str, bases: frozenset[str], *, directly: bool = False) -> bool:
    """Check if `name` is a class that inherits from one called as in `bases`, at any distance or directly."""
    for _, node in _ancestry(module, name):
        if not bases.isdisjoint(_last_name(expression) for expression in node.bases):
            return True
        if directly:
            break
    return False


@cache
def read_module(name: str) -> SourceModule | None:
    """Parse a module; None if there is no such module or no source of it. Raises SyntaxError."""
    path = _source_path(name)
    if path is None:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    module = SourceModule(name)
    if path.name == "__init__.py":
        package = name
    else:
        package = name.rpartition(".")[0]
    for statement in _statements(tree.body):
        match statement:
            case ast.ClassDef(name=defined) | ast.FunctionDef(name=defined):
                module.definitions[defined] = statement
            case ast.ImportFrom(module=origin, names=names, level=level):
                source = _absolute(origin or "", level, package)
                module.imports.update({alias.asname or alias.name: (source, alias.name) for alias in names})
            case ast.Assign(targets=[ast.Name(id=assigned)], value=value):
                module.constants[assigned] = value
            case ast.AnnAssign(target=ast.Name(id=assigned), value=ast.expr() as value):
                module.constants[assigned] = value
    return module


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the module's own statements, those under `if TYPE_CHECKING` or `try` included."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _statements(statement.body)


def _absolute(origin: str, level: int, package: str) -> str:
    if not level:
        return origin
    base = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*base, origin] if origin else base)


def _source_path(name: str) -> Path | None:
    """Find the file of a module without importing the packages above it, which `find_spec` of a whole name does."""
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for depth in range(len(parts)):
        part = ".".join(parts[: depth + 1])
        try:
            if spec:
                spec = PathFinder.find_spec(part, spec.submodule_search_locations)
            else:
                spec = find_spec(part)
        except (ImportError, ValueError):
            return None
        if spec is None or (depth + 1 < len(parts) and spec.submodule_search_locations is None):
            return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _ancestry(module: SourceModule, name: str) -> Iterator[tuple[SourceModule, ast.ClassDef]]:
    """Yield a class and its bases, nearest first, as far as their sources are found."""
    place = module.resolve(name)
    if place is None:
        return
    home, name = place
    node = home.definitions.get(name)
    if isinstance(node, ast.ClassDef):
        yield home, node
        for base in node.bases:
            yield from _ancestry(home, _last_name(base))


def _of_class(target: str, module: SourceModule, node: ast.ClassDef) -> SourceSignature:
    lineage = list(_ancestry(module, node.name))
    docs = "\n\n".join(doc for _, parent in lineage if (doc := ast.get_docstring(parent)))
    for home, parent in lineage:
        for method in parent.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                return _of_function(target, home, method, f"{docs}\n\n{ast.get_docstring(method) or ''}")
        if _is_dataclass(parent):
            return _of_fields(target, lineage, docs)
    return SourceSignature(target, _summary(docs), ())


def _of_fields(target: str, lineage: list[tuple[SourceModule, ast.ClassDef]], docs: str) -> SourceSignature:
    found: dict[str, SourceParameter] = {}
    for module, node in reversed(lineage):  # a field keeps the place of the base class and takes the last default
        for statement in node.body if _is_dataclass(node) else []:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=default):
                    if _last_name(annotation) != "ClassVar":
                        found[name] = SourceParameter(name, annotation, default, module)
    documented = _document(tuple(found.values()), docs)
    return SourceSignature(target, _summary(docs), documented)


def _of_function(target: str, module: SourceModule, node: ast.FunctionDef, docs: str | None) -> SourceSignature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = [*zip(positional, [*missing, *arguments.defaults], strict=True)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    found = [
        SourceParameter(argument.arg, argument.annotation, default, module)
        for argument, default in pairs
        if argument.arg not in ("self", "cls")
    ]
    return SourceSignature(target, _summary(docs or ""), _document(tuple(found), docs or ""), bool(arguments.kwarg))


def _is_dataclass(node: ast.ClassDef) -> bool:
    decorators = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return any(_last_name(decorator) == "dataclass" for decorator in decorators)


def _last_name(expression: ast.expr) -> str:
    """Return `Enum` for `Enum` and `enum.Enum`, `Generic` for `Generic[T]`."""
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return _last_name(value)
        case _:
            return ""


def _summary(docs: str) -> str:
    """Return the first sentence."""
    return re.split(r"(?<=\.)\s|\n\n", docs.strip(), maxsplit=1)[0].replace("\n", " ")


def _document(parameters: tuple[SourceParameter, ...], docs: str) -> tuple[SourceParameter, ...]:
    """Give each parameter its part of a docstring, which says `name: text` or `one, other: text`."""
    if not parameters:
        return ()
    names = "|".join(re.escape(parameter.name) for parameter in parameters)
    text = " ".join(re.sub(r"^[-*] ", "", line.strip()).replace("`", "") for line in docs.splitlines())
    heads = list(re.finditer(rf"(?:^|(?<=\s))((?:{names})(?:, (?:{names}))*): ", text))
    told: dict[str, str] = {}
    for index, head in enumerate(heads):
        if index + 1 < len(heads):
            end = heads[index + 1].start()
        else:
            end = len(text)
        # A paragraph after the last entry is not its own: what follows two blanks was a blank line.
        said = text[head.end() : end].split("  ")[0].strip()
        told |= dict.fromkeys(head[1].split(", "), said.removesuffix("."))
    return tuple(SourceParameter(p.name, p.annotation, p.default, p.module, told.get(p.name, "")) for p in parameters)
