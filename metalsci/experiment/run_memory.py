"""The memory of one run: which lessons it begins with, who draws new ones, and where they are kept."""

import re
from dataclasses import dataclass
from pathlib import Path

from metalsci.models.manual import Manual
from metalsci.models.protocol import LanguageModel, Model, UsesTools
from metalsci.search.distilling import Aside, Distiller
from metalsci.search.journal import Recording
from metalsci.search.lessons import Lessons
from metalsci.search.search_memory import SearchMemory, read_file, write_file


@dataclass(frozen=True)
class RunMemory:
    """Settings and places. recording: what is repeated, lessons included."""

    memory: SearchMemory
    task: str
    device: str
    outputs: Path
    recording: Recording | None = None

    @property
    def file(self) -> Path:
        """The place of the lessons of the task and device."""
        if self.memory.file is not None:
            return Path(self.memory.file)
        kind = self.device.partition(",")[0].split(" on ")[0]  # without what differs from machine to machine
        return self.outputs / "lessons" / f"{self.task}-{re.sub(r'[^A-Za-z0-9.]+', '-', kind)}.md"

    def begin(self) -> Lessons:
        """Return what earlier runs have learned."""
        if self.recording:
            return self.recording.lessons
        if self.memory.every and self.memory.across:
            return read_file(self.file)
        return Lessons()

    def distiller(self, model: Model | LanguageModel, aside: Aside) -> Distiller | None:
        """Let the model draw lessons if it can be asked aside: not an agent, nor a person."""
        if not self.memory.every:
            return None
        can_be_asked = isinstance(model, LanguageModel) and not isinstance(model, UsesTools | Manual)
        if self.recording:
            recorded = self.recording.learned
        else:
            recorded = None
        return Distiller(self.memory.every, aside if can_be_asked else None, recorded)

    def end(self, known: Lessons, learned: Lessons, folder: Path) -> None:
        """Write the lessons for the next runs. Those of a repeated recording are known already."""
        if self.memory.every and self.memory.across and not self.recording:
            run = "/".join(folder.resolve().parts[-2:])
            write_file(self.file, f"{self.task} on {self.device}", known, learned, run)
