"""`python -m metalsci.cpu_metal`, for CI and editors."""

import subprocess
import sys
from pathlib import Path

HEADER = "#include <metal_stdlib>\n"
GOOD = HEADER + "kernel void f(device float *a [[buffer(0)]], uint i [[thread_position_in_grid]]) { a[i] = 1; }\n"
BAD = (
    HEADER + "kernel void f(device flaot *a [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n\ta[i] = foo(i);\n}\n"
)


def run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "metalsci.cpu_metal", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=600)


def test_what_compiles_is_described(tmp_path: Path) -> None:
    (tmp_path / "good.metal").write_text(GOOD)
    done = run(str(tmp_path / "good.metal"))
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path}/good.metal: kernel f(buffer 0 device float a)\n"
    assert run("--quiet", "-", text=GOOD).stdout == ""


def test_every_error_is_shown_with_its_line_and_nothing_that_follows_from_it(tmp_path: Path) -> None:
    file = tmp_path / "bad.metal"
    file.write_text(BAD)
    done = run(str(file))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{file}:2:22: error: unknown type name 'flaot'",
        BAD.splitlines()[1],
        " " * 21 + "^",
        f"{file}:3:9: error: use of undeclared identifier 'foo'",
        "\ta[i] = foo(i);",
        "\t" + " " * 7 + "^",
    ]


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none.metal"))
    assert done.returncode == 2
    assert "none.metal" in done.stderr
