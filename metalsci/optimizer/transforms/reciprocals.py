"""Floating-point divisions by one value, as multiplications by its reciprocal."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.expressions import Expressions, Key
from metalsci.optimizer.syntax.precedence import PRODUCT, level_of, parenthesised
from metalsci.optimizer.syntax.regions import Motion, Region, crosses_loop, enclosing_region, outer_region
from metalsci.optimizer.syntax.scopes import FunctionScope
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import insert_before, replace
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class ReciprocalOnce:
    """One reciprocal for several divisions, for divisions in a loop, and for divisors that all threads share."""

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            change
            for function in source.functions
            for divisions in _by_divisor(function, source.expressions).values()
            if (change := self._share(divisions, source, names)) is not None
        ]

    def _share(self, divisions: list[Node], source: Source, names: Names) -> Change | None:
        divisor = divisions[0].part("right")
        placed = _place(divisor, divisions, Motion(source.expressions))
        if placed is None:
            return None
        region, leaves_loop = placed
        uniform = all(variable.is_uniform for variable in source.expressions.variables(divisor))
        if len(divisions) < 2 and not leaves_loop and not uniform:
            return None
        name = names.fresh(f"inv_{divisor.text}" if divisor.kind == "identifier" else "inverse")
        inverse = f"1.0f / {parenthesised(divisor.text, level_of(divisor), PRODUCT + 1)}"
        edits = [insert_before(region.first, f"const float {name} = {inverse};")]
        edits += (_multiplied(division, name) for division in divisions)
        if len(divisions) == 1:
            times = "once"
        else:
            times = f"once instead of dividing {len(divisions)} times"
        sentence = f"Took the reciprocal of `{divisor.text}` {times}, and multiplied by it."
        return Change(sentence, tuple(edits))


def _multiplied(division: Node, name: str) -> Edit[str]:
    if division.kind == "assignment_expression":
        return replace(division, f"{division.part('left').text} *= {name}")
    left, right = division.part("left"), division.part("right")
    return Edit(left.end, right.end, f" * {name}")


def _by_divisor(function: FunctionScope, expressions: Expressions) -> dict[Key, list[Node]]:
    groups = defaultdict[Key, list[Node]](list)
    for division in _divisions(function.body):
        left, right = division.part("left"), division.part("right")
        # The compiler handles a constant divisor; a reciprocal is a result of this rewrite.
        if expressions.constant(right) or expressions.constant(left):
            continue
        if expressions.type_of(right) == "float" and expressions.is_pure(right):
            groups[expressions.key(right)].append(division)
    return groups


def _divisions(body: Node) -> Iterator[Node]:
    for node in body.find("binary_expression", "assignment_expression"):
        if node.operator in ("/", "/="):
            yield node


def _place(divisor: Node, divisions: Sequence[Node], motion: Motion) -> tuple[Region, bool] | None:
    """Return the statements before which the reciprocal may be taken, and True if a loop lies between."""
    region = enclosing_region(divisions)
    if region is None or not motion.is_hoistable(divisor, divisions, region):
        return None
    leaves_loop = False
    while (outer := outer_region(region)) and motion.is_hoistable(divisor, divisions, outer):
        if crosses_loop(region, outer):
            leaves_loop = True
        region = outer
    return region, leaves_loop
