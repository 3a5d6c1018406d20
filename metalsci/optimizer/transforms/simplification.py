"""Constants folded, and the terms and factors that vanish dropped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax import builtins
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.literals import Literal, convert, fold, negate
from metalsci.optimizer.syntax.precedence import (
    ANY,
    PRIMARY,
    PRODUCT,
    SUM,
    UNARY,
    fitted,
    level_of,
    operator_level,
    parenthesised,
    put,
    required_level,
)
from metalsci.optimizer.syntax.source import Source
from metalsci.optimizer.syntax.statement_edits import indent_of, reindent, remove, replace
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class Simplify:
    """`0*x`, `1*x`, `x + 0`, `-1*x`, arithmetic on literals, branches on constants.

    Dropping `0*x` assumes that x is finite, as Metal's fast math does.
    """

    def changes(self, source: Source) -> Sequence[Change]:
        edits = [
            edit for function in source.functions for edit in self._edits(function.body, Simplifier(source.expressions))
        ]
        sentence = "Folded constants and dropped the terms and factors that vanish."
        if edits:
            return [Change(sentence, tuple(edits))]
        return []

    def _edits(self, node: Node, simplifier: "Simplifier") -> Iterator[Edit[str]]:
        if node.kind in _EXPRESSIONS:
            term = simplifier.term(node)
            if term.changed:
                yield put(node, term.text, term.level)
        elif (edit := _statement(node, simplifier)) is not None:
            yield edit
        else:
            for child in node.children:
                yield from self._edits(child, simplifier)


_EXPRESSIONS = (
    "binary_expression",
    "unary_expression",
    "parenthesized_expression",
    "call_expression",
    "subscript_expression",
    "conditional_expression",
    "field_expression",
)


def _statement(node: Node, simplifier: "Simplifier") -> Edit[str] | None:
    """Replace or remove a whole statement."""
    if node.kind == "expression_statement" and node.named and node.named[0].kind == "assignment_expression":
        return _assignment(node, node.named[0], simplifier)
    if node.kind == "if_statement" and (condition := node.part("condition").child("value")) is not None:
        literal = simplifier.term(condition).literal
        if literal is None or literal.type != "bool":
            return None
        alternative = node.child("alternative")
        if literal.value:
            taken = node.child("consequence")
        else:
            taken = alternative and alternative.named[0]
        if taken:
            return replace(node, reindent(taken.text, indent_of(node)))
        return remove(node)
    return None


def _assignment(statement: Node, assignment: Node, simplifier: "Simplifier") -> Edit[str] | None:
    left, value = assignment.part("left"), simplifier.term(assignment.part("right"))
    if value.literal:
        literal = value.literal.value
    else:
        literal = None
    if not simplifier.is_pure(left):
        return None
    own = f"{left.text} "
    match assignment.operator:
        case "=" if value.text == left.text:
            return remove(statement)
        case "=" if value.level == SUM and value.text.startswith((f"{own}+ ", f"{own}- ")):
            return _update(assignment, left, value)
        case "+=" | "-=" if literal == 0:
            return remove(statement)
        case "*=" | "/=" if literal == 1:
            return remove(statement)
        case "+=" | "-=" as sign if value.level == UNARY and value.text.startswith("-"):
            turned = "-=" if sign == "+=" else "+="
            return replace(assignment, f"{left.text} {turned} {value.text[1:]}")
    return None


def _update(assignment: Node, left: Node, value: "ScaledTerm") -> Edit[str] | None:
    """Write `x = x + y` as `x += y`, for a single y."""
    sign, _, rest = value.text[len(left.text) + 1 :].partition(" ")
    if " + " in rest or " - " in rest:
        return None
    return replace(assignment, f"{left.text} {sign}= {rest}")


@dataclass(frozen=True)
class ScaledTerm:
    text: str
    level: int
    literal: Literal | None = None
    changed: bool = False


class Simplifier:
    """Builder of simpler expressions, bottom up. An expression that does not simplify keeps its spelling."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def is_pure(self, node: Node) -> bool:
        return self._expressions.is_pure(node)

    def term(self, node: Node) -> ScaledTerm:
        match node.kind:
            case "number_literal" | "true" | "false":
                return ScaledTerm(node.text, level_of(node), self._expressions.constant(node))
            case "parenthesized_expression" if len(node.named) == 1:
                return self._parenthesised(node)
            case "unary_expression" if node.operator in ("-", "!"):
                return self._unary(node)
            case "binary_expression":
                return self._binary(node)
            case "conditional_expression":
                return self._conditional(node)
            case "call_expression":
                return self._call(node)
        return self._rebuilt(node)

    def _rebuilt(self, node: Node) -> ScaledTerm:
        """Spell the node with its simplified children in their places."""
        pieces, position, changed = list[str](), node.start, False
        for child in node.children:
            pieces.append(node.source[position : child.start])
            if child.is_named:
                term = self.term(child)
            else:
                term = ScaledTerm(child.text, ANY)
            pieces.append(fitted(child, term.text, term.level) if term.changed else child.text)
            position, changed = child.end, changed or term.changed
        pieces.append(node.source[position : node.end])
        if changed:
            return ScaledTerm("".join(pieces), level_of(node), None, True)
        return ScaledTerm(node.text, level_of(node))

    def _parenthesised(self, node: Node) -> ScaledTerm:
        inner = self.term(node.named[0])
        if inner.literal or (inner.changed and inner.level >= required_level(node)):
            return ScaledTerm(inner.text, inner.level, inner.literal, True)
        if inner.changed:
            return ScaledTerm(f"({inner.text})", PRIMARY, None, True)
        return ScaledTerm(node.text, PRIMARY)

    def _unary(self, node: Node) -> ScaledTerm:
        argument = self.term(node.part("argument"))
        if argument.literal and node.operator == "-" and (value := negate(argument.literal)):
            return ScaledTerm(str(value), UNARY if value.value < 0 else PRIMARY, value, True)
        if argument.literal and node.operator == "!" and argument.literal.type == "bool":
            return _literal(Literal(not argument.literal.value, "bool"))
        if node.operator == "-" and argument.level == UNARY and argument.text.startswith("-"):
            return ScaledTerm(argument.text[1:], UNARY, None, True)
        return self._rebuilt(node)

    def _conditional(self, node: Node) -> ScaledTerm:
        condition = self.term(node.part("condition"))
        if condition.literal and condition.literal.type == "bool":
            taken = self.term(node.part("consequence" if condition.literal.value else "alternative"))
            return ScaledTerm(taken.text, taken.level, taken.literal, True)
        return self._rebuilt(node)

    def _call(self, node: Node) -> ScaledTerm:
        name, arguments = builtins.called_name(node), builtins.arguments(node)
        if len(arguments) == 1 and builtins.is_scalar_type(name):
            argument = self.term(arguments[0])
            if argument.literal and (value := convert(argument.literal, name)):
                return _literal(value)
            if self._expressions.type_of(arguments[0]) == name and argument.literal is None:
                return ScaledTerm(argument.text, argument.level, None, True)
        if name == "fma" and len(arguments) == 3 and (reduced := self._reduced_fma(node, arguments)):
            return reduced
        return self._rebuilt(node)

    def _reduced_fma(self, node: Node, arguments: Sequence[Node]) -> ScaledTerm | None:
        """Reduce `fma(a, b, c)` if a or b is 0 or ±1, or c is 0."""
        if self._expressions.type_of(node) != "float" or not all(map(self.is_pure, arguments)):
            return None
        a, b, c = (self.term(argument) for argument in arguments)
        if c.literal and c.literal.value == 0:
            return ScaledTerm(
                " * ".join(parenthesised(t.text, t.level, PRODUCT + 1) for t in (a, b)), PRODUCT, None, True
            )
        for one, other in ((a, b), (b, a)):
            if one.literal:
                value = one.literal.value
            else:
                value = None
            if value == 0:
                return ScaledTerm(c.text, c.level, c.literal, True)
            if value in (1, -1):
                sign = "+" if value == 1 else "-"
                operand = parenthesised(other.text, other.level, SUM + 1)
                return ScaledTerm(f"{parenthesised(c.text, c.level, SUM)} {sign} {operand}", SUM, None, True)
        return None

    def _binary(self, node: Node) -> ScaledTerm:
        left, right = self.term(node.part("left")), self.term(_operand(node))
        if left.literal and right.literal and (value := fold(node.operator, left.literal, right.literal)):
            return _literal(value)
        return self._reduced(node, left, right) or self._respelled(node, left, right)

    def _respelled(self, node: Node, left: ScaledTerm, right: ScaledTerm) -> ScaledTerm:
        """Spell the operation as it is, with the sign of a negative right side pulled into it."""
        symbol, level = node.operator, operator_level(node.operator)
        negative = right.level == UNARY and right.text.startswith("-")
        if symbol in ("+", "-") and negative:
            turned = "-" if symbol == "+" else "+"
            return ScaledTerm(f"{parenthesised(left.text, left.level, SUM)} {turned} {right.text[1:]}", SUM, None, True)
        turned_sign = left.changed and left.level == UNARY and left.text.startswith("-")
        if symbol == "+" and turned_sign and right.level > SUM and not right.text.startswith("-"):
            return ScaledTerm(f"{right.text} - {left.text[1:]}", SUM, None, True)
        if not (left.changed or right.changed):
            return ScaledTerm(node.text, level)
        gap = node.source[node.part("left").end : node.part("right").start]
        sides = parenthesised(left.text, left.level, level), parenthesised(right.text, right.level, level + 1)
        return ScaledTerm(gap.join(sides), level, None, True)

    def _reduced(self, node: Node, left: ScaledTerm, right: ScaledTerm) -> ScaledTerm | None:
        """Return the one side that is left if the other is a neutral or absorbing literal."""
        whole = self._expressions.type_of(node)
        for one, other, other_node, other_is_left in (
            (left, right, node.part("right"), False),
            (right, left, node.part("left"), True),
        ):
            if one.literal is None or isinstance(one.literal.value, bool):
                continue
            same_type = self._expressions.type_of(other_node) == whole and whole is not None
            kept = ScaledTerm(other.text, other.level, other.literal, True)
            match node.operator, one.literal.value:
                case ("+", 0) | ("*", 1) if same_type:
                    return kept
                case ("-", 0) | ("/", 1) if same_type and other_is_left:
                    return kept
                case ("-", 0) if same_type:
                    return _negated(other)
                case ("*", -1) if same_type and whole != "uint":
                    return _negated(other)
                case ("*", 0) if self._is_scalar(whole) and self.is_pure(other_node):
                    return _literal(Literal(0, whole or "int"))
                case ("/", 0) if not other_is_left and self._is_scalar(whole) and self.is_pure(other_node):
                    return _literal(Literal(0, whole or "int"))
        return None

    def _is_scalar(self, type_name: str | None) -> bool:
        return type_name in ("int", "uint", "float")


def _operand(operation: Node) -> Node:
    """Return the right side, out of parentheses that only hold its minus."""
    right = operation.part("right")
    if right.bare.kind == "unary_expression" and right.bare.operator == "-":
        return right.bare
    return right


def _literal(value: Literal) -> ScaledTerm:
    return ScaledTerm(str(value), UNARY if value.value < 0 else PRIMARY, value, True)


def _negated(term: ScaledTerm) -> ScaledTerm:
    if term.level == UNARY and term.text.startswith("-"):
        return ScaledTerm(term.text[1:], UNARY, None, True)
    return ScaledTerm(f"-{parenthesised(term.text, term.level, PRODUCT)}", UNARY, None, True)
