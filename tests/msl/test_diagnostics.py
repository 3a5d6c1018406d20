"""One shape for messages about a source, and one renderer for them."""

import msgspec
import pytest

from metalsci.msl.diagnostics import CompileError, Diagnostic, Finding, Severity, Style, render

SOURCE = "kernel void f() {\n\tint x = `v`;\n}\n"
ERROR = Diagnostic(Severity.ERROR, 2, 10, "use of undeclared identifier 'v'")
WHOLE = Diagnostic(Severity.WARNING, 0, 0, "no kernel")


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("plain", "2:10: error: use of undeclared identifier 'v'\n0:0: warning: no kernel"),
        (
            "markdown",
            "- 2:10: error: use of undeclared identifier 'v'\n  at ``int x = `v`;``\n- 0:0: warning: no kernel",
        ),
        (
            "caret",
            "2:10: error: use of undeclared identifier 'v'\n\tint x = `v`;\n\t        ^\n0:0: warning: no kernel",
        ),
    ],
)
def test_each_style_shows_place_and_message(style: Style, text: str) -> None:
    assert render([ERROR, WHOLE], SOURCE, style) == text


def test_a_file_stands_before_line_and_column() -> None:
    assert render([ERROR], file="mine.metal") == "mine.metal:2:10: error: use of undeclared identifier 'v'"


def test_a_line_beyond_the_source_is_not_quoted() -> None:
    beyond = Diagnostic(Severity.ERROR, 99, 1, "expected '}'")
    assert render([beyond], SOURCE, "caret") == "99:1: error: expected '}'"


def test_an_error_without_diagnostics_still_has_a_message() -> None:
    assert str(CompileError([])) == "refused without a diagnostic"


def test_a_finding_is_data_in_json_and_a_sentence_as_text() -> None:
    finding = Finding("f, line 3: data race on x[0]", "data race", 3)
    assert str(finding) == "f, line 3: data race on x[0]"
    encoded = msgspec.json.encode(finding)
    assert msgspec.json.decode(encoded, type=Finding) == finding
    assert b'"kind":"data race","line":3' in encoded
