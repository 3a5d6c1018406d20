"""Observers are told of everything, and none of them can end the run."""

from pathlib import Path
from typing import Never

from metalsci.tracking.observers import Observers
from metalsci.tracking.protocol import Observer, RunInfo

INFO = RunInfo("name", "saxpy", "rewrite", None, Path(), {})


class Recorder(Observer):
    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, info: RunInfo) -> str:
        self.told.append("start")
        return "figures go to a list"

    def step(self, text: str) -> None:
        self.told.append(text)

    def close(self, failed: bool) -> None:
        self.told.append(f"failed={failed}")


class Broken(Recorder):
    def step(self, text: str) -> Never:
        raise RuntimeError("the disk of the observer is full")


def test_one_that_raises_is_named_once_and_left_out_and_the_others_are_told() -> None:
    said: list[str] = []
    before, broken, behind = Recorder(), Broken(), Recorder()
    observers = Observers([before, broken, behind], said.append)
    observers.start(INFO)
    observers.step("compiling")
    observers.step("timing")
    observers.close(failed=True)
    assert before.told == behind.told == ["start", "compiling", "timing", "failed=True"]
    assert broken.told == ["start", "failed=True"]
    assert said == [
        *["figures go to a list"] * 3,
        "Broken failed and is left out from here on: the disk of the observer is full",
    ]


def test_what_an_observer_does_not_care_for_does_nothing() -> None:
    class Nothing(Observer):
        pass

    said: list[str] = []
    observers = Observers([Nothing()], said.append)
    observers.start(INFO)
    observers.step("compiling")
    observers.close(failed=False)
    assert said == []
