"""The layout of the package, by which a newcomer may guess where a thing is."""

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import metalsci

PACKAGE = Path(metalsci.__file__).parent
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if "_data" not in path.parts]
# One meaning each, whatever the room: what the room promises, what it raises, its base class, how it starts.
PROTOCOL_WORDS = {"protocol", "errors", "base", "__init__", "__main__"}
# The search's device and cpu_metal's: the second is what the first is built on, and stands alone.
PROTOCOL_CLASSES = {"Device"}


def named(names: Iterable[tuple[str, Path]]) -> dict[str, list[str]]:
    """Return the places of each name that stands in more than one."""
    places = defaultdict(list)
    for name, place in names:
        places[name].append(str(place.relative_to(PACKAGE)))
    return {name: where for name, where in places.items() if len(where) > 1}


def test_a_file_at_the_top_is_a_command() -> None:
    for path in PACKAGE.glob("*.py"):
        if path.name != "__init__.py":
            source = path.read_text(encoding="utf-8")
            assert 'if __name__ == "__main__":' in source, f"{path.name} is no command: it belongs in a room"


def test_a_room_says_what_its_story_is() -> None:
    for folder in {path.parent for path in MODULES} - {PACKAGE}:
        init = folder / "__init__.py"
        assert init.is_file(), f"{folder} is no package"
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), f"{init} has no docstring"


def test_no_module_name_stands_for_two_things() -> None:
    assert not named((path.stem, path) for path in MODULES if path.stem not in PROTOCOL_WORDS)


def test_no_two_test_files_have_one_name() -> None:
    """They are imported by name alone, and pytest would collect neither."""
    tests = Path(__file__).parent
    names = [path.name for path in tests.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_no_public_class_name_stands_for_two_things() -> None:
    classes = (
        (node.name, path)
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in PROTOCOL_CLASSES
    )
    assert not named(classes)


def test_few_lines_hold_a_conditional_expression() -> None:
    """Fewer than 15 in 1,000 lines, assignments within expressions included: the best code bases have 3 to 9."""
    sources = [path.read_text(encoding="utf-8") for path in MODULES]
    nodes = (node for source in sources for node in ast.walk(ast.parse(source)))
    count = sum(isinstance(node, ast.IfExp | ast.NamedExpr) for node in nodes)
    assert 1000 * count / sum(source.count("\n") for source in sources) < 15


# No verb begins with one of these, and ruff's D401 knows only verbs.
_WORDS = """
    A About After All Also Always Among An And Another Any As At Before Behind Below Between Both But By Each Either
    Every Few First For From Further He Here How If In Into It Its Last Less Like More Most Neither Never Next No None
    Not Nothing Of On One Only Or Other Out Over Own Same Several She Since So Some Such Than That The Their Then There
    These They This Those Three To Two Unless Until What Whatever When Where Whether Which While Who Whoever Why With
    Within Without Yes
"""
NO_VERBS = frozenset(_WORDS.split())
CLAUSES = ("What", "Whether", "Where", "Of", "Who", "How")


@dataclass(frozen=True)
class Docstring:
    """The first word of a docstring. is_function: of one that is neither a test nor a property, whose may be nouns."""

    place: str
    word: str
    is_function: bool
    is_class: bool

    def __str__(self) -> str:
        return f"{self.place} begins with {self.word}"


@functools.cache
def docstrings() -> list[Docstring]:
    """Read every docstring of the repository."""
    found = []
    for room in ("metalsci", "tasks", "tests", "benchmarks"):
        for path in sorted((PACKAGE.parent / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    found += first_word(node, str(path))
    return found


def first_word(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> list[Docstring]:
    """Return the node's docstring, if it has one."""
    text = ast.get_docstring(node)
    if not text:
        return []
    word = text.split()[0].rstrip(".,:;")
    if isinstance(node, ast.Module):
        return [Docstring(path, word, is_function=False, is_class=False)]
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    is_class = isinstance(node, ast.ClassDef)
    is_other = is_class or node.name.startswith("test_") or any("property" in name for name in decorators)
    return [Docstring(f"{path}: {node.name}", word, is_function=not is_other, is_class=is_class)]


def test_no_docstring_begins_with_a_clause() -> None:
    assert [str(docstring) for docstring in docstrings() if docstring.word in CLAUSES] == []


def test_no_docstring_of_a_value_begins_with_a_clause() -> None:
    """Strings below constants and fields are docstrings too."""
    found = []
    for room in ("metalsci", "tasks", "tests", "benchmarks", "examples"):
        for path in sorted((PACKAGE.parent / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    word = str(node.value.value).split(" ")[0].rstrip(",")
                    found += [f"{path}:{node.lineno}"] * (word in CLAUSES)
    assert found == []


def test_the_docstring_of_a_function_begins_with_an_imperative_verb() -> None:
    for docstring in docstrings():
        if docstring.is_function:
            word = docstring.word
            is_plural = word.endswith("s") and not word.endswith("ss")
            assert re.fullmatch("[A-Z][a-z]+", word) and word not in NO_VERBS and not is_plural, str(docstring)


def test_the_docstring_of_a_class_begins_with_no_verb() -> None:
    """Take the verbs from the functions: `Run …` and `Runs …` is what a function does, a class is a thing."""
    verbs = {docstring.word for docstring in docstrings() if docstring.is_function}
    forms = {verb + ending for verb in verbs for ending in ("", "s", "es")} | {verb[:-1] + "ies" for verb in verbs}
    assert [str(docstring) for docstring in docstrings() if docstring.is_class and docstring.word in forms] == []


def test_exit_codes_of_commands_have_names() -> None:
    for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("cli/*.py"), *PACKAGE.glob("*/__main__.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr="exit"), args=[ast.Constant(value=int(code)), *_]):
                    assert code == 0, f"{path}:{node.lineno}: exit({code}); metalsci/cli/exit_codes.py has the names"


def test_the_makefile_names_tests_that_exist() -> None:
    makefile = (PACKAGE.parent / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"\btests/[\w/]+(?:\.py)?", makefile)
    assert named
    for path in named:
        assert (PACKAGE.parent / path).exists(), f"Makefile: {path}"
