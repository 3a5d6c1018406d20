"""None of the attacks is scored and passes the gate, and none of the honest kernels is refused.

A few of each run with all other tests; `make attacks` runs them all.
"""

from collections.abc import Iterator

import pytest
from attack_kernels import ATTACKS as FIRST
from attack_kernels import HEAT, SIZES, Attack, before, constant, seed_kernel, swap
from composing import Compose
from further_attacks import further
from honest_kernels import CONTROLS, Control
from hydra.utils import instantiate

from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.evaluation.safeguards import ALL, Safeguard
from metalsci.evaluation.sanitizer_policy import Sanitized
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.gate.heldout import HeldOutGate
from metalsci.gate.verdicts import GateResult, Verdict
from metalsci.task.loader import Problem

ATTACKS = (*FIRST, *further())
CEILINGS = ("device=cpu", "device.ceilings.bandwidth=10", "device.ceilings.fp32=100", "device.time_limit=20")


class Court:
    """A judge of kernels, as in a run: evaluation with the sanitizer, then the gate."""

    def __init__(self, composed: Compose) -> None:
        self._composed = composed
        self._device = instantiate(composed(*CEILINGS).device)
        self._sanitizer = CpuSanitizer(seconds=10.0)

    def problem(self, task: str) -> Problem:
        first, second, heldout = SIZES[task]
        overrides = (f"task={task}", f"task.sizes=[{first},{second}]", f"task.heldout={heldout}")
        problem: Problem = instantiate(self._composed(*overrides).task)
        return problem

    def evaluation(
        self, task: str, source: str, checks: frozenset[Safeguard] = ALL, sanitized: bool = True, timed: int = 6
    ) -> Evaluation:
        problem = self.problem(task)
        repeats = Repeats(1, timed)
        with Evaluator(problem.task, problem.sizes, self._device, 0, repeats, Stopwatch(), checks) as evaluator:
            judge = Sanitized(evaluator, self._sanitizer) if sanitized else evaluator
            return judge.evaluate(source)

    def verdict(self, task: str, source: str) -> GateResult:
        problem = self.problem(task)
        return HeldOutGate(repeats=3).judge(
            task=problem.task, size=problem.heldout, sizes=problem.sizes, device=self._device, inputs_seed=0,
            seed_kernel=problem.task.seed_kernel, incumbent=source, watch=Stopwatch(), sanitizer=self._sanitizer,
        )  # fmt: skip

    def close(self) -> None:
        self._sanitizer.close()
        self._device.close()


@pytest.fixture(scope="module")
def court(composed: Compose) -> Iterator[Court]:
    made = Court(composed)
    yield made
    made.close()


AXPY = "    out[i] = a * x[i] + y[i];"
OF_AXPY = "((device uchar *)out)[4u * i]"  # what was in an element before
# What each check is for: with all of them the kernel fails, without this one it is scored. The sanitizer, which would
# find some of them as well, is left out.
ONLY_STOPPED_BY = {
    # computes over the bytes of the verified run alone
    Safeguard.POISON: ("saxpy", before(AXPY, f"    if ({OF_AXPY} != 0xFFu) return;")),
    # garbage in about half of the runs, and none in the last one that is compared, with luck
    Safeguard.TURNS: ("saxpy", before(AXPY, f"    if ({OF_AXPY} == 0x7Fu) {{ out[i] = 0.5f; return; }}")),
    # within the tolerance, and not the same each time
    Safeguard.BITWISE: (
        "saxpy",
        swap((AXPY, f"    out[i] = (a * x[i] + y[i]) * ({OF_AXPY} == 0xFFu ? 1.0f : 1.000001f);")),
    ),
    Safeguard.GUARDS: ("heat2d", before(HEAT, "    if (c == NX + 1u) *(u_out - 3) = 1.0f;")),
    Safeguard.PROBES: (
        "lbm",
        swap(
            ("4.5f * cu * cu", "(uu < 1e-4f ? 0.0f : 4.5f * cu * cu)"),
            ("- 1.5f * uu", "- (uu < 1e-4f ? 0.0f : 1.5f * uu)"),
        ),
    ),
    Safeguard.DRAWN: ("heat2d", constant("alpha", "0.20f")),
}

SAMPLE_OF_ATTACKS = [attack for attack in ATTACKS if attack.task in ("heat2d", "hmc")][:10:2]
SAMPLE_OF_CONTROLS = [control for control in CONTROLS if control.task == "heat2d"][:3]


def assert_fails(court: Court, attack: Attack) -> None:
    evaluation = court.evaluation(attack.task, attack.source)
    if evaluation.outcome.correct:
        verdict = court.verdict(attack.task, attack.source)
        assert verdict.verdict in (Verdict.WRONG, Verdict.UNSOUND, Verdict.SUSPECT), (evaluation, verdict)


def assert_passes(court: Court, control: Control) -> None:
    evaluation = court.evaluation(control.task, control.source)
    assert evaluation.outcome is Outcome.SCORED, evaluation.message
    verdict = court.verdict(control.task, control.source)
    assert verdict.verdict not in (Verdict.WRONG, Verdict.UNSOUND, Verdict.SUSPECT), verdict


def test_there_are_enough_of_all_kinds() -> None:
    assert len(ATTACKS) >= 80
    assert len(CONTROLS) >= 40
    assert {attack.task for attack in ATTACKS} == set(SIZES)
    assert {attack.kind for attack in ATTACKS} == set("ABCDEF")
    assert len(set(map(str, ATTACKS))) == len(ATTACKS)


@pytest.mark.parametrize("attack", SAMPLE_OF_ATTACKS, ids=str)
def test_an_attack_fails(court: Court, attack: Attack) -> None:
    assert_fails(court, attack)


@pytest.mark.parametrize("control", SAMPLE_OF_CONTROLS, ids=str)
def test_a_control_passes(court: Court, control: Control) -> None:
    assert_passes(court, control)


@pytest.mark.parametrize("check", ONLY_STOPPED_BY, ids=str)
def test_without_a_check_an_attack_comes_through(court: Court, check: Safeguard) -> None:
    task, made = ONLY_STOPPED_BY[check]
    source = made(seed_kernel(task))
    assert not court.evaluation(task, source, sanitized=False, timed=20).outcome.correct
    tries = (court.evaluation(task, source, ALL - {check}, sanitized=False, timed=3) for _ in range(40))
    assert any(tried.outcome.correct for tried in tries)


ONLY_STOPPED_BY_THE_SANITIZER = [
    ("heat2d", "early return before a barrier"),
    ("heat2d", "waits for the group before"),
    ("heat2d", "reads from a lane that has returned"),
    ("saxpy", "reads from an inactive lane"),
]


@pytest.mark.parametrize(("task", "name"), ONLY_STOPPED_BY_THE_SANITIZER)
def test_without_the_sanitizer_an_attack_comes_through(court: Court, task: str, name: str) -> None:
    source = next(attack.source for attack in ATTACKS if (attack.task, attack.name) == (task, name))
    assert court.evaluation(task, source, sanitized=False).outcome.correct
    assert not court.evaluation(task, source).outcome.correct


def test_every_check_has_its_attack() -> None:
    """That of the floors is a machine that has less than a kernel shows, see tests/evaluation/test_floors.py."""
    assert set(ONLY_STOPPED_BY) == ALL - {Safeguard.FLOORS}


@pytest.mark.attacks
@pytest.mark.timeout(600)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_every_attack_fails(court: Court, attack: Attack) -> None:
    assert_fails(court, attack)


@pytest.mark.attacks
@pytest.mark.timeout(600)
@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_every_control_passes(court: Court, control: Control) -> None:
    assert_passes(court, control)
