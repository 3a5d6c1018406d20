"""`--help`: the choices, and every setting with the text of its class.

Hydra's own takes a second to list every group that it knows, its own included.
"""

from collections.abc import Iterator, Sequence
from string import Template

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict

from metalsci.cli.composing import ConfigChoice
from metalsci.experiment.signature_schemas import documents
from metalsci.experiment.source_signatures import SourceSignature, read_signature
from metalsci.files.locations import data

_NOT_CHOSEN = {"hydra", "prices", "local"}  # settings of Hydra, of models, of a machine
_COLUMN = 34  # of the explanations
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # in C where PyYAML was built with it: a fifth of the time


def help_text(config_name: str, arguments: Sequence[str]) -> str:
    """Fill the template of the config's `hydra.help` with the options of each group and the config as composed.

    Raises the errors of composing.
    """
    choice = ConfigChoice.of(arguments, config_name)
    cfg = choice.compose(with_hydra=True)
    template = Template(cfg.hydra.help.template)
    with open_dict(cfg):
        del cfg["hydra"]
    groups = sorted(path.name for path in data("conf").iterdir() if path.is_dir() and path.name not in _NOT_CHOSEN)
    options = "\n".join(f"{group}: {', '.join(choice.group_options(group))}" for group in groups)
    return template.substitute(APP_CONFIG_GROUPS=options, CONFIG="\n".join(_explained(cfg, "")))


def _explained(node: DictConfig, indent: str) -> Iterator[str]:
    """Yield a config as YAML, each setting with its text from the docstring of its class."""
    signature = _signature(node)
    if signature:
        told = {parameter.name: parameter.doc for parameter in signature.parameters}
    else:
        told = {}
    values = OmegaConf.to_container(node, resolve=False, enum_to_str=True)
    assert isinstance(values, dict)
    for name in map(str, node):
        child = node._get_node(name)
        if name.startswith("_"):
            continue
        if isinstance(child, DictConfig) and not child._is_none() and _signature(child) is not None:
            yield _line(f"{indent}{name}:", told.get(name) or _summary(child))
            yield from _explained(child, f"{indent}  ")
        else:
            text = yaml.dump({name: values[name]}, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
            first, *rest = text.splitlines()
            yield _line(f"{indent}{first}", told.get(name, ""))
            yield from (f"{indent}{line}" for line in rest)


def _line(setting: str, told: str) -> str:
    if told:
        return f"{setting:<{_COLUMN}}  # {told}"
    return setting


def _signature(node: DictConfig) -> SourceSignature | None:
    """Return the signature of a node's class, or the schema that the node has."""
    target = node.get("_target_")
    if isinstance(target, str):
        return documents(target)
    schema = OmegaConf.get_type(node)
    if isinstance(schema, type) and schema.__module__.startswith("metalsci."):
        return read_signature(f"{schema.__module__}.{schema.__qualname__}")
    return None


def _summary(node: DictConfig) -> str:
    signature = _signature(node)
    if signature:
        return signature.summary.removesuffix(".")
    return ""
