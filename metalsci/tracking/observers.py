"""Several observers of a run as one. None of them can end the run."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from metalsci.search.archive import Archive
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary

log = logging.getLogger(__name__)
_Given = TypeVar("_Given")
_Taken = ParamSpec("_Taken")


class Observers:
    """A list of observers, called in turn. One that raises is left out from then on, after a sentence on the console.

    say: prints a sentence.
    """

    def __init__(self, observers: Sequence[Observer], say: Callable[[str], None]) -> None:
        self._observers = list(observers)
        self._following = list(observers)
        self._say = say

    def start(self, info: RunInfo) -> None:
        for observer in list(self._following):
            self._pass_on(self._try(observer, observer.start, info))

    def step(self, text: str) -> None:
        for observer in list(self._following):
            self._try(observer, observer.step, text)

    def entry(self, archive: Archive) -> None:
        for observer in list(self._following):
            self._try(observer, observer.entry, archive)

    def finish(self, summary: Summary, files: Sequence[Path]) -> None:
        for observer in list(self._following):
            self._pass_on(self._try(observer, observer.finish, summary, files))

    def close(self, failed: bool) -> None:
        for observer in self._observers:
            self._try(observer, observer.close, failed)

    def _pass_on(self, sentence: str | None) -> None:
        if sentence:
            self._say(sentence)

    def _try(
        self, observer: Observer, call: Callable[_Taken, _Given], *args: _Taken.args, **kwargs: _Taken.kwargs
    ) -> _Given | None:
        try:
            return call(*args, **kwargs)
        except Exception as error:  # the run goes on, whatever an observer does
            log.exception("an observer failed")
            if observer in self._following:
                self._following.remove(observer)
                self._say(f"{type(observer).__name__} failed and is left out from here on: {error}")
            return None
