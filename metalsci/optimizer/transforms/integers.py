"""Index arithmetic in the integers that suit the device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax import builtins
from metalsci.optimizer.syntax.expressions import Expressions
from metalsci.optimizer.syntax.literals import parse_literal
from metalsci.optimizer.syntax.periodic import wrapped_indices
from metalsci.optimizer.syntax.precedence import PRIMARY, put
from metalsci.optimizer.syntax.regions import statements
from metalsci.optimizer.syntax.scopes import Form, FunctionScope, VariableScope
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import insert_before, replace
from metalsci.optimizer.syntax.tree import Node

_BITWISE = frozenset(("&", "|", "^", "<<", ">>", "&=", "|=", "^=", "<<=", ">>="))


@dataclass(frozen=True)
class SignedIndices:
    """Indices as `int`: overflow is then undefined, so a compiler may assume that neighbours are contiguous.

    Wrong for indices beyond 2^31; left alone if a kernel works on bits.
    """

    def changes(self, source: Source) -> Sequence[Change]:
        return [change for kernel in source.kernels if (change := self._convert(kernel, source)) is not None]

    def _convert(self, kernel: FunctionScope, source: Source) -> Change | None:
        expressions = source.expressions
        if _works_on_bits(kernel.body, expressions):
            return None
        local = [v for v in kernel.variables if v.type == "uint" and not v.is_parameter]
        if any(v.form is not Form.VALUE or v.escapes or not _is_convertible(v) for v in local):
            return None
        scalars = [v for v in kernel.parameters if _is_uint_scalar(v) and v.uses]
        names = Names(source)
        copies = {v: names.fresh(_local_name(v)) for v in scalars}
        fields = [node for node in kernel.body.find("field_expression") if expressions.type_of(node) == "uint"]
        indices = (node for part in kernel.body.find("subscript_argument_list") for node in part.named)
        if not any(expressions.type_of(index) == "uint" for index in indices):
            return None
        edits = [
            insert_before(statements(kernel.body)[0], *(f"const int {n} = int({v.name});" for v, n in copies.items()))
        ]
        edits += [replace(v.declaration.part("type"), "int") for v in _once_a_declaration(local)]
        edits += [replace(use, name) for v, name in copies.items() for use in v.uses]
        edits += [put(node, f"int({node.text})", PRIMARY) for node in fields]
        edits += _signed_literals(kernel.body)
        return Change("Computed indices as `int`, whose overflow a compiler may rule out.", tuple(edits))


def _works_on_bits(body: Node, expressions: Expressions) -> bool:
    for node in body.walk():
        if node.kind in ("binary_expression", "assignment_expression") and node.operator in _BITWISE:
            return True
        if node.kind == "unary_expression" and node.operator == "~":
            return True
        if node.kind == "call_expression":
            unsigned = builtins.called_name(node) in ("uint", "as_type", "mulhi", "static_cast")
            if unsigned or not expressions.is_builtin_call(node):
                return True
    return False


def _is_convertible(variable: VariableScope) -> bool:
    return variable.declaration.kind == "declaration" and variable.declaration.part("type").text == "uint"


def _is_uint_scalar(parameter: VariableScope) -> bool:
    by_value = parameter.form is Form.VALUE or (parameter.form is Form.REFERENCE and parameter.is_uniform)
    return parameter.type == "uint" and by_value and not parameter.writes and not parameter.escapes


def _once_a_declaration(variables: Sequence[VariableScope]) -> Iterator[VariableScope]:
    """Yield one variable of each declaration: `uint a = 0, b = 1` has one type to change."""
    seen = set[int]()
    for variable in variables:
        if variable.declaration.start not in seen:
            seen.add(variable.declaration.start)
            yield variable


def _local_name(parameter: VariableScope) -> str:
    lower = parameter.name.lower()
    if lower != parameter.name:
        return lower
    return f"{parameter.name}_signed"


def _signed_literals(body: Node) -> Iterator[Edit[str]]:
    for node in body.find("number_literal"):
        literal = parse_literal(node.text)
        if literal is not None and literal.type == "uint" and literal.value < 2**31:
            yield replace(node, str(literal.value))


@dataclass(frozen=True)
class UnsignedDivision:
    """Signed quotients and remainders of numbers that cannot be negative, in `uint`, which divides faster.

    Assumes that the dividend is not negative. A wrap-around has better remedies.
    """

    def changes(self, source: Source) -> Sequence[Change]:
        expressions, edits = source.expressions, list[Edit[str]]()
        for function in source.functions:
            wrapped = {index.node for index in wrapped_indices(function.body, expressions)}
            for node in function.body.find("binary_expression"):
                if node.operator in ("/", "%") and _both_int(node, expressions) and node not in wrapped:
                    left, right = node.part("left"), node.part("right")
                    text = f"int(uint({left.bare.text}) {node.operator} uint({right.bare.text}))"
                    edits.append(put(node, text, PRIMARY))
        outermost = [e for e in edits if not any(o is not e and o.start <= e.start and e.end <= o.end for o in edits)]
        sentence = "Divided in unsigned integers, which takes fewer instructions."
        if outermost:
            return [Change(sentence, tuple(outermost))]
        return []


def _both_int(node: Node, expressions: Expressions) -> bool:
    sides = node.part("left"), node.part("right")
    return all(expressions.type_of(side) == "int" for side in sides) and expressions.constant(sides[1]) is None
