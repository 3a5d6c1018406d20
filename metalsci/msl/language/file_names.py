"""A file's own names: type aliases and integer constants."""

import re
from collections.abc import Mapping
from functools import cached_property

import tree_sitter

from metalsci.msl.language.constants import evaluate
from metalsci.msl.language.syntax import parse_cpp
from metalsci.msl.text.lexer import SourceText, Token

_MAX_DEPTH = 16
_NAME = re.compile(r"[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)*")


class FileNames:
    """Aliases (`using real = float;`, `typedef float4 vec;`) and constants (`constant uint N = 4 * 16;`) of a file."""

    def __init__(self, text: SourceText) -> None:
        self._text = text

    def resolve(self, spelled: str) -> str:
        """Replace aliases in a type and make its spaces regular; unknown names stay."""
        for _ in range(_MAX_DEPTH):
            replaced = _NAME.sub(lambda match: self._alias(match[0]), spelled)
            if replaced == spelled:
                break
            spelled = replaced
        return " ".join(spelled.split())

    def _alias(self, name: str) -> str:
        """Return the type of an alias, else the name itself. Namespaces are not told apart."""
        return self._aliases.get(name.split("::")[-1].strip(), name)

    def integer(self, name: tree_sitter.Node) -> int | None:
        """Return the value of a name in an expression, if the file defines it as an integer constant."""
        return self._constant((name.text or b"").decode(errors="replace"), _MAX_DEPTH)

    def _constant(self, name: str, depth: int) -> int | None:
        expression = self._expressions.get(name)
        if expression is None or depth == 0:
            return None
        tree = parse_cpp(f"int x = {expression};".encode())
        declarator = tree.root_node.children[0].child_by_field_name("declarator")
        if declarator is not None:
            value = declarator.child_by_field_name("value")
        else:
            value = None
        if value is None:
            return None
        return evaluate(value, lambda node: self._constant((node.text or b"").decode(errors="replace"), depth - 1))

    @cached_property
    def _statements(self) -> list[list[Token]]:
        """Runs of tokens at file and namespace scope, between `;`, braces and directives."""
        runs: list[list[Token]] = [[]]
        hidden = 0
        opened: list[bool] = []
        for token in self._text.tokens:
            if token.text == b"{":
                opened.append(not _opens_namespace(runs[-1]))
                hidden += opened[-1]
            elif token.text == b"}" and opened:
                hidden -= opened.pop()
            if token.kind == "directive" or token.text in (b";", b"{", b"}"):
                runs.append([])
            elif hidden == 0:
                runs[-1].append(token)
        return runs

    @cached_property
    def _aliases(self) -> Mapping[str, str]:
        aliases: dict[str, str] = {}
        for run in self._statements:
            words = [token.text.decode(errors="replace") for token in run]
            if len(words) > 3 and words[0] == "using" and words[2] == "=":
                aliases[words[1]] = _join(run[3:])
            elif len(words) > 2 and words[0] == "typedef" and words[-1].isidentifier():
                aliases[words[-1]] = _join(run[1:-1])
        return aliases

    @cached_property
    def _expressions(self) -> Mapping[str, str]:
        constants: dict[str, str] = {}
        for run in self._statements:
            words = [token.text.decode(errors="replace") for token in run]
            if "=" not in words or not {"constant", "constexpr", "const"} & set(words):
                continue
            at = words.index("=")
            if at > 0 and words[at - 1].isidentifier():
                constants[words[at - 1]] = _join(run[at + 1 :])
        return constants


def _opens_namespace(run: list[Token]) -> bool:
    return any(token.text in (b"namespace", b"extern") for token in run)


def _join(run: list[Token]) -> str:
    text = bytearray()
    for previous, token in zip([None, *run], run, strict=False):
        if previous is not None and previous.end != token.start:
            text += b" "
        text += token.text
    return text.decode(errors="replace")
