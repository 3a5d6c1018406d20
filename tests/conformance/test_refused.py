"""Programs that Apple's compiler refuses are refused: each message on its line, and nothing on any other.

A file of `programs/refused` holds many. `// --- name: why` starts one, `// error: …` at the end of a line is a part of
the message that belongs there. Before each stand `#include <metal_stdlib>` and `using namespace metal;`.
"""

import re
from pathlib import Path

import pytest

from metalsci.cpu_metal import CompileError, Device
from metalsci.msl.diagnostics import Severity

PROGRAMS = Path(__file__).parent / "programs" / "refused"
BEFORE = "#include <metal_stdlib>\nusing namespace metal;\n"
PROGRAM = re.compile(r"^// --- (?P<name>\w+): .*\n(?P<text>(?:(?!// --- ).*\n)*)", re.MULTILINE)
EACH = [
    pytest.param(match["text"], id=f"{path.stem}-{match['name']}")
    for path in sorted(PROGRAMS.glob("*.metal"))
    for match in PROGRAM.finditer(path.read_text())
]


@pytest.mark.parametrize("text", EACH)
def test_a_program_is_refused_where_it_is_wrong(device: Device, text: str) -> None:
    lines = (BEFORE + text).split("\n")
    wanted = {number: line.partition("// error: ")[2] for number, line in enumerate(lines, 1) if "// error: " in line}
    with pytest.raises(CompileError) as refused:
        device.compile(BEFORE + text)
    errors = [d for d in refused.value.diagnostics if d.severity is Severity.ERROR]
    assert {d.line for d in errors} == set(wanted), refused.value
    for number, part in wanted.items():
        assert any(d.line == number and part in d.message for d in errors), refused.value


def test_there_are_enough() -> None:
    assert len(EACH) >= 150
