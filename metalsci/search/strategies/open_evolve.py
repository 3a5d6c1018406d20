"""A bridge to OpenEvolve: its program database decides which kernels are improved on.

The database holds islands, each with a MAP-Elites grid, and an archive of the best. Prompts, models, evaluation and
budget stay metalsci's.

OpenEvolve's own loop cannot be used: it asks models and runs evaluators itself, outside of the journal and the budget,
and does not go on where it was killed. Its database does neither.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from metalsci.evaluation.results import Evaluation
from metalsci.search.archive import Archive, Entry
from metalsci.search.request import Request


class OpenEvolve:
    """OpenEvolve's choice of parents and inspirations; the latter are shown as further attempts.

    islands: populations that evolve apart and exchange their best.
    population: kernels kept over all islands. elites: of the archive of the best.
    exploration, exploitation: shares of parents drawn from an island at random, and from the archive; the rest are
        drawn by score.
    inspirations: other kernels of the island in a prompt.
    migration_interval: requests of an island between two exchanges.
    seed: of the draws.
    """

    def __init__(
        self,
        *,
        islands: int = 3,
        population: int = 60,
        elites: int = 20,
        exploration: float = 0.2,
        exploitation: float = 0.7,
        inspirations: int = 2,
        migration_interval: int = 10,
        seed: int = 0,
    ) -> None:
        for name, count in (("islands", islands), ("population", population), ("elites", elites)):
            if count < 1:
                raise ValueError(f"strategy.{name}={count}: at least 1")
        if not (exploration >= 0 and exploitation >= 0 and exploration + exploitation <= 1):
            raise ValueError(
                f"strategy.exploration={exploration}, strategy.exploitation={exploitation}: shares, at most 1 together"
            )
        if inspirations < 0 or migration_interval < 1:
            raise ValueError(
                f"strategy.inspirations={inspirations}, strategy.migration_interval={migration_interval}: at least 0, 1"
            )
        self._module: Any = _load()
        self._rng = random.Random(f"openevolve {seed}")
        self._islands = islands
        self._inspirations = inspirations
        with self._drawing():
            self._database = self._module.ProgramDatabase(
                self._module.DatabaseConfig(
                    population_size=population,
                    archive_size=elites,
                    num_islands=islands,
                    exploration_ratio=exploration,
                    exploitation_ratio=exploitation,
                    migration_interval=migration_interval,
                    random_seed=None,  # it would seed the generator of the whole process
                    log_prompts=False,
                )
            )
        self._database.islands = [_InOrder() for _ in range(islands)]
        self._database.archive = _InOrder()
        self._turn = 0
        self._told: list[int] = []

    def ask(self, archive: Archive, n: int) -> Sequence[Request]:
        with self._drawing():
            if not self._database.programs:
                for island in range(self._islands):
                    self._add(archive.incumbent, island)
            for iteration in self._told:
                request = archive[iteration].request
                assert request is not None  # it was told
                self._add(archive[iteration], request.note["island"])
            self._told = []
            return [self._request() for _ in range(n)]

    def tell(self, request: Request, evaluation: Evaluation) -> None:
        if evaluation.outcome.correct:
            self._told.append(request.id)

    def _request(self) -> Request:
        island = self._turn % self._islands
        self._turn += 1
        parent, others = self._database.sample_from_island(island, num_inspirations=self._inspirations)
        self._database.increment_island_generation(island_idx=island)
        if self._database.should_migrate():
            self._database.migrate_programs()
        chosen = _entry_of(parent)
        shown = dict.fromkeys(_entry_of(other) for other in others)
        return Request((chosen,), tuple(each for each in shown if each != chosen), note={"island": island})

    def _add(self, entry: Entry, island: int) -> None:
        program = self._module.Program(
            id=f"{entry.iteration} on {island}",
            code=entry.source or "",
            language="metal",
            metrics={"combined_score": entry.score},
            metadata={"entry": entry.iteration},
        )
        self._database.add(program, iteration=entry.iteration, target_island=island)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Let the package draw from this strategy's own generator, so that a run can be resumed."""
        before = self._module.random
        self._module.random = self._rng
        try:
            yield
        finally:
            self._module.random = before


class _InOrder(set[str]):
    """A set whose members come in the order of arrival: that of strings is another one in each process."""

    def __init__(self) -> None:
        super().__init__()
        self._arrived: dict[str, None] = {}

    def add(self, member: str) -> None:
        super().add(member)
        self._arrived.setdefault(member)

    def discard(self, member: object) -> None:
        super().discard(member)
        self._arrived.pop(str(member), None)

    def remove(self, member: str) -> None:
        super().remove(member)
        del self._arrived[member]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._arrived))


def _entry_of(program: Any) -> int:
    """Return the entry of a program, or of the copy of one that has moved to another island."""
    return int(program.metadata["entry"])


def _load() -> ModuleType:
    try:
        import openevolve.database
    except ImportError as error:
        raise ValueError(
            "strategy=openevolve needs the package openevolve, which is not there: pip install 'metalsci[openevolve]'"
        ) from error
    module: ModuleType = openevolve.database
    return module
