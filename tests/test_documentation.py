"""The documents: no dead link, no path or module that is not there, and an index that names every page."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from metalsci.files.locations import data

ROOT = data("conf").parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
MODULE = re.compile(r"python -m (?P<module>metalsci(?:\.\w+)*)")
FILE = re.compile(r"`(?P<path>(?:metalsci|tasks|tests|conf|benchmarks|docs)/[\w/.]+\.\w+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_and_no_path_is_dead(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if "://" not in target and not target.startswith(("#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"
    for path in FILE.findall(text):
        if "NAME" not in path and page.parent.name != "extending":  # whose examples stand outside the repository
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_the_modules_that_the_architecture_names_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", text)
    assert len(named) > 10
    for path in named:
        assert any((ROOT / home / path).exists() for home in (".", "metalsci")), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_exists(page: Path) -> None:
    for module in set(MODULE.findall(page.read_text(encoding="utf-8"))) - {"metalsci.NAME"}:
        assert find_spec(module) is not None, f"{page.name}: python -m {module}"


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*/README.md")]:
        name = page.relative_to(ROOT / "docs").as_posix()
        assert name == "README.md" or f"({name})" in index, name


def test_the_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for init in (ROOT / "metalsci").glob("*/__init__.py"):
        assert f"`{init.parent.name}/`" in text, init.parent.name
