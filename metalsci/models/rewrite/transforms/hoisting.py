"""Values computed once: repeated subexpressions, and what does not change within a loop."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from metalsci.models.rewrite.change import Change
from metalsci.models.rewrite.syntax import builtins
from metalsci.models.rewrite.syntax.chains import Term, factors, is_whole, spell_sum, sum_terms
from metalsci.models.rewrite.syntax.edits import Edit, insert_before, replace
from metalsci.models.rewrite.syntax.expressions import Expressions, Key
from metalsci.models.rewrite.syntax.precedence import PRIMARY, PRODUCT, SUM, level_of, parenthesised, put
from metalsci.models.rewrite.syntax.regions import LOOPS, Motion, Region, enclosing_region
from metalsci.models.rewrite.syntax.scopes import Form, Function, Variable
from metalsci.models.rewrite.syntax.source import Names, Source
from metalsci.models.rewrite.syntax.tree import Node

_TYPES = ("int", "uint", "float", "float2", "float3", "float4")
_COSTLY = ("*", "/", "%")


def _is_worth_a_name(node: Node) -> bool:
    """A load, a call, a product, or at least three operators: an `i + 1` is cheaper to repeat."""
    if node.kind == "call_expression" and builtins.is_scalar_type(builtins.called_name(node)):
        return any(_is_worth_a_name(argument.bare) for argument in builtins.arguments(node))
    if node.kind in ("call_expression", "subscript_expression"):
        return True
    operators = [part.operator for part in node.find("binary_expression")]
    return node.kind == "conditional_expression" or any(o in _COSTLY for o in operators) or len(operators) > 2


def _is_written(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.kind == "assignment_expression" and node.field == "left"


def _candidates(function: Function, expressions: Expressions) -> Iterator[Node]:
    kinds = ("binary_expression", "conditional_expression", "call_expression", "subscript_expression")
    for node in function.body.find(*kinds):
        shareable = _is_worth_a_name(node) and not _is_written(node) and expressions.constant(node) is None
        if shareable and expressions.type_of(node) in _TYPES and expressions.is_pure(node):
            yield node


def _named_after(nodes: Sequence[Node], names: Names) -> str:
    """`nx_ny` for `nx * ny`, `uu_1_5` for `1.5f * uu`."""
    leaves = [leaf for node in nodes for leaf in node.walk() if not leaf.children]
    words = [leaf.text for leaf in leaves if leaf.kind == "identifier" and leaf.field != "function"]
    numbers = [leaf.text.rstrip("fu").removesuffix(".0") for leaf in leaves if leaf.kind == "number_literal"]
    parts = list(dict.fromkeys((*words, *(number.strip("-").replace(".", "_") for number in numbers))))
    name = "_".join(parts)
    return names.fresh(name if len(parts) > 1 and len(name) <= 24 and name.isidentifier() else "shared")


@dataclass(frozen=True)
class CommonSubexpressions:
    """An expression that is spelled twice, computed once; a `const` that holds it already is used."""

    def changes(self, source: Source) -> Sequence[Change]:
        names, motion = Names(source), Motion(source.expressions)
        changes = []
        for function in source.functions:
            groups = defaultdict[Key, list[Node]](list)
            for node in _candidates(function, source.expressions):
                groups[source.expressions.key(node)].append(node)
            repeated = [uses for uses in groups.values() if len(uses) > 1]
            shared = list[Node]()
            for uses in sorted(repeated, key=lambda uses: -len(uses[0].text)):
                region = enclosing_region(uses)
                inside = any(larger.contains(use) for larger in shared for use in uses)
                if not inside and region is not None and motion.is_hoistable(uses[0], uses, region):
                    changes.append(self._share(uses, region, source, names))
                    shared += uses
        return changes

    def _share(self, uses: list[Node], region: Region, source: Source, names: Names) -> Change:
        first = uses[0]
        holder = _holder(first, source, region)
        if holder is not None:
            edits = [replace(use, holder.name) for use in uses[1:]]
            return Change(f"Used `{holder.name}` again instead of computing it anew.", tuple(edits))
        name = _named_after([first], names)
        kind = source.expressions.type_of(first)
        declaration = insert_before(region.first, f"const {kind} {name} = {first.text};")
        sentence = f"Computed `{_shortened(first.text)}` once instead of {len(uses)} times."
        return Change(sentence, (declaration, *(replace(use, name) for use in uses)))


def _holder(first: Node, source: Source, region: Region) -> Variable | None:
    """The variable that the first use initialises, if it keeps that value and can be seen from the other uses."""
    for function in source.functions:
        for variable in function.variables:
            if variable.initial is first and variable.declaration is region.first:
                same_type = variable.type == source.expressions.type_of(first)
                return variable if variable.form is Form.VALUE and variable.is_fixed and same_type else None
    return None


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else f"{flat[:57]}..."


@dataclass(frozen=True)
class LoopInvariants:
    """What has the same value in every round moves in front of the loop, parts of sums and products included.

    Regrouping a sum of floats may change its last bits, as Metal's fast math does anyway.
    """

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            change
            for function in source.functions
            for loop in function.body.find(*LOOPS)
            if loop.parent is not None and loop.parent.kind == "compound_statement"
            for change in _LoopHoist(loop, source, names).changes()
        ]


class _LoopHoist:
    """The invariants of one loop, each named once however often it occurs."""

    def __init__(self, loop: Node, source: Source, names: Names) -> None:
        block = loop.parent or loop
        self._loop = loop
        self._region = Region(block, loop, loop)
        self._expressions = source.expressions
        self._motion = Motion(source.expressions)
        self._names = names

    def changes(self) -> Iterator[Change]:
        groups = defaultdict[Key, list[tuple[Node, list[Node] | list[Term]]]](list)
        spelled = dict[Key, tuple[str, str]]()
        for node, parts, text in self._invariants(self._loop.part("body")):
            kind = self._expressions.type_of(node)
            if kind in _TYPES:
                key = (text, *self._expressions.key(node)) if not parts else (text,)
                groups[key].append((node, parts))
                spelled.setdefault(key, (text, kind or ""))
        for key, uses in groups.items():
            yield self._hoist(uses, *spelled[key])

    def _invariants(self, node: Node) -> Iterator[tuple[Node, list[Node] | list[Term], str]]:
        """Whole invariant expressions with no parts, and chains with the parts that are invariant."""
        if self._is_invariant(node) and _is_worth_a_name(node) and not _is_written(node):
            yield node, [], node.text
            return
        if node.kind == "binary_expression" and node.operator in ("*", "+", "-"):
            parts, text = self._invariant_parts(node)
            if parts:
                yield node, parts, text
                return
        for child in node.named:
            yield from self._invariants(child)

    def _invariant_parts(self, node: Node) -> tuple[list[Node] | list[Term], str]:
        if node.operator == "*" and is_whole(node, ("*",)):
            fixed = [factor for factor in factors(node) if self._is_invariant(factor)]
            names = [factor for factor in fixed if self._expressions.constant(factor) is None]
            return (fixed, _spell_product(fixed)) if len(fixed) > 1 and names else ([], "")
        if node.operator in ("+", "-") and is_whole(node, ("+", "-")):
            terms = [term for term in sum_terms(node) if self._is_invariant(term.node)]
            worth = [term for term in terms if _is_worth_a_name(term.node)]
            return (terms, spell_sum(terms)) if len(terms) > 1 and worth else ([], "")
        return [], ""

    def _is_invariant(self, node: Node) -> bool:
        return self._motion.is_hoistable(node, [node], self._region)

    def _hoist(self, uses: list[tuple[Node, list[Node] | list[Term]]], text: str, kind: str) -> Change:
        node, parts = uses[0]
        named = [part.node if isinstance(part, Term) else part for part in parts] or [node]
        name = _named_after(named, self._names)
        edits = [insert_before(self._loop, f"const {kind} {name} = {text};")]
        for node, parts in uses:
            edits.append(_without(node, parts, name))
        return Change(f"Moved `{_shortened(text)}` out of the loop.", tuple(edits))


def _spell_product(operands: Sequence[Node]) -> str:
    first, *others = operands
    texts = [parenthesised(first.text, level_of(first), PRODUCT)]
    texts += [parenthesised(other.text, level_of(other), PRODUCT + 1) for other in others]
    return " * ".join(texts)


def _without(node: Node, parts: Sequence[Node] | Sequence[Term], name: str) -> Edit:
    """The chain with `name` in place of the parts, or all of the node if there are none."""
    if not parts:
        return put(node, name, PRIMARY)
    if node.operator == "*":
        rest = [factor for factor in factors(node) if factor not in parts]
        return put(node, f"{_spell_product(rest)} * {name}", PRODUCT)
    terms = [term for term in sum_terms(node) if term not in parts]
    return put(node, _sum_with(terms, name), SUM)


def _sum_with(terms: list[Term], name: str) -> str:
    text = spell_sum(terms)
    return f"{name} - {text[1:]}" if text.startswith("-") and len(terms) == 1 else f"{text} + {name}"


@dataclass(frozen=True)
class CommonParts:
    """Terms or factors that several longer sums or products share, computed once: `ny * nx` in `k * ny * nx`."""

    most: int = 8

    def changes(self, source: Source) -> Sequence[Change]:
        names, changes = Names(source), list[Change]()
        for function in source.functions:
            for symbols in (("*",), ("+", "-")):
                chains = list(_chains(function.body, symbols, source.expressions))
                changes += self._shared(chains, source, names)
        return changes

    def _shared(self, chains: "list[_Chain]", source: Source, names: Names) -> Iterator[Change]:
        together = Counter[frozenset[object]]()
        for one, other in combinations(chains, 2):
            common = frozenset(one.parts) & frozenset(other.parts)
            if one.type == other.type and len(common) > 1:
                together[common] += 1
        ranked = sorted(together, key=lambda common: (-together[common] * len(common), str(sorted(map(str, common)))))
        for common in ranked[: self.most]:
            users = [chain for chain in chains if common <= chain.parts.keys()]
            if (change := self._share(common, users, source, names)) is not None:
                yield change

    def _share(self, common: frozenset[object], users: "list[_Chain]", source: Source, names: Names) -> Change | None:
        first = users[0]
        parts = [part for key, part in first.parts.items() if key in common]
        if all(source.expressions.constant(part.node) for part in parts):
            return None
        region = enclosing_region([user.node for user in users])
        motion = Motion(source.expressions)
        if region is None or not all(motion.is_hoistable(p.node, [first.node], region) for p in parts):
            return None
        text = spell_sum(parts) if first.node.operator != "*" else _spell_product([part.node for part in parts])
        if not _is_worth_naming(parts, first.node):
            return None
        name = _named_after([part.node for part in parts], names)
        edits = [insert_before(region.first, f"const {first.type} {name} = {text};")]
        edits += (user.without(common, name) for user in users)
        return Change(f"Computed `{_shortened(text)}` once instead of {len(users)} times.", tuple(edits))


def _is_worth_naming(parts: Sequence[Term], chain: Node) -> bool:
    return chain.operator == "*" or any(_is_worth_a_name(part.node) for part in parts)


@dataclass(frozen=True)
class _Chain:
    node: Node
    type: str
    parts: dict[object, Term]

    def without(self, common: frozenset[object], name: str) -> Edit:
        rest = [part for key, part in self.parts.items() if key not in common]
        if not rest:
            return put(self.node, name, PRIMARY)
        if self.node.operator == "*":
            product = f"{_spell_product([part.node for part in rest])} * {name}"
            return put(self.node, product, PRODUCT)
        return put(self.node, _sum_with(rest, name), SUM)


def _chains(body: Node, symbols: tuple[str, ...], expressions: Expressions) -> Iterator[_Chain]:
    """Pure chains of at least two different operands."""
    for node in body.find("binary_expression"):
        if node.operator not in symbols or not is_whole(node, symbols) or not expressions.is_pure(node):
            continue
        parts = list(sum_terms(node)) if symbols != ("*",) else [Term("+", factor) for factor in factors(node)]
        keyed: dict[object, Term] = {(part.sign, expressions.key(part.node)): part for part in parts}
        kind = expressions.type_of(node)
        if len(keyed) == len(parts) and kind in ("int", "uint", "float"):
            yield _Chain(node, kind or "", keyed)
