"""The few constructs of Metal that C++ for OpenCL has no spelling for, rewritten before Clang sees them.

Every rewrite is an edit of a few tokens; `Rewritten.original` maps a place in the new text back to the user's, so that
diagnostics speak of the file that the user wrote.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from metalsci.msl.lexer import SourceText, Token, tokenize

_SCALARS = b"char|uchar|short|ushort|int|uint|long|ulong|half|float|bfloat"
_VECTOR = re.compile(rb"(?:packed_)?(?:%b|bool)[234]|u?int(?:8|16|32|64)_t[234]" % _SCALARS)
_QUALIFIERS = frozenset(b"device constant threadgroup thread const volatile static constexpr".split())


@dataclass(frozen=True)
class Edit:
    """`text` in place of the bytes from `start` to `end`."""

    start: int
    end: int
    text: bytes


@dataclass(frozen=True)
class Rewritten:
    """A source after its edits, which are sorted and do not overlap."""

    source: SourceText
    edits: tuple[Edit, ...]

    @cached_property
    def text(self) -> bytes:
        parts, position = [], 0
        for edit in self.edits:
            parts += [self.source.data[position : edit.start], edit.text]
            position = edit.end
        return b"".join([*parts, self.source.data[position:]])

    @cached_property
    def _shifts(self) -> Sequence[tuple[int, int]]:
        """For each edit, where its replacement ends in the new text, and what to add from there on."""
        shifts, shift = [], 0
        for edit in self.edits:
            shift += edit.end - edit.start - len(edit.text)
            shifts.append((edit.end - shift, shift))
        return shifts

    def original(self, line: int, column: int) -> tuple[int, int]:
        """The user's line and column for a place in the rewritten text."""
        offset = SourceText(self.text).offset(line, column)
        index = bisect_right(self._shifts, (offset, len(self.text))) - 1
        mapped = offset + (self._shifts[index][1] if index >= 0 else 0)
        following = self.edits[index + 1] if index + 1 < len(self.edits) else None
        if following is not None and mapped > following.start:  # inside a replacement
            mapped = following.start
        return self.source.position(mapped)


def rewrite(source: str) -> Rewritten:
    """Constructors of vectors, variables in threadgroup memory, explicit instantiations of kernels."""
    text = SourceText(source.encode(errors="surrogatepass"))
    tokens = _code(text)
    edits = [*_constructors(tokens), *_threadgroup_variables(tokens), *_instantiations(text, tokens)]
    return Rewritten(text, _without_overlaps(edits))


def _code(text: SourceText) -> list[Token]:
    """Words, numbers, strings and punctuation, those inside macro definitions too."""
    tokens: list[Token] = []
    for token in text.tokens:
        if token.kind != "directive":
            tokens.append(token)
            continue
        # A `;` ends the directive for whoever looks at statements; it stands on no byte of the file.
        tokens.append(Token("end", token.start, token.start, b";"))
        if re.match(rb"\s*#\s*define\b", token.text):
            body = tokenize(b" " * token.start + token.text.replace(b"#", b" ", 1))
            tokens += [part for part in body if part.kind not in ("comment", "directive")]
        tokens.append(Token("end", token.end, token.end, b";"))
    return tokens


def _without_overlaps(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return tuple(kept)


# Constructors: `float4(a, b, c, d)` becomes `metal::_make<float4>(a, b, c, d)`.


def _constructors(tokens: Sequence[Token]) -> Iterator[Edit]:
    names = _type_names(tokens)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        end = index + 1
        if token.kind == "word" and token.text == b"vec":
            end = _after_angles(tokens, index + 1)
        elif token.kind != "word" or not (_VECTOR.fullmatch(token.text) or token.text in names):
            index += 1
            continue
        if _is_constructor(tokens, index, end):
            first = _start_of_name(tokens, index)
            yield Edit(tokens[first].start, tokens[first].start, b"metal::_make<")
            yield Edit(tokens[end - 1].end, tokens[end - 1].end, b">")
        index = end


def _type_names(tokens: Sequence[Token]) -> frozenset[bytes]:
    """Names that stand for a type: of templates' parameters, aliases, typedefs and macros."""
    names = set()
    for index, token in enumerate(tokens[:-2]):
        following = tokens[index + 1]
        if following.kind != "word":
            continue
        parameter = token.text in (b"typename", b"class") and tokens[index - 1].text in (b"<", b",")
        alias = token.text == b"using" and tokens[index + 2].text == b"="
        if parameter or alias:
            names.add(following.text)
        elif token.text == b"typedef":
            last = next((i for i in range(index, len(tokens)) if tokens[i].text == b";"), None)
            if last is not None and tokens[last - 1].kind == "word":
                names.add(tokens[last - 1].text)
        elif token.text == b"define":
            body = tokens[index + 2]
            if _VECTOR.fullmatch(body.text) and tokens[index + 3].kind == "end":
                names.add(following.text)
    return frozenset(names)


def _after_angles(tokens: Sequence[Token], index: int) -> int:
    """The index after the `<…>` that starts at `index`; `index` itself when there is none."""
    depth = 0
    for position in range(index, min(index + 64, len(tokens))):
        text = tokens[position].text
        depth += (text == b"<") - (text == b">")
        if depth == 0:
            return position + 1 if position > index else index
        if text in (b";", b"{"):
            break
    return index


def _start_of_name(tokens: Sequence[Token], index: int) -> int:
    """Where a qualified name, `metal::float4`, starts."""
    while index >= 3 and tokens[index - 1].text == tokens[index - 2].text == b":" and tokens[index - 3].kind == "word":
        index -= 3
    return index


def _is_constructor(tokens: Sequence[Token], index: int, end: int) -> bool:
    if end >= len(tokens) or tokens[end].text != b"(":
        return False
    before = tokens[_start_of_name(tokens, index) - 1].text if index else b";"
    if before in _QUALIFIERS or before in (b"operator", b"using", b"typename", b"class", b"struct", b"define"):
        return False
    inside = [token.text for token in tokens[end + 1 : end + 5]]
    if inside[:1] == [b"&"]:  # `float4 (&tile)[16]`: nothing is constructed from an address
        return False
    # `float4 (*row)[16];` declares where a statement may start; elsewhere `float4(*pointer)` constructs.
    pointer = inside[:1] == [b"*"] and inside[2:4] in ([b")", b"["], [b")", b"("])
    return not (pointer and before in (b";", b"{", b"}"))


# Threadgroup variables: `threadgroup float a[16], b;` becomes `typedef float _metal_a[16], _metal_b;` and, for each, a
# reference into the worker's threadgroup memory, at an offset that the linker chooses: see include/metal_threadgroup.


def _threadgroup_variables(tokens: Sequence[Token]) -> Iterator[Edit]:
    start, depth = 0, 0
    for index, token in enumerate(tokens):
        depth += (token.text == b"{") - (token.text == b"}")
        if token.text not in (b";", b"{", b"}", b":"):
            continue
        if token.text == b";" and depth:
            yield from _threadgroup_statement(tokens[start:index])
        start = index + 1


def _threadgroup_statement(statement: Sequence[Token]) -> Iterator[Edit]:
    words = [token.text for token in statement]
    # Pointers and references to threadgroup memory are C++ as they stand; an initialiser is for Clang to refuse.
    if b"threadgroup" not in words or any(text in words for text in (b"*", b"&", b"=", b"using", b"typedef", b"(")):
        return
    names = list(_declared(statement))
    if not names or names[0] < 2:
        return
    for token in statement[: names[0]]:
        if token.text in (b"threadgroup", b"static"):
            yield Edit(token.start, token.end, b"typedef" if token.text == b"threadgroup" else b"")
    for name in names:
        yield Edit(statement[name].start, statement[name].start, b"_metal_")
    variables = b"".join(b"; METAL_THREADGROUP(%b)" % statement[name].text for name in names)
    yield Edit(statement[-1].end, statement[-1].end, variables)


def _declared(statement: Sequence[Token]) -> Iterator[int]:
    """Index of each name that `type a[2][3], b` declares: the last word before its dimensions, `,` or the end."""
    angles = brackets = 0
    name: int | None = None
    for index, token in enumerate(statement):
        if brackets == 0:
            angles += (token.text == b"<") - (token.text == b">")
        brackets += (token.text == b"[") - (token.text == b"]")
        if angles or brackets:
            continue
        if token.text == b"," and name is not None:
            yield name
            name = None
        elif token.kind == "word":
            name = index
    if name is not None:
        yield name


# Explicit instantiations: `template [[host_name("f")]] [[kernel]] …;` go. The wrapper makes the instance that it calls.


def _instantiations(text: SourceText, tokens: Sequence[Token]) -> Iterator[Edit]:
    for index, token in enumerate(tokens[:-1]):
        if token.text != b"template" or tokens[index + 1].text == b"<":
            continue
        end = next((t for t in tokens[index:] if t.text in (b";", b"{")), None)
        if end is not None and end.text == b";":
            yield Edit(token.start, end.start, b"\n" * text.data.count(b"\n", token.start, end.start))
