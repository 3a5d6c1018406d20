"""The branches of `#if` that the compiler will read, as far as the file itself decides it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import tree_sitter

from metalsci.msl.language.constants import evaluate
from metalsci.msl.language.syntax import parse_cpp
from metalsci.msl.text.directives import operands_of
from metalsci.msl.text.lexer import Token, tokenize
from metalsci.msl.text.macros import MacroError, Macros


class Conditionals:
    """The stack of `#if` branches around the text being read."""

    def __init__(self) -> None:
        self._branches: list[_Branch] = []

    @property
    def live(self) -> bool:
        """False if a condition is known to be false."""
        return not self._branches or self._branches[-1].live

    @property
    def undecided(self) -> bool:
        """True inside a branch that may or may not be read."""
        return self.live and bool(self._branches) and self._branches[-1].undecided

    def read(self, keyword: bytes, directive: Token, macros: Macros) -> None:
        if keyword in (b"if", b"ifdef", b"ifndef"):
            if self.live:
                state = _condition(keyword, directive, macros)
            else:
                state = False
            self._branches.append(_Branch(state, taken=state, inside=(self.live, self.undecided)))
        elif self._branches and keyword in (b"elif", b"else"):
            branch = self._branches[-1]
            if branch.taken is True:
                branch.state = False
            else:
                if keyword == b"else":
                    state = True
                else:
                    state = _condition(keyword, directive, macros)
                if branch.taken is False or state is False:
                    branch.state = state
                else:
                    branch.state = None
                if state is True:
                    branch.taken = True
                elif None in (state, branch.taken):
                    branch.taken = None
                else:
                    branch.taken = False
        elif self._branches and keyword == b"endif":
            self._branches.pop()


@dataclass
class _Branch:
    """True, False or None for unknown: the branch being read, and whether any branch so far was taken."""

    state: bool | None
    taken: bool | None
    inside: tuple[bool, bool]
    """The state of the text around it: live, and undecided."""

    @property
    def live(self) -> bool:
        return self.inside[0] and self.state is not False

    @property
    def undecided(self) -> bool:
        return self.inside[1] or self.state is None


def _condition(keyword: bytes, directive: Token, macros: Macros) -> bool | None:
    """Evaluate a condition; None if it rests on names that only the compiler knows."""
    operands = operands_of(directive)
    if keyword in (b"ifdef", b"ifndef"):
        if operands:
            defined = _is_defined(operands[0].text, macros)
        else:
            defined = None
        if keyword == b"ifdef" or defined is None:
            return defined
        return not defined
    try:
        expanded = b"".join(_condition_text(operands, macros))
    except MacroError:
        return None
    tree = parse_cpp(b"#if " + expanded + b"\n#endif\n")
    if tree.root_node.children:
        branch = tree.root_node.children[0]
    else:
        branch = None
    if branch is not None:
        node = branch.child_by_field_name("condition")
    else:
        node = None
    value = evaluate(node, _no_names)
    if value is None:
        return None
    return value != 0


def _condition_text(operands: Sequence[Token], macros: Macros) -> Iterable[bytes]:
    """Yield a condition with `defined` decided, macros expanded, and undefined names as 0."""
    tokens: list[Token] = []
    at = 0
    while at < len(operands):
        if operands[at].text == b"defined":
            parenthesized = at + 1 < len(operands) and operands[at + 1].text == b"("
            named = at + (2 if parenthesized else 1)
            if named < len(operands):
                defined = _is_defined(operands[named].text, macros)
            else:
                defined = None
            if defined is None:
                raise MacroError("unknown definition")
            tokens.append(Token("number", -1, -1, b"1" if defined else b"0"))
            at = named + (2 if parenthesized else 1)
        else:
            tokens.append(operands[at])
            at += 1
    for token in tokenize(macros.expand(tokens).text):
        if token.kind == "word" and not _is_reserved(token.text):
            yield b"0"
        else:
            yield token.text
        if token.kind != "punct":
            yield b" "


def _is_defined(name: bytes, macros: Macros) -> bool | None:
    if name in macros:
        return True
    if _is_reserved(name):
        return None
    return False


def _is_reserved(name: bytes) -> bool:
    """Recognise names that the compiler or its headers may define: `__METAL_VERSION__`, `TARGET_OS_OSX`."""
    return name.startswith((b"_", b"TARGET_OS_"))


def _no_names(_: tree_sitter.Node) -> int | None:
    return None
