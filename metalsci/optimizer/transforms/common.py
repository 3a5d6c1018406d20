"""Repeated expressions, computed once."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.chains import Chain, Term, chains
from metalsci.optimizer.syntax.expressions import Expressions, Key
from metalsci.optimizer.syntax.naming import NAMEABLE_TYPES, is_worth_a_name, named_after, quoted
from metalsci.optimizer.syntax.regions import Motion, Region, enclosing_region
from metalsci.optimizer.syntax.scopes import Form, FunctionScope, VariableScope
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import insert_before, replace
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class CommonSubexpressions:
    """An expression that is spelled twice, computed once; a `const` that holds it already is used."""

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            self._share(uses, region, function, source.expressions, names)
            for function in source.functions
            for uses, region in _repeated(function, source.expressions)
        ]

    def _share(
        self, uses: list[Node], region: Region, function: FunctionScope, expressions: Expressions, names: Names
    ) -> Change:
        first, kind = uses[0], expressions.type_of(uses[0])
        holder = _holder(first, region, function, kind)
        if holder is not None:
            edits = [replace(use, holder.name) for use in uses[1:]]
            return Change(f"Used `{holder.name}` instead of computing it again.", tuple(edits))
        name = named_after([first], names)
        declaration = insert_before(region.first, f"const {kind} {name} = {first.text};")
        sentence = f"Computed {quoted(first.text)} once instead of {len(uses)} times."
        return Change(sentence, (declaration, *(replace(use, name) for use in uses)))


def _repeated(function: FunctionScope, expressions: Expressions) -> Iterator[tuple[list[Node], Region]]:
    """Yield expressions of one value, with all their uses; the longest first, and none that lies within one before."""
    groups = defaultdict[Key, list[Node]](list)
    for node in function.body.find(
        "binary_expression", "conditional_expression", "call_expression", "subscript_expression"
    ):
        if _is_shareable(node, expressions):
            groups[expressions.key(node)].append(node)
    motion, shared = Motion(expressions), list[Node]()
    for uses in sorted(groups.values(), key=lambda uses: -len(uses[0].text)):
        if len(uses) > 1:
            region = enclosing_region(uses)
        else:
            region = None
        inside = any(larger.contains(use) for larger in shared for use in uses)
        if region is not None and not inside and motion.is_hoistable(uses[0], uses, region):
            yield uses, region
            shared += uses


def _is_shareable(node: Node, expressions: Expressions) -> bool:
    return (
        is_worth_a_name(node)
        and not node.is_assigned
        and expressions.constant(node) is None
        and expressions.type_of(node) in NAMEABLE_TYPES
        and expressions.is_pure(node)
    )


def _holder(first: Node, region: Region, function: FunctionScope, kind: str | None) -> VariableScope | None:
    """Return the variable that the first use initialises, if it keeps that value and the other uses can see it."""
    for variable in function.variables:
        if variable.initial is first and variable.declaration is region.first:
            keeps = variable.form is Form.VALUE and variable.is_fixed and variable.type == kind
            if keeps:
                return variable
            return None
    return None


@dataclass(frozen=True)
class CommonParts:
    """Terms or factors that several longer sums or products share, computed once: `ny * nx` in `k * ny * nx`.

    Regrouping a sum of floats may change its last bits, as Metal's fast math does anyway.
    """

    most: int = 8

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            change
            for function in source.functions
            for product in (True, False)
            for change in self._shared([c for c in _chains(function, source) if c.is_product is product], source, names)
        ]

    def _shared(self, chains: "list[_KeyedChain]", source: Source, names: Names) -> Iterator[Change]:
        together = Counter[frozenset[Key]]()
        for one, other in combinations(chains, 2):
            common = frozenset(one.terms) & frozenset(other.terms)
            if one.type == other.type and len(common) > 1:
                together[common] += 1
        # What saves most comes first; sets have no order of their own, so ties are broken by the text.
        ranked = sorted(together, key=lambda keys: (-together[keys] * len(keys), sorted(map(str, keys))))
        for common in ranked[: self.most]:
            users = [chain for chain in chains if common <= chain.terms.keys()]
            change = self._share(common, users, source.expressions, names)
            if change is not None:
                yield change

    def _share(
        self, common: frozenset[Key], users: "list[_KeyedChain]", expressions: Expressions, names: Names
    ) -> Change | None:
        first = users[0]
        parts = first.parts(common)
        region, motion = enclosing_region([user.chain.node for user in users]), Motion(expressions)
        if region is None or all(expressions.constant(part.node) for part in parts):
            return None
        if not all(motion.is_hoistable(part.node, [first.chain.node], region) for part in parts):
            return None
        if not first.is_product and not any(is_worth_a_name(part.node) for part in parts):
            return None
        name, text = named_after([part.node for part in parts], names), first.chain.spell(parts)
        declaration = insert_before(region.first, f"const {first.type} {name} = {text};")
        edits = (user.chain.with_name(name, user.parts(common)) for user in users)
        return Change(f"Computed {quoted(text)} once instead of {len(users)} times.", (declaration, *edits))


@dataclass(frozen=True)
class _KeyedChain:
    """A chain of operands with different keys."""

    chain: Chain
    type: str
    terms: dict[Key, Term]

    @property
    def is_product(self) -> bool:
        return self.chain.is_product

    def parts(self, keys: frozenset[Key]) -> list[Term]:
        return [term for key, term in self.terms.items() if key in keys]


def _chains(function: FunctionScope, source: Source) -> Iterator[_KeyedChain]:
    expressions = source.expressions
    for chain in chains(function.body):
        terms: dict[Key, Term] = {(term.sign, *expressions.key(term.node)): term for term in chain.terms}
        kind = expressions.type_of(chain.node)
        if kind in ("int", "uint", "float") and len(terms) == len(chain.terms) and expressions.is_pure(chain.node):
            yield _KeyedChain(chain, kind, terms)
