"""When two sources are the same program, and how much of their structure two programs share.

Comments, blanks, the names of variables and helper functions, and the order of a file's declarations make no program.
Kernels keep their names, which are the host's, and whatever this file cannot tell to be a name of the source's own
keeps its own too: a built-in function, an attribute, a member, a type, a macro.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import tree_sitter

from metalsci.msl.language.syntax import parse_metal, walk
from metalsci.msl.text.directives import keyword_of, operands_of
from metalsci.msl.text.lexer import SourceText, Token

_ROUNDS = 8  # of naming functions by their text: how deep calls of calls are told apart
_LONGEST = 1 << 18  # bytes; names of longer sources are kept
_SHINGLE = 5  # tokens
_DECLARING = (
    "declaration",
    "parameter_declaration",
    "optional_parameter_declaration",
    "function_definition",
    "for_range_loop",
)
_WITHOUT_A_FIELD = ("reference_declarator", "attributed_declarator", "parenthesized_declarator")
_BESIDE = ("attribute_declaration", "type_qualifier", "comment")
_END = Token("punct", -1, -1, b"")
_UNORDERED = (b"include", b"pragma", b"import")


def likeness(one: frozenset[int], other: frozenset[int]) -> float:
    """Return the share of runs that two programs have in common: 1 for the same structure."""
    if one or other:
        return len(one & other) / len(one | other)
    return 1.0


@dataclass(frozen=True)
class _Item:
    """A declaration at the top of a file, or a directive. locals: names that it declares inside itself."""

    tokens: Sequence[Token]
    name: bytes | None
    locals: frozenset[bytes]


class ProgramForm:
    """A source as its items, in order, to be compared with others. kernels: names that are kept."""

    def __init__(self, text: SourceText, kernels: Iterable[str]) -> None:
        tokens = text.tokens
        if len(text.data) > _LONGEST:
            names = []
        else:
            names = sorted(_declared(text.data), key=lambda name: name.at)
        kept = {kernel.encode() for kernel in kernels} | _unsure(tokens, names)
        self.items = list(_items(tokens, [name for name in names if name.text not in kept]))
        defined = Counter(item.name for item in self.items if item.name)
        directives = [keyword_of(item.tokens[0]) for item in self.items if item.tokens[0].kind == "directive"]
        # the order of overloads, and of what macros meet, may matter
        self.any_order = max(defined.values(), default=1) == 1 and all(d in _UNORDERED for d in directives)

    @cached_property
    def spelling(self) -> str:
        """A digest that two sources share if they are the same program but for names, comments and order."""
        digests = self._digests()
        if self.any_order:
            digests.sort()
        return hashlib.blake2b(b"".join(digests), digest_size=16).hexdigest()

    @cached_property
    def structure(self) -> frozenset[int]:
        """The short runs of tokens of a program, as numbers, with every name of its own alike."""
        named = {item.name: b"" for item in self.items if item.name}
        runs = set()
        for item in self.items:
            words = [b"?" if word.startswith(b"\0") else word for word in self._words(item, named) if word.strip()]
            for at in range(max(1, len(words) - _SHINGLE + 1)):
                digest = hashlib.blake2b(b" ".join(words[at : at + _SHINGLE]), digest_size=8)
                runs.add(int.from_bytes(digest.digest(), "big"))
        return frozenset(runs)

    def _digests(self) -> list[bytes]:
        """Return one of each item. Names of the file stand for the text of what they name."""
        named: dict[bytes, bytes] = {item.name: b"" for item in self.items if item.name}
        digests: list[bytes] = []
        for _ in range(min(_ROUNDS, len(named) + 1)):
            digests = [self._digest(item, named) for item in self.items]
            texts = defaultdict(list)
            for item, digest in zip(self.items, digests, strict=True):
                if item.name:
                    texts[item.name].append(digest)
            named = {name: b"".join(sorted(found)) for name, found in texts.items()}
        return digests

    def _digest(self, item: _Item, named: Mapping[bytes, bytes]) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        for word in self._words(item, named):
            digest.update(b"%d " % len(word) + word)
        return digest.digest()

    def _words(self, item: _Item, named: Mapping[bytes, bytes]) -> Iterator[bytes]:
        """Yield the item's tokens. Names of its own are numbers in the order of their first use, behind a zero byte.

        Punctuation that touches stays together: `a+ ++b` and `a++ +b` have the same bytes and differ.
        """
        own: dict[bytes, bytes] = {}
        attribute = False
        joined = b""  # the punctuation before a token, as it stands together
        end = -1
        for token in item.tokens:
            touches = token.kind == "punct" and token.start == end and joined != b""
            yield b"" if touches else b" "
            free = token.kind == "word" and not attribute and not joined.endswith((b".", b"->", b"::"))
            if free and token.text == item.name:
                yield b"\0itself"
            elif free and token.text in item.locals:
                yield own.setdefault(token.text, b"\0%d" % len(own))
            elif free and token.text in named:
                yield b"\0" + named[token.text]
            else:
                yield token.text.rstrip()
            if token.kind == "punct":
                joined = (joined if touches else b"") + token.text
            else:
                joined = b""
            attribute = joined.endswith(b"[[") or (attribute and not joined.endswith(b"]]"))
            end = token.end


@dataclass(frozen=True)
class _Name:
    """A name where it is declared. top: at the top of the file."""

    text: bytes
    at: int
    function: bool
    top: bool


def _declared(data: bytes) -> Iterator[_Name]:
    for node in walk(parse_metal(data).root_node):
        if node.type not in _DECLARING:
            continue
        parent = node.parent
        if parent is not None and parent.type == "template_declaration":
            parent = parent.parent
        top = parent is not None and parent.type == "translation_unit"
        for declarator in node.children_by_field_name("declarator"):
            leaf, function = _leaf(declarator)
            if leaf.type == "identifier":
                yield _Name(data[leaf.start_byte : leaf.end_byte], leaf.start_byte, function, top)


def _leaf(declarator: tree_sitter.Node) -> tuple[tree_sitter.Node, bool]:
    """Find the name in a declarator, and whether it is a function's."""
    function = False
    while True:
        function |= declarator.type == "function_declarator"
        inner = declarator.child_by_field_name("declarator")
        if inner is None and declarator.type in _WITHOUT_A_FIELD:
            inner = next((child for child in declarator.named_children if child.type not in _BESIDE), None)
        if inner is None:
            return declarator, function
        declarator = inner


def _unsure(tokens: Sequence[Token], names: Sequence[_Name]) -> set[bytes]:
    """Find names that may stand for something else: macros' words, and functions that the file does not define."""
    functions = {name.text for name in names if name.function}
    unsure = set()
    for token, after in pairwise([*tokens, _END]):
        if token.kind == "directive":
            unsure |= {inner.text for inner in operands_of(token) if inner.kind == "word"}
        elif token.kind == "word" and after.text == b"(" and token.text not in functions:
            unsure.add(token.text)
    return unsure


def _items(tokens: Sequence[Token], names: Sequence[_Name]) -> Iterator[_Item]:
    starts = [name.at for name in names]

    def item(part: Sequence[Token]) -> _Item:
        inside = names[bisect_left(starts, part[0].start) : bisect_right(starts, part[-1].end)]
        first = next((name.text for name in inside if name.top), None)
        return _Item(part, first, frozenset(name.text for name in inside if name.text != first))

    begin = depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "directive" and depth == 0:
            if index > begin:
                yield item(tokens[begin:index])
            yield item(tokens[index : index + 1])
            begin = index + 1
        elif token.kind == "punct":
            depth += (token.text in (b"{", b"(")) - (token.text in (b"}", b")"))
            ends = token.text in (b";", b"}")
            if depth <= 0 and ends and not _goes_on(token, tokens[index + 1 : index + 2]):
                yield item(tokens[begin : index + 1])
                begin, depth = index + 1, 0
    if begin < len(tokens):
        yield item(tokens[begin:])


def _goes_on(token: Token, following: Sequence[Token]) -> bool:
    """Return True if a declaration goes on behind a brace, as those of arrays and structs do."""
    return token.text == b"}" and any(after.text in (b";", b",") for after in following)
