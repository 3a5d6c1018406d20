"""The gate on kernels that behave at the search's sizes and not at the held-out one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import pytest
from composing import Compose
from hydra.utils import instantiate

from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer
from metalsci.devices.protocol import Device
from metalsci.evaluation.results import Outcome
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.gate.heldout import GateError, HeldOutGate
from metalsci.gate.reasons import reason
from metalsci.gate.verdicts import GateResult, Verdict
from metalsci.task.definition import Size
from metalsci.task.loader import Problem

# The held-out size is not square, so that exchanging NX and NY shows.
SETUP = ("task=heat2d", "task.heldout={NX: 200, NY: 120, steps: 20}", "device.time_limit=5")
STORE = "    u_out[c] = u + alpha * (u_in[c - 1] + u_in[c + 1] + u_in[c - NX] + u_in[c + NX] - 4.0f * u);"
SLOW = "    float s = 0; for (uint k = 0; k < 200u; ++k) s += sin(u + float(k)); if (s > 1e30f) return;\n"


@dataclass(frozen=True)
class Judge:
    """The gate, on kernels made from the seed kernel."""

    problem: Problem
    device: Device
    sanitizer: CpuSanitizer

    @property
    def seed(self) -> str:
        return self.problem.task.seed_kernel

    def __call__(self, incumbent: Callable[[str], str], seed_kernel: str | None = None) -> GateResult:
        return HeldOutGate(repeats=9).judge(
            task=self.problem.task, size=self.problem.heldout, device=self.device, inputs_seed=0,
            seed_kernel=seed_kernel or self.seed, incumbent=incumbent(self.seed), watch=Stopwatch(),
            sanitizer=self.sanitizer,
        )  # fmt: skip


@pytest.fixture(scope="module")
def judge(composed: Compose) -> Iterator[Judge]:
    cfg = composed(*SETUP, "device.ceilings.bandwidth=10", "device.ceilings.fp32=100")
    device, sanitizer = instantiate(cfg.device), CpuSanitizer()
    yield Judge(instantiate(cfg.task), device, sanitizer)
    sanitizer.close()
    device.close()


def test_a_faster_kernel_generalizes(judge: Judge) -> None:
    result = judge(lambda seed: seed, seed_kernel=judge.seed.replace(STORE, SLOW + STORE))
    assert result.verdict is Verdict.GENERALIZES
    assert result.heldout_speedup is not None and result.heldout_speedup > 1.05
    assert result.quartiles is not None and result.incumbent.roofline is not None
    assert result.quartiles[0] <= result.heldout_speedup <= result.quartiles[1]
    assert result.phi == pytest.approx(result.incumbent.roofline.fraction)
    assert result.size == "200×120·20"


def test_a_kernel_that_is_slow_at_other_sizes_regresses(judge: Judge) -> None:
    slow_elsewhere = "    if (NX != NY) {\n" + SLOW + "    }\n"
    result = judge(lambda seed: seed.replace(STORE, slow_elsewhere + STORE))
    assert result.verdict is Verdict.REGRESSES
    assert result.heldout_speedup is not None and result.heldout_speedup < 0.95


def test_a_kernel_that_is_wrong_at_other_sizes_is_wrong(judge: Judge) -> None:
    result = judge(lambda seed: seed.replace("u_in[c - NX] + u_in[c + NX]", "u_in[c - NY] + u_in[c + NY]"))
    assert result.verdict is Verdict.WRONG
    assert result.heldout_speedup is None
    assert result.incumbent.outcome is Outcome.WRONG
    assert "elements" in result.incumbent.detail


def test_a_kernel_that_crashes_at_other_sizes_is_wrong(judge: Judge) -> None:
    result = judge(lambda seed: seed.replace(STORE, "    if (NX != NY) u_out[c + (1u << 28)] = u;\n" + STORE))
    assert result.verdict is Verdict.WRONG
    assert "u_out[" in result.findings[0].text
    assert "beyond the end of buffer 1 'u_out'" in result.findings[0].text
    assert result.incumbent.outcome is Outcome.CRASHED


def test_a_seed_kernel_that_fails_is_an_error_not_a_verdict(judge: Judge) -> None:
    with pytest.raises(GateError, match="200×120"):
        judge(lambda seed: seed, seed_kernel=judge.seed.replace("alpha *", "2.0f * alpha *"))


@pytest.mark.parametrize(
    ("speedup", "verdict"),
    [(1.05, Verdict.GENERALIZES), (1.0499, Verdict.TIED), (0.95, Verdict.TIED), (0.9499, Verdict.REGRESSES)],
)
def test_verdicts_turn_at_their_bounds(speedup: float, verdict: Verdict) -> None:
    assert HeldOutGate().verdict(speedup, (speedup, speedup)) is verdict


@pytest.mark.parametrize(("speedup", "quartiles"), [(1.3, (0.9, 1.8)), (0.8, (0.6, 1.1))])
def test_where_noise_decides_nothing_is_decided(speedup: float, quartiles: tuple[float, float]) -> None:
    assert HeldOutGate().verdict(speedup, quartiles) is Verdict.UNDECIDED


def test_the_seed_kernel_against_itself_is_tied(judge: Judge) -> None:
    assert judge(lambda seed: seed).verdict is Verdict.TIED
    assert judge(lambda seed: "// the same\n" + seed).evidence == "it is the seed kernel"


def test_what_cannot_be_built_or_bound_is_a_verdict(judge: Judge) -> None:
    assert judge(lambda seed: seed + "\nerror").verdict is Verdict.WRONG
    memory = "    threadgroup float t[16384]; t[i % 16384] = 1.0f; if (t[i % 16384] > 2.0f) return;\n"
    result = judge(lambda seed: seed.replace(STORE, memory + STORE))
    assert result.verdict is Verdict.WRONG
    assert "hreadgroup memory" in result.evidence


def test_a_race_at_the_held_out_size_alone_is_unsound(judge: Judge) -> None:
    racy = "    if (NX == 200u && i > 1) u_out[c - 1] = u_out[c - 1] + 0.0f;\n"
    result = judge(lambda seed: seed.replace(STORE, STORE + "\n" + racy))
    assert result.verdict in (Verdict.UNSOUND, Verdict.WRONG)
    assert result.findings or result.evidence


def test_the_reason_names_the_sizes_of_the_source() -> None:
    named = reason("if (NX == 256u || NX == 1024u) {}", [Size("a", {"NX": 256}), Size("b", {"NX": 1024})],
                   Size("h", {"NX": 768}))  # fmt: skip
    assert "names 256 and 1024" in named


def test_a_result_survives_json(judge: Judge) -> None:
    result = judge(lambda seed: seed)
    assert msgspec.json.decode(msgspec.json.encode(result), type=GateResult) == result
