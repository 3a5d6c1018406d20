"""A kernel that is right by luck does not win, and one that fails is told why."""

import pytest
from hydra.utils import instantiate

from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.sanitizer_policy import Sanitized
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.search.prompting.feedback import describe

STORE = "    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);"
# Threads that run in the order of their cells are none the wiser: what each does to the next cell, that one undoes.
LUCKY = "    if (c + 1 < NX * NY - NX && i < NX - 2) u_out[c + 1] = u;\n" + STORE


@pytest.fixture(scope="module")
def parts(composed):
    cfg = composed(
        "task=heat2d", "task.sizes=[{NX: 40, NY: 24, steps: 6},{NX: 33, NY: 17, steps: 5}]", "device.threads=1",
        "device.ceilings.bandwidth=10", "device.ceilings.fp32=100",
    )  # fmt: skip
    problem, device, sanitizer = instantiate(cfg.task), instantiate(cfg.device), CpuSanitizer()
    with Evaluator(problem.task, problem.sizes, device, 0, Repeats(1, 3), Stopwatch()) as evaluator:
        yield evaluator, sanitizer, problem.task.seed_kernel
    sanitizer.close()
    device.close()


def test_the_seed_kernel_has_no_findings(parts):
    evaluator, sanitizer, seed = parts
    evaluation = Sanitized(evaluator, sanitizer).evaluate(seed)
    assert evaluation.outcome is Outcome.SCORED
    assert evaluation.findings == ()
    assert evaluation.phases["sanitizer"] > 0


def test_a_data_race_whose_results_are_right_is_wrong(parts):
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


def test_an_access_beyond_a_buffer_is_told_with_its_line(parts):
    evaluator, sanitizer, seed = parts
    beyond = seed.replace(STORE, STORE.replace("u_in[c + NX]", "u_in[c + 2 * NX]"))
    evaluation = Sanitized(evaluator, sanitizer).evaluate(beyond)
    assert evaluation.outcome in (Outcome.WRONG, Outcome.CRASHED)
    line = 1 + beyond.splitlines().index(STORE.replace("u_in[c + NX]", "u_in[c + 2 * NX]"))
    assert f"line {line}: read of u_in[" in evaluation.findings[0].text
    assert "beyond the end of buffer 0 'u_in'" in evaluation.findings[0].text
    assert evaluation.findings[0].text in describe(evaluation, beyond, 1.0)


def test_a_candidate_that_does_not_win_costs_no_check(parts):
    evaluator, sanitizer, seed = parts
    sanitized = Sanitized(evaluator, sanitizer)
    sanitized.evaluate(seed)
    slow = seed.replace(STORE, "    float s = 0;\n    for (uint k = 0; k < 2000u; ++k) s += sin(u + float(k));\n"
                        "    if (s > 1e30f) return;\n" + STORE)  # fmt: skip
    evaluation = sanitized.evaluate(slow)
    assert evaluation.outcome is Outcome.SCORED
    assert "sanitizer" not in evaluation.phases
