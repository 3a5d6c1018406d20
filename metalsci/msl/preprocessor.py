"""Macros, as far as signatures need them: which are defined where, what they stand for, which branch is live.

Bodies are never expanded; they reach the compiler as the user wrote them.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import tree_sitter

from metalsci.msl.constants import evaluate
from metalsci.msl.lexer import Token, tokenize
from metalsci.msl.syntax import parse_cpp

_MAX_EXPANSION = 20_000
"""Tokens; no signature is as long, a macro bomb soon is."""

_OPENING = re.compile(rb"(?:\s|\\\r?\n|/\*(?:[^*]|\*(?!/))*\*/)*(?:#|%:|\?\?=)")
_SPLICE = re.compile(rb"\\\r?\n")


@dataclass(frozen=True)
class Macro:
    name: bytes
    parameters: tuple[bytes, ...] | None
    replacement: tuple[Token, ...]

    def words(self) -> frozenset[bytes]:
        return frozenset(token.text for token in self.replacement if token.kind == "word")


class MacroError(ValueError):
    """A macro use that this small preprocessor cannot expand."""


@dataclass(frozen=True)
class Expansion:
    """Expanded text and where each piece of it comes from. Text that a macro produced comes from the macro's use."""

    text: bytes
    starts: Sequence[int]
    origins: Sequence[tuple[int, bool]]

    def origin(self, offset: int) -> int:
        """The byte of the file that stands behind a byte of the expanded text."""
        piece = max(bisect_right(self.starts, offset) - 1, 0)
        if not self.origins:
            return 0
        start, verbatim = self.origins[piece]
        return start + offset - self.starts[piece] if verbatim else start


@dataclass
class Macros:
    """The macros in effect while a file is read from top to bottom."""

    _defined: dict[bytes, Macro] = field(default_factory=dict)

    def __contains__(self, name: bytes) -> bool:
        return name in self._defined

    def define(self, directive: Token) -> None:
        name, macro = _definition(directive)
        if macro is not None:
            self._defined[name] = macro

    def undefine(self, name: bytes) -> None:
        self._defined.pop(name, None)

    def reach(self, name: bytes) -> Iterator[Macro]:
        """The macro of that name and every macro its expansion may use."""
        seen: set[bytes] = set()
        queue = [name]
        while queue:
            macro = self._defined.get(word := queue.pop())
            if macro is None or word in seen:
                continue
            seen.add(word)
            queue.extend(macro.words())
            yield macro

    def braces(self, name: bytes) -> int:
        """How many more braces an expansion opens than it closes."""
        return sum(
            (token.text == b"{") - (token.text == b"}")
            for macro in self.reach(name)
            for token in macro.replacement
            if token.kind == "punct"
        )

    def invocation(self, tokens: Sequence[Token], at: int) -> int:
        """Index after the macro use that begins at `at`: behind its arguments if it takes any."""
        macro = self._defined[tokens[at].text]
        if macro.parameters is None or at + 1 >= len(tokens) or tokens[at + 1].text != b"(":
            return at + 1
        return _arguments(tokens, at + 1)[1]

    def expand(self, tokens: Sequence[Token]) -> Expansion:
        """Raises MacroError where a use is malformed or grows without bound."""
        budget = [_MAX_EXPANSION]
        text = bytearray()
        starts: list[int] = []
        origins: list[tuple[int, bool]] = []
        previous: Token | None = None
        for token, use in self._expand(tokens, frozenset(), budget, None):
            if previous is not None and (token.start != previous.end or token.start < 0):
                text += b" "
            starts.append(len(text))
            origins.append((token.start, True) if use is None else (use, False))
            text += token.text
            previous = token
        return Expansion(bytes(text), starts, origins)

    def _expand(
        self, tokens: Sequence[Token], hidden: frozenset[bytes], budget: list[int], use: int | None
    ) -> Iterator[tuple[Token, int | None]]:
        at = 0
        while at < len(tokens):
            token = tokens[at]
            macro = self._defined.get(token.text) if token.kind == "word" else None
            call = macro is not None and macro.parameters is not None
            if (
                macro is None
                or macro.name in hidden
                or (call and (at + 1 >= len(tokens) or tokens[at + 1].text != b"("))
            ):
                budget[0] -= 1
                if budget[0] < 0:
                    raise MacroError("macro expansion is too long")
                yield token, use
                at += 1
                continue
            where = token.start if use is None else use
            after = at + 1
            arguments: Mapping[bytes, Sequence[Token]] = {}
            if macro.parameters is not None:
                values, after = _arguments(tokens, at + 1)
                arguments = _bind(macro, values)
            replaced = _substitute(macro, arguments)
            yield from self._expand(replaced, hidden | {macro.name}, budget, where)
            at = after


class Conditionals:
    """The stack of `#if` branches around the text being read."""

    def __init__(self) -> None:
        self._branches: list[_Branch] = []

    @property
    def live(self) -> bool:
        """False where a condition is known to be false."""
        return all(branch.state is not False for branch in self._branches)

    @property
    def undecided(self) -> bool:
        """True inside a branch that may or may not be read."""
        return self.live and any(branch.state is None for branch in self._branches)

    def read(self, keyword: bytes, directive: Token, macros: Macros) -> None:
        if keyword in (b"if", b"ifdef", b"ifndef"):
            state = _condition(keyword, directive, macros) if self.live else False
            self._branches.append(_Branch(state, taken=state))
        elif self._branches and keyword in (b"elif", b"else"):
            branch = self._branches[-1]
            if branch.taken is True:
                branch.state = False
            else:
                state = True if keyword == b"else" else _condition(keyword, directive, macros)
                branch.state = state if branch.taken is False or state is False else None
                branch.taken = True if state is True else (None if None in (state, branch.taken) else False)
        elif self._branches and keyword == b"endif":
            self._branches.pop()


@dataclass
class _Branch:
    """True, False or None for unknown: the branch being read, and whether any branch so far was taken."""

    state: bool | None
    taken: bool | None


def keyword_of(directive: Token) -> bytes:
    """`define`, `if`, `include`, …; empty for a lone `#`."""
    tokens = _words(directive)
    return tokens[0].text if tokens else b""


def name_in(directive: Token) -> bytes:
    """The name after `#define`, `#undef`, `#ifdef`; empty if there is none."""
    tokens = operands_of(directive)
    return tokens[0].text if tokens and tokens[0].kind == "word" else b""


def operands_of(directive: Token) -> list[Token]:
    """Tokens after the directive's keyword, with their offsets in the file."""
    return _words(directive)[1:]


def _words(directive: Token) -> list[Token]:
    opening = _OPENING.match(directive.text)
    start = opening.end() if opening else 0
    line = _SPLICE.sub(lambda match: b" " * len(match[0]), directive.text[start:])
    offset = directive.start + start
    return [
        Token(token.kind, token.start + offset, token.end + offset, token.text)
        for token in tokenize(line)
        if token.kind != "comment"
    ]


def _definition(directive: Token) -> tuple[bytes, Macro | None]:
    tokens = operands_of(directive)
    if not tokens or tokens[0].kind != "word":
        return b"", None
    name, rest = tokens[0], tokens[1:]
    if not rest or rest[0].text != b"(" or rest[0].start != name.end:
        return name.text, Macro(name.text, None, tuple(rest))
    close = next((i for i, token in enumerate(rest) if token.text == b")"), len(rest))
    parameters = [token.text for token in rest[1:close] if token.kind == "word"]
    if any(token.text == b"." for token in rest[1:close]):
        parameters.append(b"__VA_ARGS__")
    return name.text, Macro(name.text, tuple(parameters), tuple(rest[close + 1 :]))


def _arguments(tokens: Sequence[Token], opening: int) -> tuple[list[list[Token]], int]:
    depth = 0
    values: list[list[Token]] = [[]]
    for at in range(opening, len(tokens)):
        token = tokens[at]
        depth += (token.text in b"([{") - (token.text in b")]}") if token.kind == "punct" else 0
        if depth == 0:
            return values, at + 1
        if depth == 1 and token.text == b",":
            values.append([])
        elif at > opening:
            values[-1].append(token)
    raise MacroError("unterminated macro call")


def _bind(macro: Macro, values: list[list[Token]]) -> dict[bytes, Sequence[Token]]:
    names = macro.parameters or ()
    if names and names[-1] == b"__VA_ARGS__":
        fixed = len(names) - 1
        joined: list[Token] = []
        for value in values[fixed:]:
            joined += [Token("punct", -1, -1, b",")] if joined else []
            joined += value
        values = [*values[:fixed], joined]
    if len(names) != len(values) and not (not names and values == [[]]):
        raise MacroError(f"macro '{macro.name.decode()}' takes {len(names)} arguments, got {len(values)}")
    return dict(zip(names, values, strict=False))


def _substitute(macro: Macro, arguments: Mapping[bytes, Sequence[Token]]) -> list[Token]:
    out: list[Token] = []
    tokens = macro.replacement
    at = 0
    while at < len(tokens):
        token = tokens[at]
        following = tokens[at + 1].text if at + 1 < len(tokens) else b""
        if token.text == b"#" and following == b"#":
            pasted = arguments.get(tokens[at + 2].text, [tokens[at + 2]]) if at + 2 < len(tokens) else []
            out = _paste(out, list(pasted))
            at += 3
        elif token.text == b"#" and following in arguments:
            text = b" ".join(value.text for value in arguments[following])
            out.append(Token("string", -1, -1, b'"' + text.replace(b'"', b'\\"') + b'"'))
            at += 2
        else:
            out.extend(arguments.get(token.text, [token]) if token.kind == "word" else [token])
            at += 1
    return out


def _paste(left: list[Token], right: list[Token]) -> list[Token]:
    if not left or not right:
        return left + right
    text = left[-1].text + right[0].text
    return [*left[:-1], *(Token(t.kind, -1, -1, t.text) for t in tokenize(text)), *right[1:]]


def _condition(keyword: bytes, directive: Token, macros: Macros) -> bool | None:
    """What a condition comes to; None if it rests on names that only the compiler knows."""
    operands = operands_of(directive)
    if keyword in (b"ifdef", b"ifndef"):
        defined = _is_defined(operands[0].text, macros) if operands else None
        return defined if keyword == b"ifdef" or defined is None else not defined
    try:
        expanded = b"".join(_condition_text(operands, macros))
    except MacroError:
        return None
    tree = parse_cpp(b"#if " + expanded + b"\n#endif\n")
    branch = tree.root_node.children[0] if tree.root_node.children else None
    node = branch.child_by_field_name("condition") if branch is not None else None
    value = evaluate(node, _no_names)
    return None if value is None else value != 0


def _condition_text(operands: Sequence[Token], macros: Macros) -> Iterable[bytes]:
    """A condition with `defined` decided, macros expanded, and names that nothing defines as 0."""
    tokens: list[Token] = []
    at = 0
    while at < len(operands):
        if operands[at].text == b"defined":
            parenthesized = at + 1 < len(operands) and operands[at + 1].text == b"("
            named = at + (2 if parenthesized else 1)
            defined = _is_defined(operands[named].text, macros) if named < len(operands) else None
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
    return True if name in macros else (None if _is_reserved(name) else False)


def _is_reserved(name: bytes) -> bool:
    """Names that the compiler or its headers may define: `__METAL_VERSION__`, `TARGET_OS_OSX`."""
    return name.startswith((b"_", b"TARGET_OS_"))


def _no_names(_: tree_sitter.Node) -> int | None:
    return None
