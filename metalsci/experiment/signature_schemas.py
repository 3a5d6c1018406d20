"""Schemas made from signatures: a config option has its class's parameters, with the same types and defaults.

Hydra merges yamls and overrides into these, so a misspelt key or a value of another type fails before anything starts,
for an option from outside the repository as for those inside.
"""

import ast
import importlib
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from functools import cache
from typing import Any

from omegaconf import MISSING

from metalsci.experiment.source_signatures import (
    SourceModule,
    SourceParameter,
    SourceSignature,
    is_class,
    read_signature,
)

_ENUMS = frozenset({"Enum", "StrEnum", "IntEnum"})
_ABSTRACT = frozenset({"Protocol", "ABC"})
_PRIMITIVES: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "Path": str}
_LISTS = frozenset({"list", "List", "Sequence", "tuple", "Tuple", "Iterable", "Collection", "set", "frozenset"})
_DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
_UNSAYABLE = object()  # a default that no yaml can express


@dataclass(frozen=True)
class _Part:
    """A parameter that is an object with a signature of its own."""

    target: str


@cache
def schema_of(target: str) -> type | None:
    """Make a dataclass with a field for each parameter of `target`.

    None if there is no source to read it from, or if it has **kwargs, so that every key is right. A parameter whose
    default no yaml can express (a function, an object) has no field: it is for callers in Python.
    """
    signature = read_signature(target)
    if signature is None or signature.is_open:
        return None
    members: list[tuple[str, Any, Any]] = [
        ("_target_", str, target),
        ("_convert_", str, "all"),  # constructors get lists and dicts, not OmegaConf's containers
    ]
    for parameter in signature.parameters:
        kind = _kind(parameter)
        default = _default(parameter, kind)
        if default is not _UNSAYABLE:
            members.append((parameter.name, _type(kind), default))
    # The order of a schema's fields is that of the signature, so a default may come before a required one.
    schema = make_dataclass(target.rpartition(".")[2], members, kw_only=True)
    schema.__doc__ = signature.summary
    return schema


@cache
def documents(target: str) -> SourceSignature | None:
    """Return the signature with the texts of its docstring, for `--help`; None if there is no source."""
    return read_signature(target)


def _kind(parameter: SourceParameter) -> Any:
    """Return a type that OmegaConf knows, or a _Part."""
    if parameter.annotation is None:
        return Any
    return _resolve(parameter.annotation, parameter.module)


def _type(kind: Any) -> Any:
    if isinstance(kind, _Part):
        return schema_of(kind.target) or Any
    return kind


def _resolve(expression: ast.expr, module: SourceModule) -> Any:
    match expression:
        case ast.Constant(value=None):
            return types.NoneType
        case ast.Constant(value=str(text)):
            return _resolve(ast.parse(text, mode="eval").body, module)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _named(name, module)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([_resolve(left, module), _resolve(right, module)])
        case ast.Subscript(value=value, slice=inside):
            if isinstance(value, ast.Attribute):
                outer = value.attr
            else:
                outer = getattr(value, "id", "")
            if isinstance(inside, ast.Tuple):
                items = list(inside.elts)
            else:
                items = [inside]
            return _generic(outer, items, module)
        case _:
            return Any


def _named(name: str, module: SourceModule) -> Any:
    if name in _PRIMITIVES:
        return _PRIMITIVES[name]
    if name in _LISTS:
        return list[Any]
    if name in _DICTS:
        return dict[str, Any]
    place = module.resolve(name)
    if place is None:
        return Any
    home, name = place
    if name in home.constants:
        return _resolve(home.constants[name], home)
    if is_class(home, name, _ENUMS):
        return getattr(importlib.import_module(home.name), name)
    if is_class(home, name, _ABSTRACT, directly=True):  # a class that implements a protocol is none
        return Any
    return _Part(f"{home.name}.{name}")


def _generic(outer: str, items: list[ast.expr], module: SourceModule) -> Any:
    if outer in ("Optional", "Union"):
        members = [_resolve(item, module) for item in items]
        return _union([*members, types.NoneType] if outer == "Optional" else members)
    if outer == "Annotated":
        return _resolve(items[0], module)
    if outer == "Literal":
        return type(ast.literal_eval(items[0]))
    if outer in _LISTS:
        return list[_plain(_resolve(items[0], module))]  # type: ignore[misc]  # a type that is known only now
    if outer in _DICTS:
        key, value = (_resolve(item, module) for item in items)
        return dict[key if key in (str, int) else str, _plain(value)]  # type: ignore[misc]
    return Any


def _plain(kind: Any) -> Any:
    """Return the type of elements: objects come as configs of any class, and containers hold no unions."""
    is_union = len([member for member in typing.get_args(kind) if member is not types.NoneType]) > 1
    if isinstance(kind, _Part) or (is_union and typing.get_origin(kind) is typing.Union):
        return Any
    return kind


def _union(kinds: list[Any]) -> Any:
    """Combine types: OmegaConf knows unions of primitive types, and anything or None."""
    members = [kind for kind in kinds if kind is not types.NoneType]
    if any(kind is Any or isinstance(kind, _Part) for kind in members):
        return Any  # a part that may be absent: None, or a config with its own _target_
    if len(members) > 1 and not all(kind in (int, float, bool, str) for kind in members):
        return Any
    return typing.Union[tuple(kinds)]  # noqa: UP007  # made of values


def _default(parameter: SourceParameter, kind: Any) -> Any:
    """Return the default of a schema's field; _UNSAYABLE if only Python can express it."""
    expression = parameter.default
    if isinstance(expression, ast.Call) and getattr(expression.func, "id", "") == "field":
        keywords = {keyword.arg: keyword.value for keyword in expression.keywords}
        if "default_factory" in keywords:
            return _made(keywords["default_factory"], parameter.module, kind)
        expression = keywords.get("default")
    if expression is None:
        if isinstance(kind, _Part):
            return _part_field(kind)
        return MISSING
    if isinstance(expression, ast.Call) and not expression.args and not expression.keywords:
        return _made(expression.func, parameter.module, kind)
    return _constant(expression, parameter.module, kind)


def _part_field(kind: _Part) -> Any:
    schema = schema_of(kind.target)
    if schema is None:
        return MISSING
    return field(default_factory=schema)


def _made(factory: ast.expr, module: SourceModule, kind: Any) -> Any:
    """Return the default that a factory without arguments makes."""
    name = getattr(factory, "id", "")
    builtin: dict[str, Callable[[], object]] = {"dict": dict, "list": list, "tuple": list}
    if name in builtin:
        return field(default_factory=builtin[name])
    place = module.resolve(name)
    if isinstance(kind, _Part) and place is not None and kind.target == f"{place[0].name}.{place[1]}":
        return _part_field(kind)
    return _UNSAYABLE


def _enum(kind: Any) -> type[Enum] | None:
    """Return the enum in `E` or `E | None`."""
    for candidate in (kind, *typing.get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, Enum):
            return candidate
    return None


def _constant(expression: ast.expr, module: SourceModule, kind: Any) -> Any:
    match expression:
        case ast.Attribute(attr=member) if enum := _enum(kind):
            return enum[member]
        case ast.Name(id=name):
            place = module.resolve(name)
            if place is None or name not in place[0].constants:
                return _UNSAYABLE
            return _constant(place[0].constants[place[1]], place[0], kind)
    try:
        value = ast.literal_eval(expression)
    except ValueError:
        return _UNSAYABLE
    if isinstance(value, tuple | list | set):
        return field(default_factory=lambda: list(value))
    if isinstance(value, dict):
        return field(default_factory=lambda: dict(value))
    return value
