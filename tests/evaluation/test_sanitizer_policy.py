"""A kernel that is right by luck does not win, and one that fails is told why."""

from collections.abc import Iterator

import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer, Findings
from metalsci.devices.program import Program
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.sanitizer_policy import Sanitized, judged
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.msl.diagnostics import Finding
from metalsci.msl.language.parse import Unit
from metalsci.search.prompting.feedback import describe

STORE = "    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);"
# Threads that run in the order of their cells are none the wiser: what each does to the next cell, that one undoes.
LUCKY = "    if (c + 1 < NX * NY - NX && i < NX - 2) u_out[c + 1] = u;\n" + STORE


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


def test_the_seed_kernel_has_no_findings(parts: Parts) -> None:
    evaluator, sanitizer, seed = parts
    evaluation = Sanitized(evaluator, sanitizer).evaluate(seed)
    assert evaluation.outcome is Outcome.SCORED
    assert evaluation.findings == ()
    assert evaluation.phases["sanitizer"] > 0


def test_a_data_race_whose_results_are_right_is_wrong(parts: Parts) -> None:
    evaluator, sanitizer, seed = parts
    # One worker in lanes of one: thread after thread.
    racy = seed.replace(
        "    const uint i = gid.x;", "    threadgroup_barrier(mem_flags::mem_none);\n    const uint i = gid.x;"
    )
    racy = racy.replace(STORE, LUCKY)
    assert evaluator.evaluate(racy).outcome is Outcome.SCORED
    evaluation = Sanitized(evaluator, sanitizer).evaluate(racy)
    assert evaluation.outcome is Outcome.WRONG
    assert evaluation.score == 0
    assert "data race on u_out[" in evaluation.findings[0].text
    assert "right by luck" in evaluation.message


def test_an_access_beyond_a_buffer_is_told_with_its_line(parts: Parts) -> None:
    evaluator, sanitizer, seed = parts
    beyond = seed.replace(STORE, STORE.replace("u_in[c + NX]", "u_in[c + 2 * NX]"))
    evaluation = Sanitized(evaluator, sanitizer).evaluate(beyond)
    assert evaluation.outcome in (Outcome.WRONG, Outcome.CRASHED)
    line = 1 + beyond.splitlines().index(STORE.replace("u_in[c + NX]", "u_in[c + 2 * NX]"))
    assert f"line {line}: read of u_in[" in evaluation.findings[0].text
    assert "beyond the end of buffer 0 'u_in'" in evaluation.findings[0].text
    assert evaluation.findings[0].text in describe(evaluation, beyond, 1.0)


def test_a_candidate_that_does_not_win_is_looked_at_on_small_problems_alone(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator, sanitizer, seed = parts
    sanitized = Sanitized(evaluator, sanitizer)
    sanitized.evaluate(seed)
    sampled = []
    monkeypatch.setattr(sanitizer, "sample", lambda *of: sampled.append(of))
    slow = seed.replace(STORE, "    float s = 0;\n    for (uint k = 0; k < 2000u; ++k) s += sin(u + float(k));\n"
                        "    if (s > 1e30f) return;\n" + STORE)  # fmt: skip
    evaluation = sanitized.evaluate(slow)
    assert evaluation.outcome is Outcome.SCORED
    assert sampled == []


def test_an_early_return_before_a_barrier_is_wrong_although_it_does_not_win(parts: Parts) -> None:
    evaluator, sanitizer, seed = parts
    sanitized = Sanitized(evaluator, sanitizer)
    sanitized.evaluate(seed)
    early = seed.replace(STORE, "    threadgroup_barrier(mem_flags::mem_threadgroup);\n" + STORE)
    evaluation = sanitized.evaluate(early)
    assert evaluation.outcome is Outcome.WRONG
    assert "barrier in divergent control flow" in evaluation.message


def test_a_finding_condemns_the_sizes_at_which_it_holds(parts: Parts) -> None:
    evaluator, _, seed = parts
    right = evaluator.evaluate(seed)
    race = Finding("a race", "data race", 3, undefined=True)
    evaluation = judged(right, [Findings(), Findings(undefined=(race,))])
    assert evaluation.outcome is Outcome.WRONG
    assert [size.outcome for size in evaluation.sizes] == [Outcome.SCORED, Outcome.WRONG]
    unfinished = judged(right, [Findings(unfinished=True), Findings()])
    assert unfinished.outcome is Outcome.SUSPECT


def test_groups_that_wait_for_one_another_are_not_acquitted(parts: Parts) -> None:
    """On one worker, in the order of groups, the first has always been there before the others."""
    evaluator, sanitizer, seed = parts
    waits = """    device atomic_uint *seen = (device atomic_uint *)u_out;
    if (j >= 16) while (atomic_load_explicit(&seen[0], memory_order_relaxed) == 0xFFFFFFFFu) {}
"""
    spins = seed.replace(STORE, waits + STORE)
    evaluation = Sanitized(evaluator, sanitizer).evaluate(spins)
    assert not evaluation.outcome.correct


def test_a_build_that_fails_says_so_and_ends_nothing(parts: Parts) -> None:
    evaluator, _, seed = parts

    class Broken:
        def check(self, source: str | Unit, program: Program) -> Findings:
            return Findings(failed="no such file")

        sample = check

        def close(self) -> None:
            pass

    evaluation = Sanitized(evaluator, Broken()).evaluate(seed)
    assert evaluation.outcome is Outcome.SCORED
    assert "not looked at: no such file" in evaluation.remarks
