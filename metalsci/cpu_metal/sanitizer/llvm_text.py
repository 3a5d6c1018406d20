"""Just enough of LLVM's text to find instructions, their operands and their places in the source."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

_OPEN, _CLOSE = "([{<", ")]}>"
_METADATA = re.compile(
    r"^!(\d+) = (?:distinct )?!(DILocation|DISubprogram|DIFile|DILexicalBlock|DILexicalBlockFile)\((.*)\)$",
    re.MULTILINE,
)
_FIELD = re.compile(r'(\w+): (?:!(\d+)|(\d+)|"([^"]*)")')
_DEBUG = re.compile(r"!dbg !(\d+)")
_DEFINITION = re.compile(r"^define .*@(\"[^\"]+\"|[\w.$]+)\(.*\{$")
_ELEMENT_BYTES = {
    "i1": 1,
    "i8": 1,
    "i16": 2,
    "half": 2,
    "bfloat": 2,
    "i32": 4,
    "float": 4,
    "i64": 8,
    "double": 8,
    "ptr": 8,
}
_VECTOR = re.compile(r"<(\d+) x ([\w.]+)>")


@dataclass(frozen=True)
class Place:
    """Line and column in the text that Clang compiled."""

    line: int
    column: int


@dataclass(frozen=True)
class Type:
    """A first-class type: `count` elements of type `element`; `count` is 0 for all but numbers and vectors of them."""

    text: str
    element: str
    count: int

    @property
    def element_bytes(self) -> int:
        return _ELEMENT_BYTES[self.element]

    @property
    def bytes(self) -> str:
        """The bytes it takes in memory, as an operand."""
        if self.count and self.element != "i1":
            return str(self.count * self.element_bytes)
        return f"ptrtoint (ptr getelementptr ({self.text}, ptr null, i32 1) to i32)"

    @property
    def is_float(self) -> bool:
        return self.element in ("float", "half", "bfloat")


def type_of(text: str) -> Type:
    if text in _ELEMENT_BYTES:
        return Type(text, text, 1)
    if (vector := _VECTOR.fullmatch(text)) and vector[2] in _ELEMENT_BYTES:
        return Type(text, vector[2], int(vector[1]))
    return Type(text, "", 0)


def typed(operand: str) -> tuple[str, str]:
    """`<4 x float> %x` as type and value; attributes between the two, `float noundef %x`, are left out."""
    operand = operand.strip()
    if operand[:1] in _OPEN:
        end = _closed(operand, 0)
        kind, rest = operand[:end], operand[end:]
    else:
        kind, _, rest = operand.partition(" ")
    rest = rest.strip()
    while match := re.match(r"(?:align \d+|[a-z_]+(?:\([^()]*\))?) (?=\S)", rest):
        if match[0].strip() in ("splat", "true", "false"):
            break
        rest = rest[match.end() :]
    return kind, rest


def operands(text: str) -> list[str]:
    """`text` cut at the commas that stand outside brackets and quotes."""
    parts, depth, start, quoted = [], 0, 0, False
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def arguments(call: str) -> list[str]:
    """The operands in a call's parentheses, the first ones after `@name`."""
    start = call.index("(", call.index("@"))
    inside = call[start + 1 : _closed(call, start) - 1]
    return operands(inside) if inside else []


def _closed(text: str, start: int) -> int:
    """The index after the bracket that closes the one at `start`."""
    depth = 0
    for index in range(start, len(text)):
        depth += (text[index] in _OPEN) - (text[index] in _CLOSE)
        if depth == 0:
            return index + 1
    return len(text)


@dataclass(frozen=True)
class Function:
    """A definition: indices of its first and last line in the module, braces included."""

    name: str
    first: int
    last: int
    subprogram: int | None


def functions(lines: Sequence[str]) -> Iterator[Function]:
    first, name = 0, ""
    for index, line in enumerate(lines):
        if line.startswith("define "):
            match = _DEFINITION.match(line)
            first, name = index, match[1] if match else ""
        elif line == "}":
            debug = _DEBUG.search(lines[first])
            yield Function(name, first, index, int(debug[1]) if debug else None)


class DebugInfo:
    """Where in `file`, the user's, the instructions of a module come from."""

    def __init__(self, module: str, file: str) -> None:
        self._file = file
        self._nodes = {
            int(number): (kind, {field[1]: field[2] or field[3] or field[4] for field in _FIELD.finditer(fields)})
            for number, kind, fields in _METADATA.findall(module)
        }
        self._place = cache(self._innermost)

    def place(self, line: str) -> Place | None:
        """The innermost place in the user's file that an instruction belongs to, functions around it included."""
        debug = _DEBUG.search(line)
        return self._place(int(debug[1])) if debug else None

    def is_of_headers(self, line: str) -> bool:
        """Whether an instruction in a user's function stands in a function that has been inlined there."""
        debug = _DEBUG.search(line)
        _, fields = self._nodes.get(int(debug[1]), ("", {})) if debug else ("", {})
        return not self.is_users(int(fields.get("scope") or -1))

    def is_users(self, scope: int | None) -> bool:
        """Whether a function, or a block of one, stands in the user's file."""
        if scope is None or scope not in self._nodes:
            return False
        _, fields = self._nodes[scope]
        file = self._nodes.get(int(fields.get("file") or -1), ("", {}))[1].get("filename") or ""
        return file.removeprefix("./") == self._file

    def _innermost(self, number: int) -> Place | None:
        node: int | None = number
        while node is not None and node in self._nodes:
            _, fields = self._nodes[node]
            if self.is_users(int(fields.get("scope") or -1)):
                return Place(int(fields.get("line") or 0), int(fields.get("column") or 0))
            inlined = fields.get("inlinedAt")
            node = int(inlined) if inlined else None
        return None
