"""A Metal source with all facts that rewrites ask for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from metalsci.msl.text import edits
from metalsci.msl.text.edits import Edit
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.scopes import FunctionScope, Scopes, resolve
from metalsci.optimizer.syntax.tree import Node, parse


@dataclass(frozen=True)
class Source:
    text: str

    @cached_property
    def root(self) -> Node:
        return parse(self.text)

    @cached_property
    def scopes(self) -> Scopes:
        return resolve(self.root)

    @cached_property
    def functions(self) -> Sequence[FunctionScope]:
        """Those a rewrite may touch."""
        return tuple(function for function in self.scopes.functions if not function.broken)

    @property
    def kernels(self) -> Iterator[FunctionScope]:
        return (function for function in self.functions if function.is_kernel)

    @cached_property
    def expressions(self) -> Expressions:
        return Expressions(self.scopes, self._macros)

    @cached_property
    def _macros(self) -> dict[str, str]:
        """Object-like macros: name to replacement text."""
        return {
            node.part("name").text: value.text.strip()
            for node in self.root.find("preproc_def")
            if (value := node.child("value")) is not None
        }

    @cached_property
    def macro_words(self) -> frozenset[str]:
        """Names that macro bodies mention: a rewrite that renames or removes them would break the macro unseen."""
        bodies = (
            value.text
            for node in self.root.find("preproc_def", "preproc_function_def")
            if (value := node.child("value")) is not None
        )
        return frozenset(word for body in bodies for word in _words(body))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every word of the file: a new name must be none of them."""
        return frozenset(_words(self.text))

    def apply(self, changes: Iterable[Edit[str]]) -> "Source":
        return Source(edits.apply(self.text, changes))


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "_" else " " for c in text).split()


class Names:
    """Source of names that are new to the file and to one another."""

    def __init__(self, source: Source) -> None:
        self._taken = set(source.names)

    def fresh(self, wish: str) -> str:
        name, number = wish, 2
        while name in self._taken or "__" in name:
            name, number = f"{wish.rstrip('_').replace('__', '_')}_{number}", number + 1
        self._taken.add(name)
        return name
