"""One kernel, judged outside any search: right or wrong at each size, and its speed next to the seed kernel's."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from metalsci.devices.cpu.cpu_sanitizer import Findings
from metalsci.devices.protocol import Predicting
from metalsci.evaluation.evaluator import Evaluator
from metalsci.evaluation.paired import Contender, confirm, score_of
from metalsci.evaluation.sanitizer_policy import complaint, condemned, inspect, look
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.experiment.run_parts import check_seed, make_sanitizer
from metalsci.gate.heldout import HeldOutGate
from metalsci.gate.transfer import abstained, transferred
from metalsci.gate.verdicts import Transfer, Verdict
from metalsci.msl.diagnostics import CompileError, Diagnostic, Finding
from metalsci.task.input_seeds import fresh_seed


@dataclass(frozen=True)
class SizeJudgement:
    """Result at one size.

    speedup: over the seed kernel, with its quartiles; None for the seed kernel itself, or if either is wrong.
    """

    size: str
    heldout: bool
    result: Contender
    speedup: float | None = None
    quartiles: tuple[float, float] | None = None


@dataclass(frozen=True)
class Judgement:
    """Result of one kernel, written as evaluation.json.

    kernel: a file, or "seed".
    score: S over the in-distribution sizes.
    verdict: the gate's, if the held-out size was requested and the kernel is not the seed.
    findings: the sanitizer's.
    transfer: prediction for a GPU at the held-out size, if the gate was asked for one.
    """

    task: str
    kernel: str
    device: str
    inputs_seed: int
    sizes: tuple[SizeJudgement, ...]
    diagnostics: tuple[Diagnostic, ...]
    score: float
    verdict: Verdict | None
    seconds: float
    findings: tuple[Finding, ...] = ()
    transfer: Transfer | None = None
    schema: int = 1

    @property
    def correct(self) -> bool:
        return bool(self.sizes) and all(size.result.outcome.correct for size in self.sizes)


def judge_all(cfg: DictConfig) -> list[Judgement]:
    """Judge every kernel that `kernel` names, on the same inputs. Raises the errors of `judge`."""
    if isinstance(cfg.kernel, ListConfig):
        kernels = list(cfg.kernel)
    else:
        kernels = [cfg.kernel]
    if not kernels:
        raise ConfigError("kernel=[]: name a .metal file or several, or leave it out for the seed kernel")
    for kernel in kernels:
        _read(kernel)  # before anything runs
    cfg = cfg.copy()
    check_seed("inputs.seed", cfg.inputs.seed)
    if cfg.inputs.seed is None:
        cfg.inputs.seed = fresh_seed()
    judgements = []
    for kernel in kernels:
        cfg.kernel = kernel
        judgements.append(judge(cfg))
    return judgements


def judge(cfg: DictConfig) -> Judgement:
    """Judge a kernel; its faults are a result. Raises ConfigError and TaskError if it cannot be judged."""
    watch = Stopwatch()
    check_seed("inputs.seed", cfg.inputs.seed)
    source = _read(cfg.kernel)
    problem, gate, repeats = make(cfg, "task"), make(cfg, "gate"), make(cfg, "repeats")
    sizes = [*problem.sizes, *([problem.heldout] if cfg.heldout else [])]
    device = make(cfg, "device")
    if cfg.inputs.seed is None:
        inputs_seed = fresh_seed()
    else:
        inputs_seed = cfg.inputs.seed
    try:
        with Evaluator(problem.task, sizes, device, inputs_seed, repeats, watch) as evaluator:
            if source is None:
                judged, diagnostics = _alone(evaluator)
            else:
                judged, diagnostics = _beside_the_seed(evaluator, source)
            transfer = None
            if source is not None and cfg.heldout and len(judged) == len(sizes) and judged[-1][1]:
                transfer = _foreseen(gate, evaluator, source)
            if diagnostics:
                found = Findings()
            else:
                found = _look(cfg, evaluator, source or problem.task.seed_kernel, judged)
        judged = _less_luck(judged, found)
        name = device.name
    finally:
        device.close()
    count = len(problem.sizes)
    verdict = None
    if source is not None and cfg.heldout:
        if len(judged) == len(sizes):
            _, speedup, quartiles = judged[-1]
        else:
            _, speedup, quartiles = (None, None, None)
        if speedup:
            verdict = gate.verdict(speedup, quartiles)
        else:
            verdict = Verdict.WRONG
        if transfer is not None:
            verdict = (abstained if isinstance(device, Predicting) else transferred)(verdict, transfer)
    return Judgement(
        task=problem.task.name,
        kernel=cfg.kernel or "seed",
        device=name,
        inputs_seed=inputs_seed,
        sizes=tuple(
            SizeJudgement(s.label, i == count, *j) for i, (s, j) in enumerate(zip(sizes, judged, strict=False))
        ),
        diagnostics=diagnostics,
        score=score_of([result for result, *_ in judged[:count]]),
        verdict=verdict,
        seconds=watch.total,
        findings=found.all,
        transfer=transfer,
    )


Sides = Sequence[tuple[Contender, float | None, tuple[float, float] | None]]


def _alone(evaluator: Evaluator) -> tuple[Sides, tuple[Diagnostic, ...]]:
    evaluation = evaluator.evaluate(evaluator.task.seed_kernel)
    return [(Contender.of(result), None, None) for result in evaluation.sizes], evaluation.diagnostics


def _beside_the_seed(evaluator: Evaluator, source: str) -> tuple[Sides, tuple[Diagnostic, ...]]:
    try:
        duels = confirm(evaluator, evaluator.task.seed_kernel, source)
    except CompileError as failure:
        return [], failure.diagnostics
    return [(duel.challenger, duel.speedup, duel.quartiles) for duel in duels], ()


def _look(cfg: DictConfig, evaluator: Evaluator, source: str, judged: Sides) -> Findings:
    """Check at the size where the kernel is wrong, or at the smallest."""
    sanitizer = make_sanitizer(cfg)
    if sanitizer is None:
        return Findings()
    wrong = [i for i, (contender, *_) in enumerate(judged) if not contender.outcome.correct]
    try:
        bench = evaluator.bench(wrong[0] if wrong else 0)
        if wrong:
            return look(sanitizer, bench, source)
        return inspect(sanitizer, bench, source)
    finally:
        sanitizer.close()


def _foreseen(gate: HeldOutGate, evaluator: Evaluator, source: str) -> Transfer | None:
    """Predict the kernel next to the seed kernel at the held-out size."""
    with ExitStack() as cleanup:
        modules = [evaluator.compile(text) for text in (evaluator.task.seed_kernel, source)]
        for module in modules:
            cleanup.callback(module.close)
        return gate.foreseen(evaluator.benches[-1], evaluator.device, *modules)


def _less_luck(judged: Sides, found: Findings) -> Sides:
    """Count as wrong everywhere any kernel that does something undefined in Metal."""
    outcome = condemned(found)
    if outcome is None:
        return judged
    detail = complaint(found)
    return [
        (Contender(outcome, detail), None, None) if contender.outcome.correct else (contender, speedup, quartiles)
        for contender, speedup, quartiles in judged
    ]


def _read(kernel: object) -> str | None:
    if kernel is None:
        return None
    if not isinstance(kernel, str):
        raise ConfigError(f"kernel={kernel}: name a .metal file, or a list of them")
    try:
        return Path(kernel).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"kernel={kernel} cannot be read: {error}") from error
