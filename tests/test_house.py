"""The layout of the package: what a newcomer may rely on when guessing where a thing is."""

import ast
from collections import defaultdict
from pathlib import Path

import metalsci

PACKAGE = Path(metalsci.__file__).parent
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if "_data" not in path.parts]
# One meaning each, whatever the room: what the room promises, what it raises, its base class, how it starts.
PROTOCOL_WORDS = {"protocol", "errors", "base", "__init__", "__main__"}
# The search's device and cpu_metal's: the second is what the first is built on, and stands alone.
PROTOCOL_CLASSES = {"Device"}


def named(names):
    """The places of each name that stands in more than one."""
    places = defaultdict(list)
    for name, place in names:
        places[name].append(str(place.relative_to(PACKAGE)))
    return {name: where for name, where in places.items() if len(where) > 1}


def test_a_file_at_the_top_is_a_command():
    for path in PACKAGE.glob("*.py"):
        if path.name != "__init__.py":
            source = path.read_text(encoding="utf-8")
            assert 'if __name__ == "__main__":' in source, f"{path.name} is no command: it belongs in a room"


def test_a_room_says_what_its_story_is():
    for folder in {path.parent for path in MODULES} - {PACKAGE}:
        init = folder / "__init__.py"
        assert init.is_file(), f"{folder} is no package"
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), f"{init} has no docstring"


def test_no_module_name_stands_for_two_things():
    assert not named((path.stem, path) for path in MODULES if path.stem not in PROTOCOL_WORDS)


def test_no_two_test_files_have_one_name():
    """pytest imports them by name alone, and would collect neither."""
    tests = Path(__file__).parent
    names = [path.name for path in tests.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_no_public_class_name_stands_for_two_things():
    classes = (
        (node.name, path)
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in PROTOCOL_CLASSES
    )
    assert not named(classes)
