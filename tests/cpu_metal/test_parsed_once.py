"""A candidate is read once and travels as a unit: by the rules, the compiler and the sanitizer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from metalsci.cpu_metal import CompileError, Device, Dispatch
from metalsci.msl.language import parse as parsing
from metalsci.msl.language.parse import Unit, parse
from metalsci.msl.rules import metal_rules

SOURCE = """#include <metal_stdlib>
using namespace metal;
kernel void twice(device float *x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] *= 2; }
"""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count how often a text was parsed, and how often the rules were checked."""
    calls = {"parse": 0, "rules": 0}

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls[name] += 1
            return function(*arguments)

        return call

    monkeypatch.setattr(parsing, "parse", counting("parse", parsing.parse))
    monkeypatch.setattr(metal_rules, "_restrict", counting("rules", metal_rules._restrict))
    return calls


@pytest.mark.parametrize(("source", "parses"), [(SOURCE, 1), (parse(SOURCE), 0)], ids=["text", "unit"])
def test_a_source_is_parsed_at_most_once_checked_or_not(
    device: Device, counted: dict[str, int], source: str | Unit, parses: int
) -> None:
    kernel = device.compile(source, interface=parse(SOURCE).kernels).kernels["twice"]
    x = device.buffer(np.ones(64, np.float32))
    device.run([Dispatch(kernel, {0: x}, (64,), (64,))])
    device.run([Dispatch(kernel, {0: x}, (64,), (64,))], check=True)
    assert (x.array == 4).all()
    assert counted == {"parse": parses, "rules": 1}


def test_a_kernel_that_differs_from_the_interface_is_refused(device: Device) -> None:
    other = parse(SOURCE.replace("float", "int"))
    with pytest.raises(CompileError, match="expected 'device int"):
        device.compile(SOURCE, interface=other.kernels)
