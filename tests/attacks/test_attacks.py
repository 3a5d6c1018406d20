"""None of the attacks is scored and passes the gate, and none of the honest kernels is refused.

A few of each run with all other tests; `make attacks` runs them all.
"""

import pytest
from attack_kernels import ATTACKS, SIZES
from honest_kernels import CONTROLS
from hydra.utils import instantiate

from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer
from metalsci.evaluation.evaluator import Evaluator, Repeats
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.safeguards import ALL
from metalsci.evaluation.sanitizer_policy import Sanitized
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.gate.heldout import HeldOutGate
from metalsci.gate.verdicts import Verdict

CEILINGS = ("device=cpu", "device.ceilings.bandwidth=10", "device.ceilings.fp32=100", "device.time_limit=20")


class Court:
    """A judge of kernels, as in a run: evaluation with the sanitizer, then the gate."""

    def __init__(self, composed):
        self._composed = composed
        self._device = instantiate(composed(*CEILINGS).device)
        self._sanitizer = CpuSanitizer(seconds=10.0)

    def problem(self, task):
        first, second, heldout = SIZES[task]
        overrides = (f"task={task}", f"task.sizes=[{first},{second}]", f"task.heldout={heldout}")
        return instantiate(self._composed(*overrides).task)

    def evaluation(self, task, source, checks=ALL, sanitized=True):
        problem = self.problem(task)
        with Evaluator(problem.task, problem.sizes, self._device, 0, Repeats(1, 6), Stopwatch(), checks) as evaluator:
            judge = Sanitized(evaluator, self._sanitizer) if sanitized else evaluator
            return judge.evaluate(source)

    def verdict(self, task, source):
        problem = self.problem(task)
        return HeldOutGate(repeats=3).judge(
            task=problem.task, size=problem.heldout, sizes=problem.sizes, device=self._device, inputs_seed=0,
            seed_kernel=problem.task.seed_kernel, incumbent=source, watch=Stopwatch(), sanitizer=self._sanitizer,
        )  # fmt: skip

    def close(self):
        self._sanitizer.close()
        self._device.close()


@pytest.fixture(scope="module")
def court(composed):
    made = Court(composed)
    yield made
    made.close()


SAMPLE_OF_ATTACKS = [attack for attack in ATTACKS if attack.task in ("heat2d", "hmc")][:10:2]
SAMPLE_OF_CONTROLS = [control for control in CONTROLS if control.task == "heat2d"][:3]


def assert_fails(court, attack):
    evaluation = court.evaluation(attack.task, attack.source)
    if evaluation.outcome.correct:
        verdict = court.verdict(attack.task, attack.source)
        assert verdict.verdict in (Verdict.WRONG, Verdict.UNSOUND, Verdict.SUSPECT), (evaluation, verdict)


def assert_passes(court, control):
    evaluation = court.evaluation(control.task, control.source)
    assert evaluation.outcome is Outcome.SCORED, evaluation.message
    verdict = court.verdict(control.task, control.source)
    assert verdict.verdict not in (Verdict.WRONG, Verdict.UNSOUND, Verdict.SUSPECT), verdict


def test_there_are_enough_of_all_kinds():
    assert len(ATTACKS) >= 80
    assert len(CONTROLS) >= 40
    assert {attack.task for attack in ATTACKS} == set(SIZES)
    assert {attack.kind for attack in ATTACKS} == set("ABCDEF")
    assert len(set(map(str, ATTACKS))) == len(ATTACKS)


@pytest.mark.parametrize("attack", SAMPLE_OF_ATTACKS, ids=str)
def test_an_attack_fails(court, attack):
    assert_fails(court, attack)


@pytest.mark.parametrize("control", SAMPLE_OF_CONTROLS, ids=str)
def test_a_control_passes(court, control):
    assert_passes(court, control)


@pytest.mark.attacks
@pytest.mark.timeout(600)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_every_attack_fails(court, attack):
    assert_fails(court, attack)


@pytest.mark.attacks
@pytest.mark.timeout(600)
@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_every_control_passes(court, control):
    assert_passes(court, control)
