"""The interior, where no neighbour wraps around, apart from the edge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit, apply
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.chains import spell_sum
from metalsci.optimizer.syntax.expressions import Expressions, Key
from metalsci.optimizer.syntax.periodic import WrappedIndex, wrapped_indices
from metalsci.optimizer.syntax.precedence import SUM, fitted, level_of, parenthesised
from metalsci.optimizer.syntax.regions import Motion, Region, enclosing_region, outer_region, statements
from metalsci.optimizer.syntax.scopes import FunctionScope
from metalsci.optimizer.syntax.source import Source
from metalsci.optimizer.syntax.statement_edits import indent_of, reindent, replace
from metalsci.optimizer.syntax.tree import Node, Shape

_STEP = "    "


@dataclass(frozen=True)
class SplitInterior:
    """Statements with wrap-around twice: without remainders for cells whose neighbours all lie inside, and as they are.

    Assumes offsets of at most one if the code does not say.
    """

    most_characters: int = 4_000

    def changes(self, source: Source) -> Sequence[Change]:
        return [change for kernel in source.kernels if (change := self._split(kernel, source)) is not None]

    def _split(self, kernel: FunctionScope, source: Source) -> Change | None:
        wrapped = [w for w in wrapped_indices(kernel.body, source.expressions) if w.is_remainder]
        if wrapped:
            region = enclosing_region([index.node for index in wrapped])
        else:
            region = None
        if region is None or any(_base(index, source.expressions) is None for index in wrapped):
            return None
        motion = Motion(source.expressions)
        fixed = [n for i in wrapped for n in (_base(i, source.expressions), i.period) if n is not None]
        while (outer := outer_region(region)) and all(motion.is_hoistable(n, [outer.first], outer) for n in fixed):
            region = outer
        region = _closed(region, kernel)
        text = region.block.source[region.first.start : region.last.end]
        if len(text) > self.most_characters or not all(motion.is_hoistable(n, [region.first], region) for n in fixed):
            return None
        edits = [
            Edit(i.node.start - region.first.start, i.node.end - region.first.start, _unwrapped(i)) for i in wrapped
        ]
        indent = indent_of(region.first)
        fast, slow = (reindent(part, indent + _STEP) for part in (apply(text, edits), text))
        test = " && ".join(_bounds(wrapped, source.expressions))
        lines = (
            f"if ({test}) {{  // no neighbour wraps around",
            f"{indent}{_STEP}{fast}",
            f"{indent}}} else {{",
            f"{indent}{_STEP}{slow}",
            f"{indent}}}",
        )
        sentence = "Split the interior, where no neighbour wraps around, from the edge."
        return Change(sentence, (Edit(region.first.start, region.last.end, "\n".join(lines)),))


@dataclass(frozen=True)
class JoinInterior:
    """The general path alone: of two branches that assign the same variables from the same arrays, the second.

    Undoes `SplitInterior` and its like, if a branch costs more than it saves.
    """

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            Change("Kept only the general path, which covers the interior too.", (edit,))
            for function in source.functions
            for statement in function.body.find("if_statement")
            if statement.parent is not None and statement.parent.kind == "compound_statement"
            if (edit := self._edit(statement)) is not None
        ]

    def _edit(self, statement: Node) -> Edit[str] | None:
        special, alternative = statement.part("consequence"), statement.child("alternative")
        if alternative:
            general = alternative.named[0]
        else:
            general = None
        if general is None or general.kind != "compound_statement":
            return None
        if not _targets(special) or (_targets(special), _arrays(special)) != (_targets(general), _arrays(general)):
            return None
        inner = general.source[general.start + 1 : general.end - 1].strip()
        return replace(statement, reindent(inner, indent_of(statement)))


def _targets(branch: Node) -> set[Shape]:
    return {node.part("left").shape for node in branch.find("assignment_expression")}


def _arrays(branch: Node) -> set[Shape]:
    return {node.part("argument").shape for node in branch.find("subscript_expression")}


def _base(index: WrappedIndex, expressions: Expressions) -> Node | None:
    """Return the one open term that is no table entry: the cell's own index."""
    open_terms = [term for term in index.rest if term.sign == "+" and expressions.constant(term.node) is None]
    bases = [term.node for term in open_terms if term.node.kind in ("identifier", "field_expression")]
    if len(bases) == 1:
        return bases[0]
    return None


def _closed(region: Region, kernel: FunctionScope) -> Region:
    """Extend the region to the end of its block if it declares names that are used behind it."""
    declared = [v for v in kernel.variables if v.block is region.block and region.covers(v.declaration)]
    leaks = any(not region.covers(use) for variable in declared for use in variable.uses)
    if leaks:
        return Region(region.block, region.first, statements(region.block)[-1])
    return region


def _unwrapped(index: WrappedIndex) -> str:
    return fitted(index.node, spell_sum(list(index.rest)), SUM)


def _bounds(wrapped: Sequence[WrappedIndex], expressions: Expressions) -> Iterator[str]:
    """Yield one test for each axis: how far its neighbours reach below and above."""
    axes = dict[tuple[Key, Key], tuple[str, str, int, int]]()
    for index in wrapped:
        base = _base(index, expressions)
        if base is None:
            continue
        below, above = _reach(index)
        key = expressions.key(base), expressions.key(index.period)
        period = parenthesised(index.period.text, level_of(index.period), SUM)
        _, _, known_below, known_above = axes.get(key, ("", "", 0, 0))
        axes[key] = base.text, period, max(below, known_below), max(above, known_above)
    for base_text, period, below, above in axes.values():
        yield f"{base_text} >= {below} && {base_text} + {above} < {period}"


def _reach(index: WrappedIndex) -> tuple[int, int]:
    if index.offset is None:
        return 1, 1
    return max(0, -index.offset), max(0, index.offset)
