"""Populations, step by step: how they treat their members."""

from metalsci.devices.virtual.forecast import Forecast
from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.search.archive import Archive, Entry
from metalsci.search.request import Request
from metalsci.search.strategies.beam import Beam
from metalsci.search.strategies.islands import Islands
from metalsci.search.strategies.map_elites import MapElites
from metalsci.search.strategies.pareto import Pareto
from metalsci.search.strategies.protocol import Strategy
from metalsci.search.strategies.repair import Repair
from metalsci.search.strategies.restarts import Restarts

PLAIN = "kernel void k{}() {{}}"
TILED = "kernel void k{}() {{ threadgroup float t[2048]; threadgroup_barrier(); }}"


def _predicted(lanes: float, lines: float = 1.0) -> Forecast:
    figures = {"lanes": lanes, "lines": lines, "occupancy": 16.0, "share/issue": 0.6, "share/traffic": 0.4}
    return Forecast("M1 Pro", figures=figures)


class Play:
    """A strategy and an archive, told by hand."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.archive = Archive(Entry(0, PLAIN.format(0), Evaluation(Outcome.SCORED, score=1.0)))

    def ask(self, n: int) -> list[Request]:
        return list(self.strategy.ask(self.archive, n))

    def tell(self, request: Request, score: float | None, source: str = PLAIN) -> int:
        number = len(self.archive)
        evaluation = Evaluation(Outcome.WRONG) if score is None else Evaluation(Outcome.SCORED, score=score)
        numbered = Request(request.parents, request.feedback, request.model, request.parts, request.note, number)
        better = score is not None and score > self.archive.incumbent.score
        self.archive.add(
            Entry(number, source.format(number), evaluation, numbered, decision=Decision(better) if score else None)
        )
        self.strategy.tell(numbered, evaluation)
        return number


def test_a_beam_ends_a_generation_before_it_chooses_and_keeps_one_child_of_a_parent() -> None:
    play = Play(Beam(width=2, branching=2))
    first = play.ask(9)
    assert [r.parents for r in first] == [(0,)] * 4
    assert play.ask(1) == []  # the generation is under way
    for request, score in zip(first, (1.5, 3.0, None, 2.0), strict=True):
        play.tell(request, score)
    second = play.ask(9)
    assert [r.parents[0] for r in second] == [2, 2, 0, 0]  # 4 and 1 are siblings of 2; the seed kernel is not


def test_the_members_of_an_island_stay_on_it_and_migrate_to_its_neighbour() -> None:
    play = Play(Islands(islands=2, members=2, migrate_every=4, reset_every=0))
    one, two, three, four = play.ask(4)
    assert [r.note["island"] for r in (one, two, three, four)] == [0, 1, 0, 1]
    best = play.tell(one, 5.0)
    for request in (two, three):
        play.tell(request, None)
    assert {r.parents[0] for r in play.ask(20) if r.note["island"] == 1} == {0}
    play.tell(four, None)
    assert best in {r.parents[0] for r in play.ask(20) if r.note["island"] == 1}


def test_the_worse_half_of_the_islands_starts_again_from_the_better() -> None:
    play = Play(Islands(islands=2, members=2, migrate_every=0, reset_every=2))
    one, two = play.ask(2)
    best = play.tell(one, 5.0)
    play.tell(two, 0.5)
    parents = {r.parents[0] for r in play.ask(20) if r.note["island"] == 1}
    assert parents <= {0, best}
    assert 2 not in parents


def test_a_climb_without_progress_is_given_up_for_another_start() -> None:
    play = Play(Restarts(patience=2, pool=3))
    (request,) = play.ask(1)
    best = play.tell(request, 2.0)
    for _ in range(2):
        (request,) = play.ask(1)
        assert request.parents == (best,)
        assert not request.parts
        play.tell(request, 1.5)
    (request,) = play.ask(1)
    assert request.parents != (best,)
    assert "another decomposition" in str(request.parts["advice"])
    assert request.note == {"climb": 1}


def test_a_late_answer_of_a_climb_that_was_given_up_changes_nothing() -> None:
    play = Play(Restarts(patience=1, pool=1))
    stale, late = play.ask(2)
    play.tell(stale, None)
    (fresh,) = play.ask(1)
    play.tell(late, 9.0)
    assert play.ask(1)[0].parents == fresh.parents


def test_a_failure_is_the_next_parent_until_it_is_right_or_given_up() -> None:
    play = Play(Repair(tries=2))
    (request,) = play.ask(1)
    for _ in range(2):
        broken = play.tell(request, None)
        (request,) = play.ask(1)
        assert request.parents == (broken,)
    play.tell(request, None)
    (request,) = play.ask(1)
    assert request.parents == (0,)  # given up
    broken = play.tell(request, None)
    (request,) = play.ask(1)
    play.tell(request, 2.0)
    assert play.ask(1)[0].parents == (broken + 1,)  # right, and better


def test_a_slower_kernel_of_another_kind_stays_an_elite() -> None:
    play = Play(MapElites(greed=0.0, crossover=0.0))
    first, second = play.ask(2)
    fast, tiled = play.tell(first, 3.0), play.tell(second, 0.5, TILED)
    assert {r.parents[0] for r in play.ask(40)} == {fast, tiled}


def test_the_front_keeps_what_nothing_beats_in_everything() -> None:
    play = Play(Pareto(objectives=["score", "threadgroup_memory"], greed=0.0))
    first, second, third = play.ask(3)
    tiled, simple, worse = play.tell(first, 3.0, TILED), play.tell(second, 2.0), play.tell(third, 1.5, TILED)
    assert {r.parents[0] for r in play.ask(60)} == {tiled, simple}
    assert worse not in {tiled, simple}


def test_a_kernel_that_moves_more_lines_for_the_same_is_of_another_kind() -> None:
    play = Play(MapElites(greed=0.0, crossover=0.0))
    for number, lines in enumerate((1.0, 12.0, 14.0), 1):
        evaluation = Evaluation(Outcome.SCORED, score=2.0 / number, forecast=_predicted(1.0, lines))
        request = Request((0,), id=number)
        play.archive.add(Entry(number, PLAIN.format(number), evaluation, request))
        play.strategy.tell(request, evaluation)
    assert {request.parents[0] for request in play.ask(60)} == {0, 1, 2}  # 3 moves as much as 2, and is slower


def test_kernels_that_are_predicted_to_use_a_gpu_otherwise_are_of_another_kind() -> None:
    play = Play(MapElites(descriptors=("lanes", "bottleneck"), greed=0.0, crossover=0.0))
    for number, lanes in enumerate((1.0, 0.03, 0.04), 1):
        evaluation = Evaluation(Outcome.SCORED, score=1.0 / number, forecast=_predicted(lanes))
        request = Request((0,), id=number)
        play.archive.add(Entry(number, PLAIN.format(number), evaluation, request))
        play.strategy.tell(request, evaluation)
    assert {request.parents[0] for request in play.ask(60)} == {0, 1, 2}  # 3 idles as 2 does, and is slower
