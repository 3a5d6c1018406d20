"""A composition error in words a user can act on: what is wrong, and what there is to choose from."""

import difflib
import re
from typing import Any

from omegaconf.errors import OmegaConfBaseException

from metalsci.config import SCHEMAS


def explain(error: BaseException) -> str:
    """Hydra's or OmegaConf's message without the search path, and with the keys that exist beside an unknown one."""
    lines = [line.rstrip() for line in str(error).splitlines()]
    if "Config search path:" in lines:
        lines = lines[: lines.index("Config search path:")]
    cause = _root(error)
    text = "\n".join(line for line in lines if line.strip() and not line.startswith("To append to your config"))
    if cause is error or not isinstance(cause, OmegaConfBaseException):
        return text
    text = f"{text.splitlines()[0]}\n{str(cause).splitlines()[0]}"
    return text + _keys(cause)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _keys(cause: Any) -> str:
    """The keys of the node that has no such key, the closest first."""
    unknown = re.search(r"Key '([^']+)'", str(cause))
    if unknown is None or cause.object_type is None or cause.object_type not in SCHEMAS.values():
        return ""
    keys = [k for k in cause.object_type.__dataclass_fields__ if not k.startswith("_")]
    close = difflib.get_close_matches(unknown[1], keys, n=1, cutoff=0.5)
    guess = f"\ndid you mean {close[0]}?" if close else ""
    return f"{guess}\nkeys here: {', '.join(keys)}"
