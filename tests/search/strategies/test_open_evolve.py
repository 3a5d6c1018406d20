"""OpenEvolve's database as a strategy."""

import os
import subprocess
import sys
from typing import Any

import pytest

from metalsci.search.strategies.open_evolve import OpenEvolve

SEARCH = """
from metalsci.search.landscapes.ladder import Ladder
from metalsci.search.landscapes.landscape import Landscape
from metalsci.search.strategies.open_evolve import OpenEvolve
from metalsci.search.strategy_comparison import climb
print(climb(OpenEvolve(migration_interval=3, population=12, elites=5, seed=1), Landscape(Ladder(), 1), 60))
"""


def test_another_process_draws_the_same() -> None:
    """Its populations are sets of strings, which each process would walk through in another order."""
    pytest.importorskip("openevolve")
    told = [
        subprocess.run(
            [sys.executable, "-c", SEARCH],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].count(",") == 60


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openevolve", None)
    monkeypatch.setitem(sys.modules, "openevolve.database", None)
    with pytest.raises(ValueError, match=r"pip install 'metalsci\[openevolve\]'"):
        OpenEvolve()


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"islands": 0}, "islands=0"), ({"exploration": 0.8}, "exploration=0.8"), ({"inspirations": -1}, "inspirations")],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        OpenEvolve(**settings)
