"""The facts about a source that rewrites use."""

import pytest
from rewrite_cases import kernel

from metalsci.msl.text.edits import Edit, apply
from metalsci.optimizer.syntax.literals import Literal, fold, parse_literal
from metalsci.optimizer.syntax.regions import Motion, enclosing_region, statements
from metalsci.optimizer.syntax.scopes import Form, VariableScope
from metalsci.optimizer.syntax.source import Names, Source
from metalsci.optimizer.syntax.statement_edits import insert_before, remove
from metalsci.optimizer.syntax.tree import Node, parse


def the_variable(source: Source, name: str) -> VariableScope:
    found = [v for f in source.scopes.functions for v in f.variables if v.name == name]
    assert len(found) == 1
    return found[0]


def expression(source: Source, text: str) -> Node:
    return next(node for node in source.root.walk() if node.text == text and node.is_named)


class TestTree:
    def test_offsets_are_characters_of_the_text(self) -> None:
        source = "// ∇² of u × dt\nkernel void k(device float *é_free) {}\n"
        root = parse(source)
        assert root.text.strip() == source.strip()
        assert [node.text for node in root.find("function_definition")] == [source.splitlines()[1]]

    def test_shape_ignores_blanks_comments_and_parentheses(self) -> None:
        one, two = (
            parse(f"void f() {{ x = {text}; }}").find("binary_expression")[0].shape
            for text in ("a * (b[1]) + c", "a*b[ 1 ] /* times */ + c")
        )
        assert one == two

    def test_shape_tells_operators_apart(self) -> None:
        shapes = {
            parse(f"void f() {{ x = {text}; }}").find("assignment_expression")[0].shape
            for text in ("a + b", "a - b", "a * (b + c)", "a * b + c")
        }
        assert len(shapes) == 4


class TestScopes:
    SOURCE = Source(
        kernel(
            """
            const int i = int(gid.x);
            float x = a[i], f[4];
            for (int i = 0; i < 4; ++i) f[i] = x;
            x += dt;
            out[i] = x;
            """
        )
    )

    def test_a_shadowed_name_is_two_variables(self) -> None:
        outer, inner = (v for v in self.SOURCE.functions[0].variables if v.name == "i")
        assert outer.is_fixed
        assert [use.parent.kind for use in inner.writes if use.parent] == ["update_expression"]
        assert len(outer.uses) == 2

    def test_parameters(self) -> None:
        a, dt = the_variable(self.SOURCE, "a"), the_variable(self.SOURCE, "dt")
        assert (a.form, a.type, a.is_read_only_memory) == (Form.POINTER, "float", True)
        assert (dt.form, dt.is_uniform, dt.is_fixed) == (Form.REFERENCE, True, True)
        assert not the_variable(self.SOURCE, "out").is_read_only_memory

    def test_writes(self) -> None:
        assert len(the_variable(self.SOURCE, "x").writes) == 1
        array = the_variable(self.SOURCE, "f")
        assert array.is_local_array
        assert len(array.writes) == 1

    @pytest.mark.parametrize("use", ["thread float *p = &x;", "change(x);", "thread float &r = x;"])
    def test_what_may_change_elsewhere_escapes(self, use: str) -> None:
        source = Source(kernel(f"float x = 0.0f;\n{use}", head="void change(thread float &v);\n"))
        assert the_variable(source, "x").escapes

    def test_library_calls_change_nothing(self) -> None:
        source = Source(kernel("float x = 0.0f;\nout[0] = max(x, metal::sqrt(x));"))
        assert the_variable(source, "x").is_fixed

    def test_a_function_of_the_file_hides_the_library_s(self) -> None:
        source = Source(kernel("float x = 0.0f;\nmix(x);", head="void mix(thread float &v) { v = 1.0f; }\n"))
        assert the_variable(source, "x").escapes

    @pytest.mark.parametrize(
        "code", ["goto end; end: return;", "switch (gid.x) { case 0: return; }", "int = = 3;", "#if X\nreturn;\n#endif"]
    )
    def test_functions_out_of_order_are_not_touched(self, code: str) -> None:
        assert Source(kernel(code)).functions == ()


class TestExpressions:
    @pytest.mark.parametrize(
        ("text", "type_name"),
        [
            ("gid.x", "uint"),
            ("gid.xy", "uint2"),
            ("1.0f * N", "float"),
            ("int(N) + 1", "int"),
            ("N + 1", "uint"),
            ("a[0] < dt", "bool"),
            ("float4(dt).xyz", "float3"),
            ("dot(float2(dt), float2(dt))", "float"),
            ("N > 1 ? 1 : N", "uint"),
            ("true ? dt : a[0]", "float"),
            ("unknown(dt)", None),
        ],
    )
    def test_types(self, text: str, type_name: str | None) -> None:
        source = Source(kernel(f"out[0] = {text};"))
        right = source.root.find("assignment_expression")[0].part("right")
        assert source.expressions.type_of(right) == type_name

    @pytest.mark.parametrize(
        ("text", "value"),
        [("Q", 9), ("Q / 2 - 1", 3), ("M", 4), ("-(M + 1)", -5), ("int(2.0f)", 2), ("N", None), ("BODY", None)],
    )
    def test_constants(self, text: str, value: int | None) -> None:
        head = "#define Q 9\n#define BODY a[0]\nconstant int M = 4;\n"
        source = Source(kernel(f"out[0] = {text};", head))
        right = source.root.find("assignment_expression")[0].part("right")
        constant = source.expressions.constant(right)
        assert (constant.value if constant else None) == value

    @pytest.mark.parametrize(
        ("text", "pure"),
        [("a[0] * dt", True), ("fma(dt, dt, dt)", True), ("i++ + 1", False), ("next()", False), ("MACRO", False)],
    )
    def test_purity(self, text: str, pure: bool) -> None:
        source = Source(kernel(f"int i = 0;\nout[0] = {text};", head="#define MACRO i++\nfloat next();\n"))
        right = source.root.find("assignment_expression")[0].part("right")
        assert source.expressions.is_pure(right) is pure


class TestMotion:
    SOURCE = Source(
        kernel(
            """
            float x = a[0];
            out[0] = x * dt;
            x = 2.0f;
            if (gid.x < N) {
                out[1] = x * dt + a[gid.x];
            }
            """
        )
    )

    def motion(self) -> Motion:
        return Motion(self.SOURCE.expressions)

    def test_the_region_is_in_the_innermost_common_block(self) -> None:
        uses = [node for node in self.SOURCE.root.find("binary_expression") if node.text == "x * dt"]
        region = enclosing_region(uses)
        assert region is not None
        assert region.first.text == "out[0] = x * dt;"
        assert region.last.kind == "if_statement"
        assert not self.motion().is_hoistable(uses[0], uses, region)

    def test_a_guarded_load_does_not_leave_its_guard(self) -> None:
        load = expression(self.SOURCE, "a[gid.x]")
        inside = enclosing_region([load])
        outside = enclosing_region([inside.block]) if inside else None
        assert inside is not None
        assert outside is not None
        assert self.motion().is_hoistable(load, [load], inside)
        assert not self.motion().is_hoistable(load, [load], outside)


class TestLiterals:
    @pytest.mark.parametrize(
        ("text", "literal"),
        [
            ("12u", Literal(12, "uint")),
            ("0u", Literal(0, "uint")),
            ("0x1F", Literal(31, "int")),
            ("1e-3f", Literal(0.001, "float")),
            (".5", Literal(0.5, "float")),
            ("-3", Literal(-3, "int")),
            ("017", None),
            ("3000000000", None),
            ("1.0h", None),
            ("x", None),
        ],
    )
    def test_parse(self, text: str, literal: Literal | None) -> None:
        assert parse_literal(text) == literal

    def test_integers_fold_as_in_c(self) -> None:
        assert fold("/", Literal(-7, "int"), Literal(2, "int")) == Literal(-3, "int")
        assert fold("%", Literal(-7, "int"), Literal(2, "int")) == Literal(-1, "int")
        assert fold("/", Literal(1, "int"), Literal(0, "int")) is None
        assert fold("+", Literal(2**31 - 1, "int"), Literal(1, "int")) is None

    def test_floats_fold_only_where_exact(self) -> None:
        assert fold("*", Literal(2.0, "float"), Literal(3, "int")) == Literal(6.0, "float")
        assert fold("*", Literal(0.1, "float"), Literal(0.2, "float")) is None


class TestEdits:
    def test_edits_apply_in_order_of_place(self) -> None:
        assert apply("abc", [Edit(3, 3, "!"), Edit(0, 1, "x"), Edit(1, 1, "-")]) == "x-bc!"

    def test_a_removed_statement_takes_its_line_along(self) -> None:
        source = Source("void f() {\n    int a;  // first\n    int b; int c;\n}\n")
        first, second, _ = statements(source.functions[0].body)
        assert source.apply([remove(first), remove(second)]).text == "void f() {\n     int c;\n}\n"

    def test_inserted_lines_are_indented(self) -> None:
        source = Source("void f() {\n    g();\n}\n")
        statement = statements(source.functions[0].body)[0]
        assert source.apply([insert_before(statement, "a();", "b();")]).text == (
            "void f() {\n    a();\n    b();\n    g();\n}\n"
        )

    def test_fresh_names_are_new_to_the_file_and_to_one_another(self) -> None:
        names = Names(Source("// uses: i_n\nvoid f() { int k; }"))
        assert [names.fresh("k"), names.fresh("k"), names.fresh("i_n"), names.fresh("m")] == [
            "k_2",
            "k_3",
            "i_n_2",
            "m",
        ]
