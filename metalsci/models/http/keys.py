"""API keys: from the environment, or from a .env file outside any repository; never on to a child process.

A key is taken out of `os.environ` before anything else starts, so that no process that metalsci starts (compilers,
device workers, W&B's service) inherits it. The keys are kept here for the later runs of a sweep.
"""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from platformdirs import user_config_path

from metalsci.models.errors import ModelError

# Names that end like this hold a key of some provider, even one that metalsci does not know.
_ENDINGS = ("_API_KEY", "_AUTH_TOKEN", "_ADMIN_KEY")
_NOT_OURS = frozenset({"WANDB_API_KEY"})  # W&B's service is a child process and needs it


def env_file() -> Path:
    """Return the file for keys: $METALSCI_ENV, or .env in metalsci's folder of the user's config."""
    return Path(os.environ.get("METALSCI_ENV") or user_config_path("metalsci") / ".env")


class KeyRing:
    """The keys of this process, by variable: those whose names look like one, and those that providers declare."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}
        self._declared: set[str] = set()

    def declare(self, variables: Sequence[str]) -> None:
        """Withhold these variables too, whatever their names."""
        self._declared.update(variables)
        self.withhold()

    def withhold(self) -> None:
        """Take every key out of the environment that child processes inherit."""
        for variable in list(os.environ):
            if self._holds_key(variable) and (value := os.environ.pop(variable)):
                self._taken[variable] = value.strip()

    def present(self) -> Sequence[str]:
        """Name the variables that hold a key, in the environment or in the .env file, sorted."""
        self.withhold()
        return sorted({*self._taken, *self._filed()})

    def _holds_key(self, variable: str) -> bool:
        return variable in self._declared or (variable.endswith(_ENDINGS) and variable not in _NOT_OURS)

    def find(self, variables: Sequence[str]) -> str | None:
        """Return the first of `variables` that is set: in the environment, else in the .env file."""
        self.withhold()
        filed = self._filed()
        for source in (self._taken, filed):
            for variable in variables:
                value = source.get(variable)
                if value:
                    return value
        return None

    def demand(self, variables: Sequence[str], model: str) -> str:
        """Find a key. Raises ModelError that says which variable to set."""
        key = self.find(variables)
        if key:
            return key
        raise ModelError(
            f"{model} needs an API key: set {' or '.join(variables)} in the environment, "
            f"or write {variables[0]}=… into {env_file()}"
        )

    def redact(self, text: str) -> str:
        """Remove all keys from a text, such as an error message of a server that repeats its request."""
        for key in {*self._taken.values(), *self._filed().values()}:
            text = text.replace(key, "[key]")
        return text

    def _filed(self) -> dict[str, str]:
        from dotenv import dotenv_values

        if env_file().is_file():
            values = dotenv_values(env_file(), interpolate=False)
        else:
            values = {}
        return {variable: value for variable, value in values.items() if value and self._holds_key(variable)}


@cache
def key_ring() -> KeyRing:
    """Return the one of this process: a key that was taken out of the environment is nowhere else."""
    return KeyRing()
