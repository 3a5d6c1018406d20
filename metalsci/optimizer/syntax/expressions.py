"""Facts about expressions: type, value, purity, and the variables they depend on."""

from collections.abc import Iterator, Mapping

from metalsci.optimizer.syntax import builtins
from metalsci.optimizer.syntax.literals import Literal, convert, fold, negate, parse_literal
from metalsci.optimizer.syntax.scopes import Form, Scopes, VariableScope
from metalsci.optimizer.syntax.tree import Node

Key = tuple[object, ...]

_COMPARISONS = frozenset(("<", ">", "<=", ">=", "==", "!=", "&&", "||"))
_PROMOTED_TO_INT = frozenset(("bool", "char", "uchar", "short", "ushort"))
_RANK: Mapping[str | None, int] = {"int": 0, "uint": 1, "half": 2, "float": 3}
_PURE_KIND_NAMES = """
    number_literal identifier true false binary_expression parenthesized_expression conditional_expression
    field_expression argument_list subscript_argument_list field_identifier primitive_type type_identifier
    type_descriptor cast_expression template_function template_argument_list qualified_identifier
    namespace_identifier subscript_expression call_expression unary_expression
"""
_PURE_KINDS = frozenset(_PURE_KIND_NAMES.split())
_SWIZZLE = frozenset("xyzwrgba")


class Expressions:
    def __init__(self, scopes: Scopes, macros: Mapping[str, str]) -> None:
        self._scopes = scopes
        self._macros = macros
        self._defined = frozenset(function.name for function in scopes.functions)
        self._literal_macros = frozenset(name for name, text in macros.items() if parse_literal(text))
        self._constexprs = [v.declaration for f in scopes.functions for v in f.variables if "constexpr" in v.qualifiers]
        self._types: dict[Node, str | None] = {}

    def variable(self, node: Node) -> VariableScope | None:
        return self._scopes.variable(node)

    def variables(self, node: Node) -> Iterator[VariableScope]:
        """Yield every variable the expression names."""
        for identifier in node.find("identifier"):
            variable = self._scopes.variable(identifier)
            if variable is not None:
                yield variable

    def key(self, node: Node) -> Key:
        """Compute a key, equal for expressions that are spelled the same and name the same variables."""
        return (node.shape, *(variable.declarator.start for variable in self.variables(node)))

    def is_builtin_call(self, call: Node) -> bool:
        name = builtins.called_name(call)
        return builtins.is_pure(name) and name not in self._defined

    def is_pure(self, node: Node) -> bool:
        """Return True if it has no effects, calls only the library and names only variables of this file.

        No part of a `constexpr` counts: its replacement must be a constant expression too.
        """
        if any(constant.contains(node) for constant in self._constexprs):
            return False
        return all(self._is_pure_here(part) for part in node.walk() if part.is_named)

    def _is_pure_here(self, node: Node) -> bool:
        if node.kind == "identifier":
            called = node.field in ("function", "name") or (
                node.parent is not None and node.parent.kind == "template_function"
            )
            return called or self.variable(node) is not None or node.text in self._literal_macros
        if node.kind == "call_expression":
            return self.is_builtin_call(node)
        return node.kind in _PURE_KINDS or node.kind == "comment"

    def loads(self, node: Node) -> Iterator[Node]:
        """Yield reads through pointers and arrays in memory, not those of a thread's own arrays."""
        for part in node.find("subscript_expression", "pointer_expression"):
            base = part.part("argument").bare
            if base.kind == "identifier":
                variable = self.variable(base)
            else:
                variable = None
            if variable is None or not variable.is_local_array:
                yield part

    def is_stable_memory(self, load: Node) -> bool:
        """Return True for a read of memory that no kernel writes."""
        base = load.part("argument").bare
        if base.kind == "identifier":
            variable = self.variable(base)
        else:
            variable = None
        return variable is not None and variable.is_read_only_memory

    def may_trap(self, node: Node) -> bool:
        """Return True if early evaluation is unsafe: loads beyond a guard, divisions that a guard prevents."""
        if next(self.loads(node), None) is not None:
            return True
        divisions = (part for part in node.find("binary_expression") if part.operator in ("/", "%"))
        return any(self.type_of(part) != "float" for part in divisions)

    def constant(self, node: Node) -> Literal | None:
        """Evaluate a constant expression: literals, macros, `constant` and fixed `const` scalars."""
        node = node.bare
        match node.kind:
            case "number_literal" | "true" | "false":
                return parse_literal(node.text)
            case "identifier":
                return self._constant_name(node)
            case "unary_expression" if node.operator == "-":
                value = self.constant(node.part("argument"))
                if value:
                    return negate(value)
                return None
            case "binary_expression":
                left, right = self.constant(node.part("left")), self.constant(node.part("right"))
                if left and right:
                    return fold(node.operator, left, right)
                return None
            case "call_expression" if len(builtins.arguments(node)) == 1:
                value = self.constant(builtins.arguments(node)[0])
                if value:
                    return convert(value, builtins.called_name(node))
                return None
        return None

    def _constant_name(self, identifier: Node) -> Literal | None:
        variable = self.variable(identifier)
        if variable is None:
            return parse_literal(self._macros.get(identifier.text, ""))
        if variable.form is not Form.VALUE or not variable.is_fixed or variable.initial is None:
            return None
        if not variable.qualifiers & {"const", "constexpr", "constant"}:
            return None
        value = self.constant(variable.initial)
        if value:
            return convert(value, variable.type)
        return None

    def type_of(self, node: Node) -> str | None:
        """Return the expression's type, None if it cannot be told."""
        if node not in self._types:
            self._types[node] = self._infer(node)
        return self._types[node]

    def _infer(self, node: Node) -> str | None:
        match node.kind:
            case "parenthesized_expression":
                if node.bare is not node:
                    return self.type_of(node.bare)
                return None
            case "number_literal" | "true" | "false":
                literal = parse_literal(node.text)
                if literal:
                    return literal.type
                return None
            case "identifier":
                return self._type_of_name(node)
            case "subscript_expression":
                return self._type_of_element(node)
            case "field_expression":
                return self._type_of_field(node)
            case "call_expression":
                return self._type_of_call(node)
            case "cast_expression":
                return node.part("type").text
            case "unary_expression":
                if node.operator == "!":
                    return "bool"
                return self.type_of(node.part("argument"))
            case "binary_expression":
                return self._type_of_operation(node)
            case "conditional_expression":
                kinds = {self.type_of(node.part(part)) for part in ("consequence", "alternative")}
                if len(kinds) == 1:
                    return kinds.pop()
                return _promoted(*kinds)
        return None

    def _type_of_name(self, node: Node) -> str | None:
        variable = self.variable(node)
        if variable is None:
            literal = self._constant_name(node)
            if literal:
                return literal.type
            return None
        if variable.is_scalar and variable.type != "auto":
            return variable.type
        return None

    def _type_of_element(self, node: Node) -> str | None:
        base = node.part("argument").bare
        if base.kind == "identifier":
            variable = self.variable(base)
        else:
            variable = None
        if variable is None:
            return None
        if variable.is_scalar:
            if builtins.is_vector_type(variable.type):
                return builtins.element_type(variable.type)
            return None
        if variable.form is Form.ARRAY and variable.length is None:
            return None
        return variable.type

    def _type_of_field(self, node: Node) -> str | None:
        base = self.type_of(node.part("argument"))
        names = node.part("field").text
        if base is None or not builtins.is_vector_type(base) or not set(names) <= _SWIZZLE:
            return None
        element = builtins.element_type(base)
        if len(names) == 1:
            return element
        return f"{element}{len(names)}"

    def _type_of_call(self, node: Node) -> str | None:
        name = builtins.called_name(node)
        if name in self._defined:
            return None
        if builtins.is_scalar_type(name) or builtins.is_vector_type(name):
            return name
        kinds = [self.type_of(argument) for argument in builtins.arguments(node)]
        if builtins.is_reducing(name) and kinds and kinds[0]:
            return builtins.element_type(kinds[0])
        if builtins.is_elementwise(name) and kinds:
            vectors = [kind for kind in kinds if kind and builtins.is_vector_type(kind)]
            if vectors:
                return vectors[0]
            return kinds[0]
        return None

    def _type_of_operation(self, node: Node) -> str | None:
        if node.operator in _COMPARISONS:
            return "bool"
        left, right = self.type_of(node.part("left")), self.type_of(node.part("right"))
        if left is None or right is None:
            return None
        for one, other in ((left, right), (right, left)):
            if builtins.is_vector_type(one):
                if other in (one, builtins.element_type(one)):
                    return one
                return None
        if node.operator in ("<<", ">>"):
            return left
        return _promoted(left, right)


def _promoted(left: str | None, right: str | None) -> str | None:
    """Apply the usual arithmetic conversions, for all but 64-bit integers."""
    kinds = ["int" if kind in _PROMOTED_TO_INT else kind for kind in (left, right)]
    if all(kind in _RANK for kind in kinds):
        return max(kinds, key=_RANK.__getitem__)
    return None
