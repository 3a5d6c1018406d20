"""`--help`, without the second that Hydra takes to list every group it knows, its own included."""

from collections.abc import Sequence
from string import Template

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from metalsci.files.locations import data

_NOT_CHOSEN = {"hydra", "prices", "local"}  # settings of Hydra, of models, of a machine


def help_text(config_name: str, overrides: Sequence[str]) -> str:
    """The template of the config's `hydra.help`, with the options of each group and the config as composed.

    Raises what composing raises.
    """
    with initialize_config_dir(str(data("conf")), version_base="1.3"):
        cfg = compose(config_name, overrides=list(overrides), return_hydra_config=True)
    template = Template(cfg.hydra.help.template)
    with open_dict(cfg):
        del cfg["hydra"]
    groups = (p for p in sorted(data("conf").iterdir()) if p.is_dir() and p.name not in _NOT_CHOSEN)
    options = "\n".join(f"{g.name}: {', '.join(sorted(o.stem for o in g.glob('*.yaml')))}" for g in groups)
    return template.substitute(APP_CONFIG_GROUPS=options, CONFIG=OmegaConf.to_yaml(cfg))
