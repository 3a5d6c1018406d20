"""Macros, as far as kernels' signatures need them: where they are defined, and their replacements."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from metalsci.msl.text.directives import operands_of
from metalsci.msl.text.lexer import Token, tokenize

_MAX_TOKENS = 20_000
_MAX_DEPTH = 64
"""No signature is as long or as deep; a macro bomb soon is."""


@dataclass(frozen=True)
class Macro:
    name: bytes
    parameters: tuple[bytes, ...] | None
    replacement: tuple[Token, ...]


class MacroError(ValueError):
    """A macro use that cannot be expanded."""


@dataclass(frozen=True)
class Expansion:
    """Expanded text and the origin of each piece. Text that a macro produced comes from the macro's use."""

    text: bytes
    starts: Sequence[int]
    origins: Sequence[tuple[int, bool]]

    def origin(self, offset: int) -> int:
        """Return the byte of the file that stands behind a byte of the expanded text."""
        piece = max(bisect_right(self.starts, offset) - 1, 0)
        if not self.origins:
            return 0
        start, verbatim = self.origins[piece]
        if verbatim:
            return start + offset - self.starts[piece]
        return start


@dataclass
class Macros:
    """The macros in effect while a file is read from top to bottom."""

    _defined: dict[bytes, Macro] = field(default_factory=dict)
    _braces: dict[bytes, int] = field(default_factory=dict)

    def __contains__(self, name: bytes) -> bool:
        return name in self._defined

    def define(self, directive: Token) -> None:
        name, macro = _definition(directive)
        if macro is not None:
            self._defined[name] = macro
            self._braces.clear()

    def undefine(self, name: bytes) -> None:
        self._defined.pop(name, None)
        self._braces.clear()

    def writes(self, name: bytes, *texts: bytes) -> bool:
        """Return True if one of the tokens may appear in an expansion."""
        return any(token.text in texts for macro in self._reach(name) for token in macro.replacement)

    def last(self, name: bytes) -> bytes:
        """Return the end of a macro's replacement."""
        replacement = self._defined[name].replacement
        if replacement:
            return replacement[-1].text
        return b""

    def braces(self, name: bytes) -> int:
        """Count how many more braces an expansion opens than it closes."""
        if name not in self._braces:
            tokens = [token for macro in self._reach(name) for token in macro.replacement]
            self._braces[name] = sum((t.text == b"{") - (t.text == b"}") for t in tokens)
        return self._braces[name]

    def _reach(self, name: bytes) -> Iterator[Macro]:
        """Yield the macro of that name and every macro its expansion may use."""
        seen: set[bytes] = set()
        queue = [name]
        while queue:
            macro = self._defined.get(word := queue.pop())
            if macro is None or word in seen:
                continue
            seen.add(word)
            queue.extend(token.text for token in macro.replacement if token.kind == "word")
            yield macro

    def invocation(self, tokens: Sequence[Token], at: int) -> int:
        """Return the index after the macro use that begins at `at`: behind its arguments if it takes any."""
        macro = self._defined[tokens[at].text]
        if macro.parameters is None or at + 1 >= len(tokens) or tokens[at + 1].text != b"(":
            return at + 1
        return _arguments(tokens, at + 1)[1]

    def expand(self, tokens: Sequence[Token], most: int = _MAX_TOKENS) -> Expansion:
        """Expand macros. Raises MacroError if a use is malformed or takes more than so many tokens."""
        text = bytearray()
        starts: list[int] = []
        origins: list[tuple[int, bool]] = []
        previous: Token | None = None
        for token, use in _Expander(self._defined, most).run(tokens):
            if previous is not None and (token.start != previous.end or token.start < 0):
                text += b" "
            starts.append(len(text))
            origins.append((token.start, True) if use is None else (use, False))
            text += token.text
            previous = token
        return Expansion(bytes(text), starts, origins)


class _Expander:
    """One expansion: tokens, each with the place of the macro use it comes from, None if from none."""

    def __init__(self, defined: Mapping[bytes, Macro], most: int) -> None:
        self._defined = defined
        self._budget = most

    def run(
        self, tokens: Sequence[Token], hidden: frozenset[bytes] = frozenset(), use: int | None = None
    ) -> Iterator[tuple[Token, int | None]]:
        self._spend(len(tokens), len(hidden))
        at = 0
        while at < len(tokens):
            token = tokens[at]
            macro = self._macro(tokens, at, hidden)
            at += 1
            if macro is None:
                yield token, use
                continue
            arguments: Mapping[bytes, Sequence[Token]] = {}
            if macro.parameters is not None:
                values, at = _arguments(tokens, at)
                arguments = _bind(macro, values)
            where = token.start if use is None else use
            yield from self.run(_substitute(macro, arguments), hidden | {macro.name}, where)

    def _macro(self, tokens: Sequence[Token], at: int, hidden: frozenset[bytes]) -> Macro | None:
        if tokens[at].kind == "word":
            macro = self._defined.get(tokens[at].text)
        else:
            macro = None
        if macro is None or macro.name in hidden:
            return None
        called = at + 1 < len(tokens) and tokens[at + 1].text == b"("
        if called or macro.parameters is None:
            return macro
        return None

    def _spend(self, tokens: int, depth: int) -> None:
        self._budget -= tokens + 1
        if self._budget < 0 or depth > _MAX_DEPTH:
            raise MacroError("macro expansion is too long")


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
        if at + 1 < len(tokens):
            following = tokens[at + 1].text
        else:
            following = b""
        if token.text == b"#" and following == b"#":
            if at + 2 < len(tokens):
                pasted = arguments.get(tokens[at + 2].text, [tokens[at + 2]])
            else:
                pasted = []
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
