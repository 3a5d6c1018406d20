"""Config files that come with their schemas: the signature of a yaml's `_target_` types the node.

Hydra's own sources read yamls as plain dictionaries, and offer no step between reading and merging; so this project's
replace them in Hydra's registry of sources. Both Hydra 1.3 and 1.4 are tried by `make test-hydra`.
"""

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from metalsci.experiment.signature_schemas import schema_of


class TypedFiles(FileConfigSource):
    """Yamls of a folder: the project's conf/, --config-dir, file:// of a search path."""

    def load_config(self, config_path: str) -> ConfigResult:
        return _typed_result(super().load_config(config_path), config_path)


class TypedResources(ImportlibResourcesConfigSource):
    """Yamls of an installed package: pkg:// of a search path."""

    def load_config(self, config_path: str) -> ConfigResult:
        return _typed_result(super().load_config(config_path), config_path)


def register_sources() -> None:
    """Make Hydra read yamls with their schemas; call before composing."""
    Plugins.instance()  # registers Hydra's own, which are then replaced
    kinds = SourcesRegistry.instance().types
    kinds |= {"file": TypedFiles, "pkg": TypedResources}


def typed(config: DictConfig) -> DictConfig:
    """Merge every node that has a `_target_` into the schema of its signature.

    Raises OmegaConfBaseException for a key or a value that the signature does not take.
    """
    for name in config:
        child = config._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_interpolation():
            config[name] = typed(child)
        elif isinstance(child, ListConfig) and not child._is_none() and not child._is_interpolation():
            for index, item in enumerate(child):
                if isinstance(item, DictConfig):
                    child[index] = typed(item)
    target = config.get("_target_")
    if isinstance(target, str) and "." in target:
        schema = schema_of(target)
    else:
        schema = None
    if schema is None:
        return config
    return OmegaConf.merge(OmegaConf.structured(schema), config)  # type: ignore[return-value]  # two dictionaries


def _typed_result(result: ConfigResult, config_path: str) -> ConfigResult:
    if config_path.startswith("hydra/") or result.path.startswith("pkg://hydra"):
        return result  # Hydra's own settings have schemas already
    config = result.config
    if not isinstance(config, DictConfig):
        return result
    defaults = config.pop("defaults", None)
    try:
        config = typed(config)
    except OmegaConfBaseException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        told = f"{config_path}.yaml: {cause}"  # OmegaConf knows the key and not the file
        cause.args = (told,)
        if isinstance(cause, OmegaConfBaseException):
            cause.msg = told  # shown by a ConfigKeyError
        raise
    if defaults is not None:
        with open_dict(config):  # where Hydra looks for it next
            config["defaults"] = defaults
    result.config = config
    return result
