"""Options from outside the repository: they get a schema, and are made only if the user has declared their package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from composing import Compose
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig

from metalsci.cli.arguments import UsageError
from metalsci.cli.config_errors import explain, refuse_unread
from metalsci.experiment.hydra_versions import base
from metalsci.experiment.instantiation import PACKAGES, ConfigError, make
from metalsci.experiment.schemas import register
from metalsci.files.locations import data

STRATEGY = '''"""Islands."""


class Islands:
    """Several searches that meet now and then.

    - islands: how many; at least one.
    """

    def __init__(self, islands: int = 4, share: float = 0.1) -> None:
        if islands < 1:
            raise ValueError(f"strategy.islands={islands}: give at least one")
        self.each = 1 / (islands - 9)
        self.islands = islands

    def ask(self, history): ...

    def tell(self, entry): ...
'''


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "archipelago"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "islands.py").write_text(STRATEGY)
    group = tmp_path / "conf" / "strategy"
    group.mkdir(parents=True)
    (group / "archipelago.yaml").write_text("_target_: archipelago.islands.Islands\nislands: 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(PACKAGES, "archipelago")
    return tmp_path


@pytest.fixture
def composed(home: Path) -> Compose:
    register()

    def composed(*overrides: str) -> DictConfig:
        with initialize_config_dir(str(data("conf")), **base()):
            searched = f"hydra.searchpath=[file://{home / 'conf'}]"
            return compose("config", overrides=[searched, "strategy=archipelago", *overrides])

    return composed


def test_it_has_the_defaults_of_its_class_and_can_be_overridden(composed: Compose) -> None:
    assert make(composed(), "strategy").islands == 3
    cfg = composed("strategy.share=0.5")
    assert (cfg.strategy.islands, cfg.strategy.share) == (3, 0.5)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("strategy.island=2", "did you mean islands?"),
        ("strategy.islands=two", "could not be converted to Integer"),
        ("strategy.share=[1]", "strategy.share"),
    ],
)
def test_a_misspelt_key_or_a_wrong_value_is_refused_before_anything_is_made(
    composed: Compose, override: str, told: str
) -> None:
    with pytest.raises(ConfigCompositionException) as refusal:
        composed(override)
    assert told in explain(refusal.value)


def test_a_yaml_with_a_misspelt_key_is_refused_by_name(composed: Compose, home: Path) -> None:
    (home / "conf" / "strategy" / "archipelago.yaml").write_text("_target_: archipelago.islands.Islands\nisland: 3\n")
    with pytest.raises(ConfigCompositionException) as refusal:
        composed()
    told = explain(refusal.value)
    assert "strategy/archipelago.yaml" in told
    assert "did you mean islands?" in told


def test_an_added_key_is_checked_against_the_class_that_is_made(composed: Compose) -> None:
    cfg = composed("strategy=one_plus_one", "strategy._target_=archipelago.islands.Islands", "+strategy.islnds=2")
    with pytest.raises(UsageError, match="did you mean islands"):
        refuse_unread(cfg)


def test_a_refusal_of_its_class_is_a_sentence(composed: Compose) -> None:
    with pytest.raises(ConfigError, match=r"^strategy: strategy.islands=0: give at least one$"):
        make(composed("strategy.islands=0"), "strategy")


def test_a_fault_of_its_class_says_where_it_is(composed: Compose) -> None:
    with pytest.raises(ConfigError, match=r"strategy: ZeroDivisionError: .*islands\.py:13"):
        make(composed("strategy.islands=9"), "strategy")


def test_a_package_that_nobody_declared_is_not_imported(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PACKAGES)
    sys.modules.pop("archipelago", None)
    with pytest.raises(ConfigError, match=r"strategy: _target_ archipelago\.islands\.Islands.*packages=archipelago"):
        make(composed(), "strategy")
    assert "archipelago" not in sys.modules


def test_a_part_of_an_option_is_no_way_around(composed: Compose) -> None:
    cfg = composed()
    cfg.strategy = {"_target_": "metalsci.search.budget.Budget", "iterations": {"_target_": "os.getpid"}}
    with pytest.raises(ConfigError, match=r"strategy.iterations: _target_ os.getpid is not metalsci's"):
        make(cfg, "strategy")


def test_the_command_line_takes_and_explains_it(home: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(home)}
    env.pop(PACKAGES)
    command = [sys.executable, "-m", "metalsci.run", "--config-dir", "conf", "strategy=archipelago"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], cwd=home, env=env, capture_output=True, text=True, timeout=600)

    shown = run("--help")
    assert shown.returncode == 0, shown.stderr
    assert "strategy: archipelago, " in shown.stdout
    assert "# how many; at least one" in shown.stdout
    refused = run("strategy.islands=0", "tracker=none")
    assert refused.returncode == 2
    assert "packages=archipelago" in refused.stderr
    refused = run("strategy.islands=0", "tracker=none", "packages=archipelago")
    assert refused.returncode == 2
    assert "give at least one" in refused.stderr
    assert "Traceback" not in refused.stderr
