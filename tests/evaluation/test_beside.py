"""Work next to an evaluation's own: done ahead, none of it during timed runs, and done again where it is missing."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.cpu_metal.compile.toolchain import Toolchain
from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer, Findings
from metalsci.devices.cpu.cpu_stage import CpuStage
from metalsci.devices.protocol import Elapsed, Module
from metalsci.evaluation.beside import Beside
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.sanitizer_policy import Sanitized
from metalsci.evaluation.staged_size import Attempt, Bench, Drawn
from metalsci.evaluation.stopwatch import Stopwatch

Parts = tuple[Evaluator, CpuSanitizer, str]  # with the seed kernel


@pytest.fixture(scope="module")
def parts(composed: Compose) -> Iterator[Parts]:
    cfg = composed(
        "task=heat2d", "task.sizes=[{NX: 40, NY: 24, steps: 6},{NX: 33, NY: 17, steps: 5}]", "device.threads=1",
        "device.ceilings.bandwidth=10", "device.ceilings.fp32=100",
    )  # fmt: skip
    problem, device, sanitizer = instantiate(cfg.task), instantiate(cfg.device), CpuSanitizer()
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 3), Stopwatch()) as evaluator:
        yield evaluator, sanitizer, problem.task.seed_kernel
    sanitizer.close()
    device.close()


def test_what_a_job_raises_is_lost_and_none_outlives_its_evaluation() -> None:
    ended = []

    def fail() -> None:
        raise ValueError

    with Beside(fail, lambda: ended.append(1)) as beside:
        beside.wait()
        assert ended == [1]


def test_jobs_have_ended_when_runs_are_timed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator, _, seed = parts
    log: list[str] = []
    verified, once, verify = threading.Event(), Bench.once, Bench.verify_drawn

    def logged_once(bench: Bench, attempt: Attempt) -> Elapsed:
        log.append("timed")
        return once(bench, attempt)

    def logged_verify(bench: Bench, drawn: Drawn) -> Any:
        verified.set()
        return verify(bench, drawn)

    def job() -> None:
        verified.wait()  # it goes on for as long as anything else than timed runs does
        log.append("job")

    monkeypatch.setattr(Bench, "once", logged_once)
    monkeypatch.setattr(Bench, "verify_drawn", logged_verify)
    assert evaluator.evaluate(seed, ahead=[job]).outcome is Outcome.SCORED
    assert log[0] == "job"
    assert log.count("timed") == 2 * 3


def test_problems_are_drawn_while_further_sizes_are_verified(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator, _, seed = parts
    drawing, verify, draw = threading.Event(), Bench.verify, Bench.draw
    waited = []

    def verify_once_drawing(bench: Bench, attempt: Attempt) -> Any:
        if bench is not evaluator.benches[0]:
            waited.append(drawing.wait(timeout=30))
        return verify(bench, attempt)

    def logged_draw(bench: Bench, module: Module) -> Drawn:
        drawing.set()
        return draw(bench, module)

    monkeypatch.setattr(Bench, "verify", verify_once_drawing)
    monkeypatch.setattr(Bench, "draw", logged_draw)
    assert evaluator.evaluate(seed).outcome is Outcome.SCORED
    assert waited == [True]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("u_out[c] = 2.0f * u; return;", Outcome.WRONG), ("u_out[1u << 30] = u;", Outcome.CRASHED)],
)
def test_problems_drawn_for_a_candidate_that_fails_at_the_last_size_are_let_go(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, fault: str, outcome: Outcome
) -> None:
    evaluator, _, seed = parts
    stages: list[CpuStage] = []
    closed: list[CpuStage] = []
    make, close = CpuStage.__init__, CpuStage.close

    def logged_make(stage: CpuStage, *given: Any) -> None:
        stages.append(stage)
        make(stage, *given)

    def logged_close(stage: CpuStage) -> None:
        closed.append(stage)
        close(stage)

    evaluator.benches  # noqa: B018  (staged before)
    monkeypatch.setattr(CpuStage, "__init__", logged_make)
    monkeypatch.setattr(CpuStage, "close", logged_close)
    before = "const float u = u_in[c];"
    assert before in seed
    assert evaluator.evaluate(seed.replace(before, f"{before} if (NX == 33) {{ {fault} }}")).outcome is outcome
    assert stages
    assert sorted(map(id, stages)) == sorted(map(id, closed))


@pytest.fixture(scope="module")
def several(composed: Compose) -> Iterator[Parts]:
    """Yield the parts for a task with two kernels."""
    sizes = "task.sizes=[{N: 216, M: 3, L: 9.0, steps: 2},{N: 343, M: 3, L: 10.0, steps: 2}]"
    cfg = composed("task=lj", sizes, "device.ceilings.bandwidth=10", "device.ceilings.fp32=100")
    problem, device, sanitizer = instantiate(cfg.task), instantiate(cfg.device), CpuSanitizer()
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 3), Stopwatch()) as evaluator:
        yield evaluator, sanitizer, problem.task.seed_kernel
    sanitizer.close()
    device.close()


def test_a_candidate_is_instrumented_once_before_it_is_timed(several: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator, sanitizer, seed = several
    Sanitized(evaluator, sanitizer).evaluate(seed)  # the host's own kernels are instrumented now
    log: list[str] = []
    once, inline = Bench.once, Toolchain.inline

    def logged_once(bench: Bench, attempt: Attempt) -> Elapsed:
        log.append("timed")
        return once(bench, attempt)

    def logged_inline(*arguments: Any) -> Any:
        log.append("instrumented")
        return inline(*arguments)

    monkeypatch.setattr(Bench, "once", logged_once)
    monkeypatch.setattr(Toolchain, "inline", logged_inline)
    source = f"{seed}// of a test of what is done ahead, {id(log)}\n"
    assert Sanitized(evaluator, sanitizer).evaluate(source).outcome is Outcome.SCORED
    assert log[0] == "instrumented"
    assert log.count("instrumented") == 1


def test_a_source_that_may_not_be_compiled_is_not_instrumented(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    _, sanitizer, seed = parts
    ran = []
    monkeypatch.setattr(Toolchain, "_run", lambda *of: ran.append(of))
    sanitizer.prepare(f'#include "/etc/passwd"\n{seed}', ["heat_step"])
    sanitizer.prepare(seed, ["another_kernel"])
    assert ran == []


def test_looks_at_once_are_taken_by_processes_of_their_own(parts: Parts) -> None:
    evaluator, sanitizer, seed = parts
    found: list[Findings] = []
    programs = [bench.program for bench in evaluator.benches] * 3
    looks = [threading.Thread(target=lambda p=p: found.append(sanitizer.sample(seed, p))) for p in programs]
    for look in looks:
        look.start()
    for look in looks:
        look.join()
    assert [look.clean for look in found] == [True] * len(programs)
