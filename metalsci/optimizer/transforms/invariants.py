"""Expressions that do not change within a loop, computed in front of it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.chains import Chain, Term, chain_at
from metalsci.optimizer.syntax.naming import NAMEABLE_TYPES, is_worth_a_name, named_after, quoted
from metalsci.optimizer.syntax.precedence import PRIMARY, put
from metalsci.optimizer.syntax.regions import LOOPS, Motion, Region
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import insert_before
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class LoopInvariants:
    """Expressions with the same value in every round, moved in front of the loop, parts of sums and products included.

    Regrouping a sum of floats may change its last bits, as Metal's fast math does anyway.
    """

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            change
            for function in source.functions
            for loop in function.body.find(*LOOPS)
            if loop.parent is not None and loop.parent.kind == "compound_statement"
            for change in _Loop(loop, loop.parent, source).changes(names)
        ]


@dataclass(frozen=True)
class _Invariant:
    """A whole expression or, if `parts` are given, those operands of a chain."""

    node: Node
    text: str
    chain: Chain | None = None
    parts: tuple[Term, ...] = ()

    @property
    def named(self) -> list[Node]:
        return [part.node for part in self.parts] or [self.node]

    def replaced_by(self, name: str) -> Edit[str]:
        if self.chain:
            return self.chain.with_name(name, self.parts)
        return put(self.node, name, PRIMARY)


class _Loop:
    def __init__(self, loop: Node, block: Node, source: Source) -> None:
        self._loop = loop
        self._region = Region(block, loop, loop)
        self._expressions = source.expressions
        self._motion = Motion(source.expressions)

    def changes(self, names: Names) -> Iterator[Change]:
        """Yield changes. Each invariant gets one name, however often it occurs."""
        groups = defaultdict[tuple[str, str], list[_Invariant]](list)
        for invariant in self._invariants(self._loop.part("body")):
            kind = self._expressions.type_of(invariant.node)
            if kind in NAMEABLE_TYPES:
                groups[kind, invariant.text].append(invariant)
        for (kind, text), uses in groups.items():
            name = named_after(uses[0].named, names)
            declaration = insert_before(self._loop, f"const {kind} {name} = {text};")
            edits = (use.replaced_by(name) for use in uses)
            yield Change(f"Moved {quoted(text)} out of the loop.", (declaration, *edits))

    def _invariants(self, node: Node) -> Iterator[_Invariant]:
        if is_worth_a_name(node) and not node.is_assigned and self._is_fixed(node):
            yield _Invariant(node, node.text)
        elif (part := self._part(node)) is not None:
            yield part
        else:
            for child in node.named:
                yield from self._invariants(child)

    def _part(self, node: Node) -> _Invariant | None:
        """Return the invariant operands of a chain, if computing them apart saves anything."""
        chain = chain_at(node)
        if chain is None:
            return None
        fixed = tuple(term for term in chain.terms if self._is_fixed(term.node))
        open_terms = [term for term in fixed if self._expressions.constant(term.node) is None]
        costly = chain.is_product or any(is_worth_a_name(term.node) for term in fixed)
        if len(fixed) < 2 or not open_terms or not costly:
            return None
        return _Invariant(node, chain.spell(fixed), chain, fixed)

    def _is_fixed(self, node: Node) -> bool:
        return self._motion.is_hoistable(node, [node], self._region)
