"""Candidates of every kind on the real compiler and the real device, each in its typed outcome."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import psutil
import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.paired import confirm, score_of, speedup_of
from metalsci.evaluation.results import Evaluation, Outcome, Roofline, SizeResult, Timing, score
from metalsci.evaluation.staged_size import Bench
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.task.definition import Size
from metalsci.task.input_seeds import fresh_seed, in_distribution
from metalsci.task.references import References

SMALL = ("task=heat2d", "task.sizes=[{NX: 40, NY: 24, steps: 6},{NX: 33, NY: 17, steps: 5}]", "device.time_limit=1.5")


@pytest.fixture(scope="module")
def evaluator(composed: Compose) -> Iterator[Evaluator]:
    cfg = composed(*SMALL, "device.ceilings.bandwidth=10", "device.ceilings.fp32=100")
    problem = instantiate(cfg.task)
    device = instantiate(cfg.device)
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 3), Stopwatch()) as evaluator:
        yield evaluator
    device.close()


@pytest.fixture(scope="module")
def seed(evaluator: Evaluator) -> str:
    return evaluator.task.seed_kernel


STORE = "    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);"


def test_the_seed_kernel_is_right_and_scored_at_every_size(evaluator: Evaluator, seed: str) -> None:
    evaluation = evaluator.evaluate(seed)
    assert evaluation.outcome is Outcome.SCORED
    assert [s.label for s in evaluation.sizes] == ["40×24·6", "33×17·5"]
    for size in evaluation.sizes:
        assert size.error is not None and size.timing is not None and size.roofline is not None
        assert size.error < 1
        assert len(size.timing.seconds) == 3
        assert size.roofline.achieved == pytest.approx(size.roofline.fraction * 10)
    assert evaluation.score == pytest.approx(score(evaluation.sizes))
    assert {"compile", "kernels"} <= set(evaluation.phases)


def test_the_device_says_how_a_kernel_executes(evaluator: Evaluator, seed: str) -> None:
    assert "in the lanes of vectors" in evaluator.evaluate(seed).remarks[0]
    barrier = "threadgroup_barrier(mem_flags::mem_none);"
    apart = seed.replace(STORE, f"    if (u_in[c] > 1e30f) {barrier} {barrier}\n" + STORE)
    remark = evaluator.evaluate(apart).remarks[0]
    line = apart[: apart.index(barrier)].count("\n") + 1
    assert "not vectorised" in remark and f"threads may come to the barrier in line {line} on different ways" in remark


@pytest.mark.parametrize(
    ("old", "new", "outcome", "message"),
    [
        (STORE, STORE.replace("4.0f * u)", "4.0f * v)"), Outcome.COMPILE_ERROR, "'v'"),
        (STORE, STORE.replace(";", ""), Outcome.COMPILE_ERROR, ";"),
        ("heat_step", "heat_stepp", Outcome.COMPILE_ERROR, "heat_step"),
        ("device const float *u_in ", "device const half *u_in ", Outcome.COMPILE_ERROR, "half"),
        (STORE, STORE.replace("alpha *", "0.9f * alpha *"), Outcome.WRONG, "40×24"),
        (STORE, "    if (c % 5 != 0) " + STORE.strip(), Outcome.WRONG, "nan"),
        (STORE, "    u_out[c + 4000000u] = u;", Outcome.CRASHED, "u_out"),
        (
            STORE,
            "    threadgroup float big[9000];\n    big[gid.x % 9000u] = u;\n"
            "    threadgroup_barrier(mem_flags::mem_threadgroup);\n" + STORE + " u_out[c] += 0 * big[0];",
            Outcome.PIPELINE_ERROR,
            "32768",
        ),
        (STORE, "    while (u_in[c] < 2.0f) { if (alpha < 0.0f) break; }\n" + STORE, Outcome.TIMED_OUT, "1.5"),
    ],
    ids=["name", "syntax", "kernel name", "type", "physics", "stale", "wild", "threadgroup memory", "endless"],
)
def test_a_bad_candidate_is_an_outcome_with_a_message(
    evaluator: Evaluator, seed: str, old: str, new: str, outcome: Outcome, message: str
) -> None:
    assert old in seed
    evaluation = evaluator.evaluate(seed.replace(old, new))
    assert evaluation.outcome is outcome, evaluation
    assert message in evaluation.message
    assert evaluation.score == 0
    assert evaluator.evaluate(seed).outcome is Outcome.SCORED


def test_compile_diagnostics_point_into_the_candidate(evaluator: Evaluator, seed: str) -> None:
    broken = seed.replace("4.0f * u)", "4.0f * v)")
    (diagnostic,) = evaluator.evaluate(broken).diagnostics
    line = broken.splitlines()[diagnostic.line - 1]
    assert line[diagnostic.column - 1 :].startswith("v)")


def test_an_endless_loop_costs_its_limit_and_its_process(evaluator: Evaluator, seed: str) -> None:
    evaluator.evaluate(seed)
    endless = seed.replace(STORE, "    for (;;) { if (u_in[c] > 1e9f) break; }\n" + STORE)
    me = psutil.Process()
    others = set(me.children(recursive=True))
    watched, done = set(), threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            watched.update(set(me.children(recursive=True)) - others)

    watcher = threading.Thread(target=watch)
    watcher.start()
    evaluation = evaluator.evaluate(endless)
    done.set()
    watcher.join()
    assert evaluation.outcome is Outcome.TIMED_OUT
    # The limit is processor time, of which a busy machine gives the device a share.
    assert 0.5 < evaluation.phases["kernels"] < 60
    assert watched
    assert not psutil.wait_procs(watched, timeout=5)[1]


def test_a_kernel_that_is_right_only_at_some_sizes_is_wrong(evaluator: Evaluator, seed: str) -> None:
    fits = seed.replace(STORE, "    if (NX != 40) { u_out[c] = u; return; }\n" + STORE)
    evaluation = evaluator.evaluate(fits)
    assert evaluation.outcome is Outcome.WRONG
    assert [s.outcome for s in evaluation.sizes] == [Outcome.SCORED, Outcome.WRONG]
    assert evaluation.sizes[1].label in evaluation.message


def test_a_cap_on_the_threadgroup_shrinks_the_dispatch(evaluator: Evaluator, seed: str) -> None:
    capped = seed.replace("kernel void", "[[max_total_threads_per_threadgroup(64)]] kernel void")
    assert evaluator.evaluate(capped).outcome is Outcome.SCORED


def test_a_kernel_that_is_right_only_at_first_is_wrong(composed: Compose) -> None:
    """It tells by what its output still holds whether it is being verified."""
    cfg = composed("task=saxpy", "task.sizes=[{N: 5000}]", "device.ceilings.bandwidth=10", "device.ceilings.fp32=10")
    problem, device = instantiate(cfg.task), instantiate(cfg.device)
    seed = problem.task.seed_kernel
    store = "    out[i] = a * x[i] + y[i];"
    assert store in seed
    forgetful = seed.replace(store, "    if (as_type<uint>(out[i]) != 0xFFFFFFFFu) { out[i] = 0; return; }\n" + store)
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 3), Stopwatch()) as evaluator:
        evaluation = evaluator.evaluate(forgetful)
        assert evaluation.outcome is Outcome.WRONG
        assert "after repeated runs" in evaluation.message
        (duel,) = confirm(evaluator, seed, forgetful)
        assert (duel.seed.outcome, duel.challenger.outcome) == (Outcome.SCORED, Outcome.WRONG)
    device.close()


def test_an_evaluation_survives_json(evaluator: Evaluator, seed: str) -> None:
    for source in (seed, seed.replace("alpha *", "2.0f * alpha *"), "kernel void x("):
        evaluation = evaluator.evaluate(source)
        text = msgspec.json.encode(evaluation)
        assert "NaN" not in text.decode()
        assert msgspec.json.decode(text, type=Evaluation) == evaluation
        json.loads(text)


def test_a_duel_compares_neighbours_in_time(evaluator: Evaluator, seed: str) -> None:
    work = (
        "    float s = 0; for (uint k = 0; k < 2000u + NX; ++k) s += sin(u_in[c] + float(k)); if (s > 1e30f) return;\n"
    )
    duels = confirm(evaluator, seed.replace(STORE, work + STORE), seed)
    assert speedup_of(duels) > 3
    assert score_of([d.challenger for d in duels]) > score_of([d.seed for d in duels])
    for duel in duels:
        assert duel.quartiles and duel.speedup
        low, high = duel.quartiles
        assert low <= duel.speedup <= high


def test_a_slow_kernel_runs_less_often() -> None:
    def rounds(repeats: Repeats) -> list[bool]:
        rounds = []
        for timed in repeats.rounds():
            time.sleep(0.01)
            rounds.append(timed)
        return rounds

    assert rounds(Repeats(3, 10, 30)) == [False] * 2 + [True] * 10
    assert rounds(Repeats(3, 10, 0.0)) == [True] * 3
    assert rounds(Repeats(1, 2, 0.0)) == [True] * 2


def test_a_duel_with_a_wrong_challenger_has_no_speedup(evaluator: Evaluator, seed: str) -> None:
    duels = confirm(evaluator, seed, seed.replace("alpha *", "0.5f * alpha *"))
    assert [d.challenger.outcome for d in duels] == [Outcome.WRONG, Outcome.WRONG]
    assert speedup_of(duels) == 0


def test_the_score_is_a_geometric_mean_and_zero_if_any_size_fails() -> None:
    def result(fraction: float, outcome: Outcome = Outcome.SCORED) -> SizeResult:
        return SizeResult("n", outcome, timing=Timing((1.0,)), roofline=Roofline(fraction, 1.0, "GB/s"))

    assert score([result(0.1), result(0.4)]) == pytest.approx(0.2)
    assert score([result(0.1), result(0.4, Outcome.WRONG)]) == 0
    assert score([]) == 0


@pytest.fixture
def bench(composed: Compose, tmp_path: Path) -> Iterator[Callable[[str, Mapping[str, int], int], int]]:
    """Return a bench of a task at a small size, and the number of references it computed; all of them are kept."""
    cfg = composed("device.ceilings.bandwidth=10", "device.ceilings.fp32=10")
    device = instantiate(cfg.device)

    def make(name: str, extents: Mapping[str, int], inputs_seed: int) -> int:
        task = instantiate(composed(f"task={name}").task).task
        references = References(tmp_path, worth=0.0)
        before = len(list(tmp_path.iterdir()))
        rng = in_distribution(inputs_seed, 0)
        made = Bench(task, Size("small", extents), device, rng, Stopwatch(), references)
        verified = made.verify(made.bind(device.compile(task.seed_kernel, task.signatures)))
        assert verified.outcome is Outcome.SCORED, verified.detail
        made.close()
        return len(list(tmp_path.iterdir())) - before

    yield make
    device.close()


SMALL_GRID = {"NX": 40, "NY": 24, "steps": 3}


def test_another_inputs_seed_is_another_problem(bench: Callable[[str, Mapping[str, int], int], int]) -> None:
    assert bench("heat2d", SMALL_GRID, 1) == 3  # the benchmark's inputs, and two probes
    assert bench("heat2d", SMALL_GRID, 1) == 0
    assert bench("heat2d", SMALL_GRID, 2) == 3


def test_no_inputs_are_those_of_every_run(bench: Callable[[str, Mapping[str, int], int], int]) -> None:
    """Compare draws: lbm starts from a bump in the middle, which is moved a little."""
    assert bench("lbm", SMALL_GRID, 1) == 3
    assert bench("lbm", SMALL_GRID, 2) == 3


def test_nobody_knows_a_fresh_seed_beforehand() -> None:
    assert len({fresh_seed() for _ in range(100)}) == 100
