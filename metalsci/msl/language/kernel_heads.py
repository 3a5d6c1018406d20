"""A file's kernels: the text of each head, its syntax tree, and its body, where no macro writes whole kernels.

Heads are found by tokens, not by the tree of the whole file, so that nothing inside a body (a macro that hides a
brace, Metal that C++ does not know, an error) can hide a kernel. Each head is then parsed by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tree_sitter

from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.syntax import first, parse_metal, word_at
from metalsci.msl.text.conditionals import Conditionals
from metalsci.msl.text.directives import keyword_of, name_in
from metalsci.msl.text.lexer import SourceText, Token
from metalsci.msl.text.macros import Expansion, MacroError, Macros


@dataclass(frozen=True)
class Declaration:
    """A kernel's definition, or with `body` None an explicit instantiation or a prototype.

    `head` is the text before the body with macros expanded; `node` its tree (a function definition, perhaps inside
    a template declaration). `span` and `body` are byte ranges of the file.
    """

    source: SourceText
    head: Expansion
    node: tree_sitter.Node
    span: tuple[int, int]
    body: tuple[int, int] | None

    def text(self, node: tree_sitter.Node) -> str:
        return self.head.text[node.start_byte : node.end_byte].decode(errors="replace")

    def word(self, node: tree_sitter.Node) -> str:
        """Return the first word of a node; the way to read a qualifier, whose node may be shorter than Metal's word."""
        return word_at(self.head.text, node.start_byte)

    def position(self, node: tree_sitter.Node) -> tuple[int, int]:
        """Return line and column in the file; for text from a macro those of the macro's use."""
        return self.source.position(self.head.origin(node.start_byte))

    @property
    def function(self) -> tree_sitter.Node | None:
        return first(self.node, "function_definition", "template_instantiation")

    @property
    def declarator(self) -> tree_sitter.Node | None:
        """The function's name with its parameters."""
        if self.function is not None:
            return first(self.function, "function_declarator")
        return None


def find_kernels(source: SourceText) -> tuple[tuple[Declaration, ...], tuple[Diagnostic, ...]]:
    reader = _Reader(source)
    return tuple(reader.declarations()), tuple(reader.diagnostics)


class _Reader:
    """One pass over a file's tokens."""

    def __init__(self, source: SourceText) -> None:
        self._source = source
        self._tokens = source.tokens
        self._macros = Macros()
        self._conditionals = Conditionals()
        self.diagnostics: list[Diagnostic] = []

    def declarations(self) -> Iterator[Declaration]:
        head: list[Token] = []
        is_kernel = False
        depth = 0
        at = 0
        while at < len(self._tokens):
            token = self._tokens[at]
            after = at + 1
            boundary = False
            if token.kind == "directive":
                self._directive(token)
                if is_kernel and self._conditionals.undecided:
                    self._report(token.start, "condition inside a kernel's signature cannot be decided here")
                head = head if is_kernel else []
            elif not self._conditionals.live:
                pass
            elif token.kind == "word" and token.text in self._macros:
                after, writes_kernel, ends = self._macro_use(at)
                head += self._tokens[at:after]
                is_kernel |= writes_kernel
                boundary = ends
                if boundary and is_kernel:
                    yield from self._declare(head, None)
            elif token.text == b"{" and is_kernel:
                after = self._skip_body(at)
                yield from self._declare(head, (token.start, self._end_of(after)))
                boundary = True
            elif token.text in (b"{", b"}") or (token.text == b";" and depth <= 0):
                if is_kernel and token.text == b";":
                    yield from self._declare([*head, token], None)
                boundary = True
            else:
                depth += (token.text == b"(") - (token.text == b")")
                is_kernel |= token.text == b"kernel"
                head.append(token)
            if boundary:
                head, is_kernel, depth = [], False, 0
            at = after

    def _end_of(self, index: int) -> int:
        """Return the end of the token before `index`."""
        if index > 0:
            return self._tokens[index - 1].end
        return 0

    def _directive(self, token: Token) -> None:
        keyword = keyword_of(token)
        if self._conditionals.live:
            if keyword == b"define":
                self._macros.define(token)
            elif keyword == b"undef":
                self._macros.undefine(name_in(token))
        self._conditionals.read(keyword, token, self._macros)

    def _macro_use(self, at: int) -> tuple[int, bool, bool]:
        """Return the index after the use; True if it writes `kernel`; True if it ends a declaration."""
        name = self._tokens[at].text
        writes_kernel = self._macros.writes(name, b"kernel")
        if not writes_kernel and not self._macros.writes(name, b";", b"}"):
            return at + 1, False, False
        try:
            after = self._macros.invocation(self._tokens, at)
            if not writes_kernel and self._macros.last(name) in (b";", b"}"):
                return after, False, True
            expanded = self._macros.expand(self._tokens[at:after]).text
        except MacroError as error:
            if writes_kernel:
                self._report(self._tokens[at].start, str(error))
            return at + 1, False, True
        return after, writes_kernel, expanded.endswith((b";", b"}"))

    def _skip_body(self, opening: int) -> int:
        """Return the index after the brace that closes the one at `opening`, or after the last token."""
        depth = 0
        branches: list[_Branches] = []
        for at in range(opening, len(self._tokens)):
            token = self._tokens[at]
            if token.kind == "directive":
                depth = self._branch(token, depth, branches)
                continue
            if not self._conditionals.live:
                continue
            if token.kind == "punct":
                depth += (token.text == b"{") - (token.text == b"}")
            elif token.kind == "word" and token.text in self._macros:
                depth += self._macros.braces(token.text)
            if depth <= 0:
                return at + 1
        return len(self._tokens)

    def _branch(self, token: Token, depth: int, branches: list["_Branches"]) -> int:
        """Return the depth of braces after a directive.

        Branches of one condition start alike, and end alike if balanced.
        """
        keyword, was_live = keyword_of(token), self._conditionals.live
        self._directive(token)
        if keyword in (b"if", b"ifdef", b"ifndef"):
            branches.append(_Branches(depth, depth))
        elif keyword in (b"elif", b"else", b"endif") and branches:
            current = branches[-1]
            if was_live:
                current.after = depth
            else:
                current.after = current.after
            depth = current.before
            if keyword == b"endif":
                depth = branches.pop().after
        return depth

    def _declare(self, head: Sequence[Token], body: tuple[int, int] | None) -> Iterator[Declaration]:
        try:
            expanded = self._macros.expand(head)
        except MacroError as error:
            self._report(head[0].start, str(error))
            return
        node = _declaration_node(parse_metal(expanded.text + (b" {}" if body else b"")).root_node)
        if node is None:
            return
        end = body[1] if body else head[-1].end
        start = expanded.origin(node.start_byte)
        yield Declaration(self._source, expanded, node, (start, end), body)

    def _report(self, offset: int, message: str) -> None:
        self.diagnostics.append(Diagnostic(Severity.ERROR, *self._source.position(offset), message))


@dataclass
class _Branches:
    """Depth of braces before a condition, and after its last branch that may be read."""

    before: int
    after: int


def _declaration_node(root: tree_sitter.Node) -> tree_sitter.Node | None:
    wanted = ("function_definition", "template_declaration", "template_instantiation", "declaration")
    return next((child for child in reversed(root.children) if child.type in wanted), None)
