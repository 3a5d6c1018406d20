"""The strategy protocol. A strategy touches neither device nor model, so any search replays in milliseconds.

class Greedy:
    def ask(self, archive, n):
        return [Request(parents=(archive.incumbent.iteration,)) for _ in range(n)]

    def tell(self, request, evaluation):
        pass
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive
from metalsci.search.request import Request


class Strategy(Protocol):
    """A decision about what is tried next. It may keep state.

    A resumed run repeats every `ask` and `tell` in the recorded order, and stops if the requests differ. So random
    draws must come from a generator that the strategy seeds itself.
    """

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        """Return up to `n` requests; none to wait for the answers that are under way.

        The archive holds at least the seed kernel, and everything that was told. It is to be read, not changed.
        """

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        """Learn the result of a request. Its entry is the archive's last one at the next `ask`."""


@runtime_checkable
class NamesBeforehand(Protocol):
    """A strategy that says before a search what it will name, so that a wrong name is refused before anything starts.

    prompts: changes to parts of the prompt, by a name. models: members of an ensemble.
    """

    @property
    def prompts(self) -> Mapping[str, Mapping[str, bool | int | str]]: ...

    @property
    def models(self) -> Sequence[str]: ...
