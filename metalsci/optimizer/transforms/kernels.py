"""Declarations of a kernel for the compiler: threadgroup caps, and how it reads its scalar arguments."""

from collections.abc import Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.regions import statements
from metalsci.optimizer.syntax.scopes import Form, FunctionScope, VariableScope
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import insert_before, replace
from metalsci.optimizer.syntax.tree import Node

_CAP = "max_total_threads_per_threadgroup"


@dataclass(frozen=True)
class ThreadgroupCap:
    """`[[max_total_threads_per_threadgroup(n)]]`: the compiler may then give each thread more registers.

    It stands before `kernel`, the one place where Apple's compiler takes it. A smaller cap than the host's
    threadgroup makes the host shrink the group.
    """

    threads: int

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            Change(f"Promised the compiler at most {self.threads} threads a threadgroup.", (edit,))
            for kernel in source.kernels
            if (edit := self._edit(kernel)) is not None
        ]

    def _edit(self, kernel: FunctionScope) -> Edit[str] | None:
        attributes = [node for node in kernel.node.children if node.kind == "attribute_declaration"]
        for attribute in attributes:
            if _CAP in attribute.text:
                given = next(iter(attribute.find("number_literal")), None)
                same = given is None or given.text == str(self.threads)
                if given is None or same:
                    return None
                return replace(given, str(self.threads))
        start = kernel.node.start
        if _begins_with_kernel(kernel.node):
            return Edit(start, start, f"[[{_CAP}({self.threads})]]\n")
        return None


def _begins_with_kernel(function: Node) -> bool:
    in_template = function.parent is not None and function.parent.kind == "template_declaration"
    return function.source.startswith("kernel", function.start) and not in_template


@dataclass(frozen=True)
class LocalCopies:
    """Scalar arguments read once into locals: then no store can seem to change them."""

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            self._copy(kernel, parameter, names)
            for kernel in source.kernels
            for parameter in kernel.parameters
            if _is_read_twice(parameter) and statements(kernel.body)
        ]

    def _copy(self, kernel: FunctionScope, parameter: VariableScope, names: Names) -> Change:
        lower = parameter.name.lower()
        name = names.fresh(lower if lower != parameter.name else f"{parameter.name}_local")
        declaration = f"const {parameter.type} {name} = {parameter.name};"
        edits = [insert_before(statements(kernel.body)[0], declaration)]
        edits += [replace(use, name) for use in parameter.uses]
        return Change(f"Read the argument `{parameter.name}` once, into a local.", tuple(edits))


def _is_read_twice(parameter: VariableScope) -> bool:
    return (
        parameter.is_uniform and parameter.form is Form.REFERENCE and not parameter.escapes and len(parameter.uses) > 1
    )
