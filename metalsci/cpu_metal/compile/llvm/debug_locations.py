"""Places in the user's file that instructions come from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

_METADATA = re.compile(
    r"^!(\d+) = (?:distinct )?!(DILocation|DISubprogram|DIFile|DILexicalBlock|DILexicalBlockFile)\((.*)\)$",
    re.MULTILINE,
)
_FIELD = re.compile(r'(\w+): (?:!(\d+)|(\d+)|"([^"]*)")')
_DEBUG = re.compile(r"!dbg !(\d+)")


@dataclass(frozen=True)
class Place:
    """Line and column in the text that Clang compiled."""

    line: int
    column: int


class DebugInfo:
    """The places in `file`, the user's, that the instructions of a module come from."""

    def __init__(self, module: str, file: str) -> None:
        self._file = file
        self._texts = {int(number): (kind, fields) for number, kind, fields in _METADATA.findall(module)}
        self._node = cache(self._read)
        self._place = cache(self._innermost)

    def place(self, line: str) -> Place | None:
        """Return the innermost place in the user's file that an instruction belongs to, through functions around it."""
        debug = _DEBUG.search(line)
        if debug:
            return self._place(int(debug[1]))
        return None

    def is_within(self, line: str, function: str) -> bool:
        """Return True if an instruction belongs to `function`, or was inlined there. Files can be given any name."""
        debug = _DEBUG.search(line)
        node: int | None = int(debug[1]) if debug else None
        while node is not None and node in self._texts:
            _, fields = self._node(node)
            if self._function_of(int(fields.get("scope") or -1)) == function:
                return True
            if fields.get("inlinedAt"):
                node = int(fields["inlinedAt"])
            else:
                node = None
        return False

    def _function_of(self, scope: int) -> str:
        """Give the name of the function that a scope stands in."""
        while scope in self._texts:
            kind, fields = self._node(scope)
            if kind == "DISubprogram":
                return fields.get("name") or ""
            scope = int(fields.get("scope") or -1)
        return ""

    def is_of_headers(self, line: str) -> bool:
        """Return True if an instruction in a user's function belongs to a function that has been inlined there."""
        debug = _DEBUG.search(line)
        if debug:
            _, fields = self._node(int(debug[1]))
        else:
            _, fields = ("", {})
        return not self.is_users(int(fields.get("scope") or -1))

    def is_users(self, scope: int | None) -> bool:
        """Return True if a function, or a block of one, stands in the user's file."""
        if scope is None or scope not in self._texts:
            return False
        _, fields = self._node(scope)
        file = self._node(int(fields.get("file") or -1))[1].get("filename") or ""
        return file.removeprefix("./") == self._file

    def _read(self, number: int) -> tuple[str, Mapping[str, str]]:
        """Return kind and fields of a node; nothing of one that is not there."""
        kind, fields = self._texts.get(number, ("", ""))
        return kind, {field[1]: field[2] or field[3] or field[4] for field in _FIELD.finditer(fields)}

    def _innermost(self, number: int) -> Place | None:
        node: int | None = number
        while node is not None and node in self._texts:
            _, fields = self._node(node)
            if self.is_users(int(fields.get("scope") or -1)):
                return Place(int(fields.get("line") or 0), int(fields.get("column") or 0))
            inlined = fields.get("inlinedAt")
            node = int(inlined) if inlined else None
        return None
