"""A config composed outside Hydra's own command line, from the same arguments: for --help and the doctor."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from metalsci.experiment.hydra_versions import base
from metalsci.files.locations import data

_FOLDER, _NAME = ("--config-dir", "-cd"), ("--config-name", "-cn")


@dataclass(frozen=True)
class ConfigChoice:
    """The config to compose: its name, the user's folders that are searched too, and overrides."""

    name: str
    folders: tuple[Path, ...]
    overrides: tuple[str, ...]

    @classmethod
    def of(cls, arguments: Sequence[str], name: str) -> "ConfigChoice":
        """Read Hydra's own flags from a command line; `name` is the config's if no flag gives another."""
        folders: list[Path] = []
        overrides: list[str] = []
        rest = iter(arguments)
        for argument in rest:
            flag, equals, value = argument.partition("=")
            if flag in _FOLDER:
                folders.append(Path(value if equals else next(rest, "")).absolute())
            elif flag in _NAME:
                name = value if equals else next(rest, "")
            elif "=" in argument and not argument.startswith("--"):
                overrides.append(argument)
        return cls(name.removesuffix(".yaml"), tuple(folders), tuple(overrides))

    def compose(self, *, with_hydra: bool = False) -> DictConfig:
        """Compose it. Raises Hydra's errors."""
        with self._initialized():
            return compose(self.name, overrides=list(self._all_overrides()), return_hydra_config=with_hydra)

    def group_options(self, group: str) -> list[str]:
        """List the options of a group, those of the user's folders included."""
        roots = [data("conf"), *self.folders, *self._searched()]
        return sorted({option.stem for root in roots for option in (root / group).glob("*.yaml")})

    @contextmanager
    def _initialized(self) -> Iterator[None]:
        with initialize_config_dir(str(data("conf")), **base()):
            yield

    def _all_overrides(self) -> Iterator[str]:
        searched = [f"file://{folder}" for folder in self.folders]
        for override in self.overrides:
            if override.startswith("hydra.searchpath="):
                searched += OmegaConf.create(override.partition("=")[2] or "[]")
            else:
                yield override
        if searched:
            yield _searchpath(searched)

    def _searched(self) -> Iterator[Path]:
        for override in self.overrides:
            name, _, value = override.partition("=")
            if name == "hydra.searchpath":
                yield from (Path(str(item).removeprefix("file://")) for item in OmegaConf.create(value))


def _searchpath(folders: Sequence[str]) -> str:
    quoted = ",".join("'" + str(folder).replace("'", r"\'") + "'" for folder in folders)
    return f"hydra.searchpath=[{quoted}]"
