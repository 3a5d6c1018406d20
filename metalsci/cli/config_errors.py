"""A mistake in a config, explained to its user: the fault, and the choices there are."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metalsci.cli.arguments import UsageError
from metalsci.experiment.signature_schemas import schema_of


def explain(error: BaseException) -> str:
    """Return Hydra's or OmegaConf's message without the search path, and with the keys next to an unknown one."""
    lines = [line.rstrip() for line in str(error).splitlines()]
    if "Config search path:" in lines:
        lines = lines[: lines.index("Config search path:")]
    cause = _root(error)
    text = "\n".join(line for line in lines if line.strip() and not line.startswith("To append to your config"))
    if cause is error or not isinstance(cause, OmegaConfBaseException):
        return text + _option(text)
    return "\n".join([*text.splitlines()[:1], str(cause).splitlines()[0]]) + _keys(cause)


def refuse_unread(cfg: DictConfig) -> None:
    """Raise UsageError for a setting that was added (`+name=value`) and that the schema lacks."""
    for path, unknown, schema in _added(cfg, ""):
        raise UsageError(f"{path}{unknown}: no such setting; nothing would read it{_offer(unknown, schema)}")


def _added(node: DictConfig, path: str) -> Iterator[tuple[str, str, type]]:
    """Yield the additions to the nodes of a schema, with their places and the schema.

    A node without a schema takes any key.
    """
    target = node.get("_target_")
    # The signature of the class that is made in the end: `strategy._target_=…` leaves the schema of the option before.
    schema = (schema_of(target) if isinstance(target, str) else None) or OmegaConf.get_type(node)
    if is_dataclass(schema):
        known = {field.name for field in fields(schema)}
        yield from ((path, str(name), schema) for name in node if name not in known)
    for name in node:
        if OmegaConf.is_missing(node, name):
            child = None
        else:
            child = node[name]
        if isinstance(child, DictConfig):
            yield from _added(child, f"{path}{name!s}.")


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _option(text: str) -> str:
    """Guess the option that was meant, if Hydra's message lists some that are spelled alike."""
    unknown = re.search(r"Could not (?:find|load) '[^']*?([^'/]+)'", text)
    options = re.findall(r"^\t(\S+)$", text, re.MULTILINE)
    if unknown:
        close = difflib.get_close_matches(unknown[1], options, n=1, cutoff=0.5)
    else:
        close = []
    if close:
        return f"\ndid you mean {close[0]}?"
    return ""


def _keys(cause: Any) -> str:
    """List the keys of the node that has no such key, the closest first."""
    unknown = re.search(r"Key '([^']+)'", str(cause))
    if unknown is None or not is_dataclass(cause.object_type):
        return ""
    return _offer(unknown[1], cause.object_type)


def _offer(unknown: str, schema: Any) -> str:
    keys = [field.name for field in fields(schema) if not field.name.startswith("_")]
    close = difflib.get_close_matches(unknown, keys, n=1, cutoff=0.5)
    guess = f"\ndid you mean {close[0]}?" if close else ""
    return f"{guess}\nkeys here: {', '.join(keys)}"
