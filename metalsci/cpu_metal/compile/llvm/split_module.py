"""A module of LLVM's text cut into its functions, and the part of it that one of them needs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

_DEFINED = re.compile(r"^define .*?(@(?:\"[^\"]+\"|[\w.$-]+))\(")
_GLOBAL = re.compile(r"^(@(?:\"[^\"]+\"|[\w.$-]+)) = ")
_MENTIONED = re.compile(r"@(?:\"[^\"]+\"|[\w.$-]+)")


@dataclass(frozen=True)
class SplitModule:
    """A module. functions: the text of each by its name, `@` included; rest: all other lines, in order."""

    functions: Mapping[str, str]
    rest: Sequence[str]

    @classmethod
    def parse(cls, module: str) -> Self:
        functions: dict[str, str] = {}
        rest: list[str] = []
        pending: list[str] = []
        for line in module.split("\n"):
            if pending:
                pending.append(line)
                if line == "}":
                    functions[_name(pending[0])] = "\n".join(pending)
                    pending = []
            elif line.startswith("define "):
                pending = [line]
            elif line and not line.startswith(";"):
                rest.append(line)
        return cls(functions, rest)

    @cached_property
    def _mentions(self) -> Mapping[str, frozenset[str]]:
        """Names by the function or variable that mentions them."""
        found = {name: frozenset(_MENTIONED.findall(text)) for name, text in self.functions.items()}
        return found | {name: frozenset(_MENTIONED.findall(line)) for name, line in self._variables.items()}

    @cached_property
    def _variables(self) -> Mapping[str, str]:
        found = ((_GLOBAL.match(line), line) for line in self.rest if line.startswith("@"))
        return {match[1]: line for match, line in found if match}

    def reached(self, name: str) -> frozenset[str]:
        """Return the names of what a function calls or uses, itself included, in any number of steps.

        What is only declared is among them.
        """
        seen: set[str] = set()
        pending = [name]
        while pending:
            current = pending.pop()
            if current not in seen:
                seen.add(current)
                pending += self._mentions.get(current, ())
        return frozenset(seen)

    def only(self, names: Sequence[str]) -> str:
        """Return the module without the functions that those of these names do not need."""
        # Variables stay: what would run when the object is loaded must be seen, and LLVM leaves out the others.
        kept = frozenset[str]().union(*(self.reached(each) for each in [*names, *self._variables]))
        return "\n".join([*self.rest, *(text for each, text in self.functions.items() if each in kept), ""])

    def renamed(self, name: str, new: str) -> Self:
        """Return the module with another name of a function that no other mentions."""
        own = self.functions[name].replace(f"{name}(", f"{new}(", 1)
        others = {each: text for each, text in self.functions.items() if each != name}
        return replace(self, functions={new: own, **others})

    def in_section(self, section: str, names: frozenset[str]) -> bool:
        """Return True if one of the names is of a variable in that section."""
        return any(f'section "{section}"' in self._variables.get(name, "") for name in names)


def _name(head: str) -> str:
    match = _DEFINED.match(head)
    if match:
        return match[1]
    return ""
