"""The host code of a task as text that needs neither metalsci nor the task: its `program`, and all that this calls."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from metalsci.task.definition import Task

_Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class HostCodeError(Exception):
    """Host code that uses more than a task's own file, its physics and its imports; the message names it."""


@dataclass
class HostCode:
    """Pieces of a task's file, in its order: imports, definitions at the top, and methods of its class."""

    imports: list[str] = field(default_factory=list)
    definitions: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)


def host_code(task: Task) -> HostCode:
    """Collect `program` and all that it calls. Raises HostCodeError."""
    path = Path(inspect.getsourcefile(type(task).program) or "")
    return _Collector(path.read_text(encoding="utf-8"), type(task).__name__).collect()


class _Collector:
    def __init__(self, text: str, name: str) -> None:
        self._text = text
        module = ast.parse(text)
        self._defined = {name: node for node in module.body if isinstance(node, _Definition) for name in _names(node)}
        self._imported = {
            alias.asname or alias.name.partition(".")[0]: ast.unparse(_alone(node, alias))
            for node in module.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        own = self._defined.get(name)
        if not isinstance(own, ast.ClassDef):
            raise HostCodeError(f"the file of {name} does not define it")
        self._members = {name: node for node in own.body if isinstance(node, _Definition) for name in _names(node)}
        self._found: dict[str, set[str]] = {"imports": set(), "definitions": set(), "methods": set()}

    def collect(self) -> HostCode:
        self._add_member("program")
        found = self._found
        return HostCode(
            sorted(found["imports"]),
            [self._source(node) for name, node in self._defined.items() if name in found["definitions"]],
            [self._source(node) for name, node in self._members.items() if name in found["methods"]],
        )

    def _add_member(self, name: str) -> None:
        if name == "physics" or name in self._found["methods"]:
            return
        if name not in self._members:
            raise HostCodeError(f"self.{name} is not defined in the task's own class")
        self._found["methods"].add(name)
        self._scan(self._members[name])

    def _add_name(self, name: str) -> None:
        if name in self._imported:
            self._found["imports"].add(self._imported[name])
        elif name in self._defined and name not in self._found["definitions"]:
            self._found["definitions"].add(name)
            self._scan(self._defined[name])

    def _scan(self, definition: ast.stmt) -> None:
        for node in _without_annotations(definition):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
                self._add_member(node.attr)
            elif isinstance(node, ast.Name):
                self._add_name(node.id)

    def _source(self, node: _Definition) -> str:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        lines = self._text.splitlines()[first - 1 : node.end_lineno]
        return "\n".join(line.replace("  # fmt: skip", "") for line in lines)


def _names(node: _Definition) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node.target, ast.Name):
        yield node.target.id


def _alone(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import([alias])
    return ast.ImportFrom(node.module, [alias], node.level)


def _without_annotations(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a subtree without its annotations, which `from __future__ import annotations` never evaluates."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _without_annotations(child)
