"""Functions and their variables: where each is declared, read and written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property

from metalsci.optimizer.syntax.builtins import called_name, is_pure
from metalsci.optimizer.syntax.tree import Node


class Form(Enum):
    VALUE = auto()
    REFERENCE = auto()
    POINTER = auto()
    ARRAY = auto()


@dataclass(eq=False)
class VariableScope:
    """A parameter or local variable.

    `type` is spelled without qualifiers and declarator. `uses` are all identifiers that name it; `writes` those
    through which it, or an element of it, may change. `block` is the node whose end ends its life. An array's
    `length` is its size expression, None for arrays of arrays.
    """

    name: str
    type: str
    form: Form
    qualifiers: frozenset[str]
    declarator: Node
    declaration: Node
    block: Node
    initial: Node | None = None
    length: Node | None = None
    uses: list[Node] = field(default_factory=list)
    writes: list[Node] = field(default_factory=list)
    escapes: bool = False

    @property
    def is_parameter(self) -> bool:
        return self.declaration.kind == "parameter_declaration"

    @property
    def is_fixed(self) -> bool:
        """True if it holds one value from its declaration to its end."""
        return not self.writes and not self.escapes

    @property
    def is_scalar(self) -> bool:
        return self.form in (Form.VALUE, Form.REFERENCE)

    @property
    def is_uniform(self) -> bool:
        """A `constant` parameter: the same value for every thread."""
        return self.is_parameter and "constant" in self.qualifiers

    @property
    def is_read_only_memory(self) -> bool:
        """Memory nobody writes while the kernel runs: an input, or a `constant` argument."""
        return "constant" in self.qualifiers or {"device", "const"} <= self.qualifiers

    @property
    def is_local_array(self) -> bool:
        """An array of this thread's own."""
        return self.form is Form.ARRAY and not self.qualifiers & {"threadgroup", "device", "constant"}

    @property
    def stands_alone(self) -> bool:
        """Its declaration declares nothing else."""
        return sum(child.field == "declarator" for child in self.declaration.children) == 1


_ODD = (
    "ERROR",
    "goto_statement",
    "labeled_statement",
    "switch_statement",
    "lambda_expression",
    "for_range_loop",
)


@dataclass(eq=False)
class FunctionScope:
    """A function definition.

    `broken` functions hold text that the grammar could not parse, or jumps that make the order of statements differ
    from the order of the text: no rewrite touches them.
    """

    name: str
    node: Node
    body: Node
    is_kernel: bool
    variables: list[VariableScope]

    @property
    def parameters(self) -> list[VariableScope]:
        return [variable for variable in self.variables if variable.is_parameter]

    @cached_property
    def broken(self) -> bool:
        return any(node.kind in _ODD or node.kind.startswith("preproc_if") for node in self.node.walk())


@dataclass(frozen=True)
class Scopes:
    """The functions of a file, its program-scope `constant`s, and which variable each identifier names."""

    functions: tuple[FunctionScope, ...]
    constants: tuple[VariableScope, ...]
    by_use: Mapping[int, VariableScope]

    def variable(self, identifier: Node) -> VariableScope | None:
        return self.by_use.get(identifier.start)


def resolve(root: Node) -> Scopes:
    heads = [head for head in map(_name_and_body, root.find("function_definition")) if head]
    resolver = _Resolver(frozenset(name for name, _ in heads))
    resolver.visit(root, root)
    functions = tuple(
        FunctionScope(
            name=name,
            node=(node := body.parent or body),
            body=body,
            is_kernel=_is_kernel(node),
            variables=[v for v in resolver.variables if node.contains(v.declaration)],
        )
        for name, body in heads
    )
    constants = tuple(v for v in resolver.variables if v.block is root)
    return Scopes(functions, constants, resolver.by_use)


def _name_and_body(function: Node) -> tuple[str, Node] | None:
    body = function.child("body")
    declarator = next(iter(function.find("function_declarator")), None)
    if body is None or body.kind != "compound_statement" or declarator is None:
        return None
    return declarator.part("declarator").text, body


def _is_kernel(function: Node) -> bool:
    head = function.source[function.start : function.part("declarator").start]
    return "kernel" in head.replace("[", " ").replace("]", " ").split()


_BLOCKS = (
    "translation_unit",
    "function_definition",
    "compound_statement",
    "for_statement",
    "if_statement",
    "while_statement",
)
_DECLARATIONS = ("declaration", "parameter_declaration", "optional_parameter_declaration")
_THROUGH = ("subscript_expression", "field_expression", "parenthesized_expression", "pointer_expression")


class _Resolver:
    def __init__(self, defined: frozenset[str]) -> None:
        self.variables: list[VariableScope] = []
        self.by_use: dict[int, VariableScope] = {}
        self._defined = defined
        self._blocks: list[dict[str, VariableScope]] = []

    def visit(self, node: Node, block: Node) -> None:
        if node.kind in _BLOCKS:
            self._blocks.append({})
            for child in node.children:
                self.visit(child, node)
            self._blocks.pop()
        elif node.kind in _DECLARATIONS:
            self._declare(node, block)
        elif node.kind == "identifier":
            self._use(node)
        elif node.kind == "call_expression":
            self._visit_call(node, block)
        elif node.kind not in ("attribute_declaration", "qualified_identifier", "comment"):
            for child in node.children:
                self.visit(child, block)

    def _visit_call(self, node: Node, block: Node) -> None:
        function = node.part("function")
        if function.kind not in ("identifier", "template_function"):
            self.visit(function, block)
        self.visit(node.part("arguments"), block)

    def _declare(self, node: Node, block: Node) -> None:
        for declarator in node.children:
            if declarator.field == "declarator" and node.child("type"):
                self._declare_one(node, declarator, block)

    def _declare_one(self, node: Node, declarator: Node, block: Node) -> None:
        if declarator.kind == "init_declarator":
            initial = declarator.child("value")
        else:
            initial = None
        if declarator.kind == "init_declarator":
            name = declarator.part("declarator")
        else:
            name = declarator
        form, lengths = Form.VALUE, list[Node]()
        while name.kind != "identifier":
            if name.kind == "array_declarator":
                lengths += [size] if (size := name.child("size")) else []
            if form is Form.VALUE:
                form = _FORMS.get(name.kind, form)
            else:
                form = form
            inner = name.child("declarator") or next(iter(name.named), None)
            if inner is None or name.kind == "function_declarator":
                return
            name = inner
        for expression in (*lengths, *([initial] if initial else [])):
            self.visit(expression, block)
        variable = VariableScope(
            name=name.text,
            type=node.part("type").text,
            form=form,
            qualifiers=frozenset(_qualifiers(node)),
            declarator=name,
            declaration=node,
            block=block,
            initial=initial,
            length=lengths[0] if len(lengths) == 1 else None,
        )
        if initial is not None and form in (Form.REFERENCE, Form.POINTER):
            self._alias(initial)
        self.variables.append(variable)
        self._blocks[-1][name.text] = variable

    def _alias(self, initial: Node) -> None:
        """Count everything that a reference or pointer is made of as written: it may change through it."""
        for identifier in initial.find("identifier"):
            variable = self.by_use.get(identifier.start)
            if variable and not variable.is_read_only_memory:
                variable.escapes = True

    def _use(self, node: Node) -> None:
        variable = next((names[node.text] for names in reversed(self._blocks) if node.text in names), None)
        if variable is None:
            return
        variable.uses.append(node)
        self.by_use[node.start] = variable
        top = node
        while top.parent and top.parent.kind in _THROUGH and top.field != "indices":
            if top.parent.kind == "pointer_expression" and top.parent.operator == "&":
                variable.escapes = True
                return
            top = top.parent
        self._classify(variable, node, top)

    def _classify(self, variable: VariableScope, node: Node, top: Node) -> None:
        context = top.parent
        if context is None:
            return
        assigned = context.kind == "assignment_expression" and top.field == "left"
        if assigned or context.kind == "update_expression":
            variable.writes.append(node)
        elif context.kind == "argument_list" and context.parent and context.parent.kind == "call_expression":
            variable.escapes |= not (self._is_pure(context.parent) or variable.is_read_only_memory)
        elif top is node and variable.form is Form.ARRAY:
            variable.escapes = True

    def _is_pure(self, call: Node) -> bool:
        name = called_name(call)
        return is_pure(name) and name not in self._defined


_FORMS = {
    "array_declarator": Form.ARRAY,
    "pointer_declarator": Form.POINTER,
    "reference_declarator": Form.REFERENCE,
}


def _qualifiers(declaration: Node) -> Iterator[str]:
    """Yield `const`, address spaces and the like, as the source spells them (the tree holds stand-ins)."""
    for node in declaration.children:
        if node.kind in ("type_qualifier", "storage_class_specifier"):
            word = node.source[node.start : node.start + 16]
            yield next((word[:i] for i, c in enumerate(word) if not (c.isalnum() or c == "_")), word)
