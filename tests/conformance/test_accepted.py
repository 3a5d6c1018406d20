"""Programs that Apple's compiler accepts, run: each kernel of `programs/accepted` gives the results of its comment."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from accepted_programs import EACH, Promise

from metalsci.cpu_metal import Device, Library


@pytest.fixture(scope="module")
def library(device: Device) -> Callable[[Path], Library]:
    """Return a function that compiles each file once."""
    return cache(lambda path: device.compile(path.read_text()))


@pytest.mark.parametrize("promise", EACH, ids=lambda promise: f"{promise.path.stem}-{promise.kernel}")
def test_a_program_runs_and_is_right(device: Device, library: Callable[[Path], Library], promise: Promise) -> None:
    promise.check(device, library(promise.path).kernels[promise.kernel])


def test_there_are_enough() -> None:
    assert len(EACH) >= 150
