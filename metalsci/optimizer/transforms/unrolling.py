"""Loops with a constant number of rounds, written out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metalsci.msl.text.edits import Edit, apply
from metalsci.optimizer.change import Change
from metalsci.optimizer.syntax.counted import CountedLoop, counted_loops
from metalsci.optimizer.syntax.precedence import PRIMARY, PRODUCT, UNARY, level_of, parenthesised, put
from metalsci.optimizer.syntax.regions import LOOPS
from metalsci.optimizer.syntax.scopes import FunctionScope, VariableScope
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import indent_of, insert_before, pragma_before, reindent, replace
from metalsci.optimizer.syntax.tree import Node


@dataclass(frozen=True)
class UnrollLoop:
    """A loop with constant bounds, written out: one copy of the body a round, the counter a literal in each.

    Variables that the body declares get the round's number as a suffix, so that later rewrites see all rounds in
    one block.
    """

    most_rounds: int = 32
    most_characters: int = 10_000

    def changes(self, source: Source) -> Sequence[Change]:
        names = Names(source)
        return [
            change
            for function in source.functions
            for loop in counted_loops(function, source.expressions)
            if (change := self._unroll(source, function, loop, names)) is not None
        ]

    def _unroll(self, source: Source, function: FunctionScope, loop: CountedLoop, names: Names) -> Change | None:
        values = loop.values(source.expressions, self.most_rounds)
        if values is None or loop.counter.name in source.macro_words:
            return None
        if len(values) * len(loop.body.text) > self.most_characters:
            return None
        if loop.node.parent is None or loop.node.parent.kind != "compound_statement":
            return None
        local = [v for v in function.variables if v.block is loop.body]
        if any(variable.name in source.macro_words for variable in local):
            return None
        indent = indent_of(loop.node)
        comment = f"// {loop.counter.name} = {values[0]}, …, {values[-1]}"
        lines = [comment.replace("…, ", "") if len(values) == 1 else comment.replace("…", "...")]
        for number, value in enumerate(values):
            renamed = {v: names.fresh(f"{v.name}{'_' * v.name[-1].isdigit()}{number}") for v in local}
            lines += self._round(loop, value, renamed, indent, with_comments=number == 0)
        sentence = f"Unrolled the loop over `{loop.counter.name}` ({len(values)} rounds): its bounds are constants."
        pragma = pragma_before(loop.node)
        if pragma:
            dropped = [Edit(pragma.start, loop.node.start, "")]
        else:
            dropped = []
        return Change(sentence, (*dropped, replace(loop.node, f"\n{indent}".join(lines))))

    def _round(
        self, loop: CountedLoop, value: int, renamed: dict[VariableScope, str], indent: str, with_comments: bool
    ) -> Iterator[str]:
        for statement in loop.statements:
            if statement.kind != "comment" or with_comments:
                text = _substitute(statement, loop.counter, value, renamed)
                yield reindent(text.strip(), indent)


def _substitute(statement: Node, counter: VariableScope, value: int, renamed: dict[VariableScope, str]) -> str:
    def inside(nodes: Sequence[Node]) -> Iterator[Node]:
        return (node for node in nodes if statement.contains(node))

    if counter.type == "uint":
        literal = f"{value}u"
    else:
        literal = str(value)
    edits = []
    for use in inside(counter.uses):
        is_index = use.parent is not None and use.parent.kind == "subscript_argument_list"
        spelled = str(value) if is_index else literal
        edits.append(put(use, spelled, UNARY if value < 0 else PRIMARY))
    for variable, name in renamed.items():
        edits += [replace(node, name) for node in inside([variable.declarator, *variable.uses])]
    shifted = [Edit(edit.start - statement.start, edit.end - statement.start, edit.text) for edit in edits]
    return apply(statement.text, shifted)


@dataclass(frozen=True)
class UnrollPragma:
    """A request to the compiler to unroll: wholly if the number of rounds is constant, else by `factor`."""

    factor: int = 4

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            self._annotate(source, loop)
            for function in source.functions
            for loop in counted_loops(function, source.expressions)
            if pragma_before(loop.node) is None and loop.node.parent is not None
            if loop.node.parent.kind == "compound_statement"
        ]

    def _annotate(self, source: Source, loop: CountedLoop) -> Change:
        if loop.values(source.expressions, most=64):
            sentence = f"Asked the compiler to unroll the loop over `{loop.counter.name}`."
            return Change(sentence, (insert_before(loop.node, "#pragma unroll"),))
        sentence = f"Asked the compiler to unroll the loop over `{loop.counter.name}` {self.factor} times."
        return Change(sentence, (insert_before(loop.node, f"#pragma unroll({self.factor})"),))


@dataclass(frozen=True)
class UnrollByFactor:
    """Several rounds a trip for a loop whose length only the host knows, and a second loop for the rest."""

    factor: int = 4
    most_characters: int = 2_000

    def changes(self, source: Source) -> Sequence[Change]:
        return [
            self._unroll(source, loop)
            for function in source.functions
            for loop in counted_loops(function, source.expressions)
            if self._applies(source, loop)
        ]

    def _applies(self, source: Source, loop: CountedLoop) -> bool:
        first = source.expressions.constant(loop.first)
        return (
            (first is not None and first.value == 0 and loop.step == 1 and loop.comparison == "<")
            and loop.values(source.expressions, most=10**9) is None
            and source.expressions.is_pure(loop.limit)
            and source.expressions.type_of(loop.limit) in ("int", "uint")
            and loop.counter.name not in source.macro_words
            and len(loop.body.text) <= self.most_characters
            and not any(node.kind in (*LOOPS, "return_statement") for node in loop.body.walk())
            and pragma_before(loop.node) is None
            and loop.node.parent is not None
            and loop.node.parent.kind == "compound_statement"
        )

    def _unroll(self, source: Source, loop: CountedLoop) -> Change:
        counter, n = loop.counter, self.factor
        outer = indent_of(loop.node)
        inner = f"{outer}    "
        limit = parenthesised(loop.limit.text, level_of(loop.limit), PRODUCT)
        suffix = "u" * (source.expressions.type_of(loop.limit) == "uint")
        rounds = [self._round(loop, number, inner) for number in range(n)]
        rest = f"{counter.type} {counter.name} = {limit} / {n}{suffix} * {n}{suffix}"
        header = f"for ({counter.type} {counter.name} = {loop.first.text}; {counter.name} + {n - 1} < {limit}; "
        lines = (
            f"{header}{counter.name} += {n}) {{",
            *(f"{inner}{text}" for text in rounds),
            f"{outer}}}",
            f"{outer}for ({rest}; {counter.name} < {limit}; ++{counter.name}) {reindent(loop.body.text, outer)}",
        )
        sentence = f"Took {n} rounds of the loop over `{counter.name}` at a time; a second loop does the rest."
        return Change(sentence, (replace(loop.node, "\n".join(lines)),))

    def _round(self, loop: CountedLoop, number: int, indent: str) -> str:
        body, counter = loop.body, loop.counter
        if number:
            value = f"({counter.name} + {number}{'u' * (counter.type == 'uint')})"
        else:
            value = counter.name
        edits = [
            Edit(use.start - body.start, use.end - body.start, value) for use in counter.uses if body.contains(use)
        ]
        text = reindent(apply(body.text, edits), indent)
        if body.kind == "compound_statement":
            return text
        return f"{{ {text} }}"
