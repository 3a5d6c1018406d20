"""Schemas made from the text of signatures say what Python's own signatures say."""

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object
from omegaconf import MISSING, OmegaConf

from metalsci.experiment.signature_schemas import documents, schema_of
from metalsci.files.locations import data


def _targets(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for child in node.values():
            yield from _targets(child)


TARGETS = sorted(
    {
        target
        for path in data("conf").rglob("*.yaml")
        if path.parent.name != "hydra"
        for target in _targets(OmegaConf.to_container(OmegaConf.load(path)))
    }
)
ONLY_IN_PYTHON = {"catalogue", "command"}  # objects and paths that no yaml can say


def _fields(target: str) -> dict[str, dataclasses.Field[Any]]:
    schema = schema_of(target)
    assert schema
    return {field.name: field for field in dataclasses.fields(schema)}


def _default(field: dataclasses.Field[Any]) -> Any:
    made = field.default
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
    return OmegaConf.to_container(OmegaConf.structured(made)) if dataclasses.is_dataclass(made) else made


def _wanted(target: str, name: str, default: object) -> Any:
    """Return the default as Python makes it: a dataclass's signature shows only that it has a factory."""
    made = get_object(target)
    if not dataclasses.is_dataclass(made):
        return default
    (field,) = (field for field in dataclasses.fields(made) if field.name == name)
    return default if field.default_factory is dataclasses.MISSING else field.default_factory()


@pytest.mark.parametrize("target", TARGETS)
def test_an_option_takes_what_its_class_takes_with_the_same_defaults(target: str) -> None:
    signature = inspect.signature(get_object(target)).parameters.items()
    # Python gives what inherits from a protocol, and has no __init__, one that takes anything.
    parameters = {name: parameter for name, parameter in signature if name not in ("args", "kwargs")}
    fields = _fields(target)
    settings = set(parameters) - (ONLY_IN_PYTHON - set(fields))
    assert set(fields) - {"_target_", "_convert_"} == settings
    for name in settings:
        default, want = _default(fields[name]), _wanted(target, name, parameters[name].default)
        if isinstance(default, dict) and "_target_" in default:
            continue  # a part, which has a schema of its own
        if want is inspect.Parameter.empty:
            assert default == MISSING
        elif isinstance(want, tuple):
            assert default == list(want)
        else:
            assert default == want
            assert isinstance(default, Enum) == isinstance(want, Enum)


@pytest.mark.parametrize("target", TARGETS)
def test_every_setting_is_explained(target: str) -> None:
    signature = documents(target)
    assert signature and signature.summary
    assert not [parameter.name for parameter in signature.parameters if not parameter.doc]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    home = tmp_path / "outsidepackage"
    home.mkdir()
    (home / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (home / "colours.py").write_text("from enum import Enum\nclass Colour(Enum):\n    red = 'red'\n    blue = 'blue'\n")
    (home / "parts.py").write_text(
        "from dataclasses import dataclass, field\n"
        "LIMIT = 7\n"
        "@dataclass(frozen=True)\n"
        "class Base:\n"
        "    '''A base.\n\n    - first: one.\n    '''\n"
        "    first: int\n"
        "@dataclass(frozen=True)\n"
        "class Part(Base):\n"
        "    '''A part of something. And more.\n\n    - second: two,\n      on two lines.\n\n"
        "    Not of second.\n    '''\n"
        "    second: 'list[str] | None' = None\n"
        "    third: float = field(default=0.5)\n"
        "    fourth: dict[str, int] = field(default_factory=dict)\n"
    )
    (home / "things.py").write_text(
        "from collections.abc import Callable, Mapping, Sequence\n"
        "from typing import Any, Literal, Optional\n"
        "from . import parts\n"
        "from .parts import LIMIT, Part\n"
        "class Thing:\n"
        "    def __init__(self, islands, part: Part, *, sizes: Sequence[int] = (1, 2), limit: int = LIMIT,\n"
        "                 kind: Literal['a', 'b'] = 'a', name: Optional[str] = None, low: float = -1.5,\n"
        "                 table: Mapping[str, float] | None = None, other: Part | None = None,\n"
        "                 call: Callable[[], None] = print) -> None: ...\n"
        "class Child(Thing): ...\n"
        "def anything(a: int, **more: Any) -> Thing: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "outsidepackage"


def test_a_signature_outside_is_read_and_nothing_of_it_runs(package: str) -> None:
    fields = _fields(f"{package}.things.Child")
    defaults = {name: _default(field) for name, field in fields.items() if not name.startswith("_")}
    part = defaults.pop("part")
    assert defaults == {
        "islands": MISSING,
        "sizes": [1, 2],
        "limit": 7,
        "kind": "a",
        "name": None,
        "low": -1.5,
        "table": None,
        "other": None,
    }
    assert {"first": MISSING, "second": None, "third": 0.5, "fourth": {}}.items() <= part.items()
    assert fields["sizes"].type == list[int]
    assert fields["kind"].type is str
    assert package not in sys.modules


def test_the_words_of_a_docstring_reach_the_settings(package: str) -> None:
    signature = documents(f"{package}.parts.Part")
    assert signature and signature.summary == "A part of something."
    assert {p.name: p.doc for p in signature.parameters if p.doc} == {"first": "one", "second": "two, on two lines"}


def test_what_takes_anything_or_has_no_source_has_no_schema(package: str) -> None:
    assert schema_of(f"{package}.things.anything") is None
    assert schema_of("nowhere.at.All") is None
    assert schema_of("numpy.array") is None
