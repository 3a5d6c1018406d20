"""The commands as functions: judge a kernel, compare several, look for undefined behaviour, run a search.

    evaluate("saxpy", source)                   # correct? how fast, at each size?
    compare("saxpy", [seed, mine, yours])       # side by side, the first being the baseline
    check(source, task="saxpy")                 # compiler, rules and sanitizer, no clock
    profile("saxpy", source, chip="M2 Max")     # what an Apple GPU would do, and its predicted time
    run(["task=saxpy", "budget.iterations=5"])  # a whole search

`settings` are overrides as on the command line: `["device.threads=1", "repeats.timed=3"]`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from metalsci.cpu_metal import ArchitectureError
from metalsci.cpu_metal import Device as SoftwareDevice
from metalsci.devices.cpu.cpu_sanitizer import CpuSanitizer
from metalsci.devices.virtual.gpu_facts import facts_of
from metalsci.devices.virtual.prediction import Prediction
from metalsci.evaluation.evaluator import Evaluator
from metalsci.evaluation.paired import Duel, confirm, speedup_of
from metalsci.evaluation.results import Evaluation
from metalsci.evaluation.sanitizer_policy import Sanitized, inspect
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.experiment.hydra_versions import base
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.experiment.profiling import predict_kernel
from metalsci.experiment.run_parts import make_sanitizer
from metalsci.experiment.schemas import register
from metalsci.experiment.search_run import run_experiment
from metalsci.files.locations import data
from metalsci.models.protocol import LanguageModel, Model
from metalsci.msl.diagnostics import CompileError, Diagnostic, Finding, Severity
from metalsci.msl.language.math_mode import MathMode
from metalsci.task.definition import Size
from metalsci.task.input_seeds import fresh_seed
from metalsci.task.loader import Problem
from metalsci.tracking.protocol import Observer
from metalsci.tracking.summary import Summary


@dataclass(frozen=True)
class Compared:
    """One kernel next to the baseline.

    name: as given, or its number. duels: one a size, in the order of the sizes; empty if it does not compile.
    speedup: geometric mean over the sizes of the baseline's time over this kernel's; zero unless correct everywhere.
    """

    name: str
    duels: tuple[Duel, ...]
    diagnostics: tuple[Diagnostic, ...]
    speedup: float


@dataclass(frozen=True)
class Comparison:
    """Kernels of one task, each run in turn with the baseline on the same inputs.

    baseline: name of the first kernel. pairs: the others, in the order given. inputs_seed: repeats the inputs.
    """

    task: str
    device: str
    inputs_seed: int
    baseline: str
    pairs: tuple[Compared, ...]


@dataclass(frozen=True)
class Checked:
    """Verdict on a kernel without a clock.

    diagnostics: of the rules and the compiler. findings: of the sanitizer; empty without a task, since it needs inputs.
    """

    diagnostics: tuple[Diagnostic, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def correct(self) -> bool:
        """True if it compiles and does nothing that Metal leaves undefined."""
        refused = any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)
        return not refused and not any(finding.undefined for finding in self.findings)


def evaluate(
    task: str,
    source: str,
    *,
    sizes: Sequence[str] | None = None,
    check: bool = True,
    settings: Sequence[str] = (),
) -> Evaluation:
    """Judge a kernel as a search does: compile, compare with the reference, time, score.

    task: a name in conf/task. source: the text of a `.metal` file. sizes: labels of in-distribution sizes, all by
    default. check: run the sanitizer too. A fault of the kernel is a result, not an exception.

    Example:
        >>> seed = open("tasks/saxpy/seed.metal").read()
        >>> evaluation = evaluate("saxpy", seed, sizes=["N=1048576"], settings=["repeats.timed=3"])
        >>> evaluation.outcome
        <Outcome.SCORED: 'scored'>

    Raises ConfigError and TaskError for settings, tasks and sizes that do not exist.
    """
    cfg = _evaluate_config(task, settings)
    sanitizer = make_sanitizer(cfg) if check else None
    try:
        with _evaluator(cfg, sizes) as evaluator:
            if sanitizer is None:
                return evaluator.evaluate(source)
            return Sanitized(evaluator, sanitizer).evaluate(source)
    finally:
        if sanitizer is not None:
            sanitizer.close()


def compare(
    task: str,
    sources: Sequence[str] | Mapping[str, str],
    *,
    sizes: Sequence[str] | None = None,
    settings: Sequence[str] = (),
) -> Comparison:
    """Run kernels in turn with the first of them, on the same inputs, so that a busy machine slows both sides.

    sources: the kernels' texts, by name or numbered from 0; the first is the baseline. sizes: labels, all by default.

    Example:
        >>> seed = open("tasks/saxpy/seed.metal").read()
        >>> comparison = compare("saxpy", {"seed": seed, "same": seed}, sizes=["N=1048576"])
        >>> [(pair.name, len(pair.duels)) for pair in comparison.pairs]
        [('same', 1)]

    Raises ConfigError and TaskError as `evaluate`, and CompileError if the baseline does not compile.
    """
    named = _named(sources)
    if len(named) < 2:
        raise ConfigError(f"a comparison needs two kernels or more, got {len(named)}")
    cfg = _evaluate_config(task, settings)
    (baseline, first), *others = named.items()
    with _evaluator(cfg, sizes) as evaluator:
        evaluator.compile(first).close()  # its errors are the caller's, those of the others are results
        pairs = tuple(_compare_one(evaluator, first, name, source) for name, source in others)
        return Comparison(evaluator.task.name, evaluator.device.name, int(cfg.inputs.seed), baseline, pairs)


def check(source: str, task: str | None = None, *, math_mode: MathMode | str = MathMode.fast) -> Checked:
    """Check a kernel without timing it: Metal's rules, the compiler, and with a task its interface and the sanitizer.

    source: the text of a `.metal` file. task: a name in conf/task, whose smallest size and probes are run with every
    access checked.

    Example:
        >>> check("kernel void f(device float *x [[buffer(0)]]) { x[0] = y; }").diagnostics[0].message
        "use of undeclared identifier 'y'"

    Raises ConfigError and TaskError for a task that does not exist, and ConfigError if METALSCI_ARCHITECTURE names a
    processor that this one cannot stand in for.
    """
    mode = MathMode(math_mode)
    if task is None:
        with _plain_device() as device:
            return _compiled(device, source, mode)
    cfg = _evaluate_config(task, (f"device.math_mode={mode.value}",))
    with _evaluator(cfg, None) as evaluator:
        try:
            module = evaluator.compile(source)
        except CompileError as error:
            return Checked(error.diagnostics)
        warnings = tuple(module.warnings)
        module.close()
        sanitizer = CpuSanitizer(math_mode=mode)
        try:
            return Checked(warnings, inspect(sanitizer, evaluator.bench(0), source).all)
        finally:
            sanitizer.close()


def profile(
    task: str,
    source: str,
    *,
    size: str | None = None,
    chip: str = "M1 Pro",
    settings: Sequence[str] = (),
) -> Prediction:
    """Count what a kernel's program does on the software device, and predict its time on an Apple GPU.

    size: label of an in-distribution size, by default the last, which is the largest. chip: an Apple GPU of which facts
    are known. The same kernel has the same prediction on every machine.

    Example:
        >>> seed = open("tasks/saxpy/seed.metal").read()
        >>> prediction = profile("saxpy", seed, size="N=1048576", chip="M2 Max")
        >>> prediction.bottleneck[0]
        'traffic'

    Raises ConfigError and TaskError as `evaluate`, DeviceError for a chip without facts, CompileError for a kernel that
    does not compile, KernelFailure for one that cannot be counted.
    """
    gpu = facts_of(chip)
    problem: Problem = make(_evaluate_config(task, settings), "task")
    (chosen,) = _chosen(problem, [size]) if size is not None else problem.sizes[-1:]
    return predict_kernel(problem, chosen, source, gpu)


def run(
    overrides: Sequence[str] = (),
    *,
    model: Model | LanguageModel | None = None,
    observers: Sequence[Observer] = (),
    quiet: bool = False,
) -> Summary:
    """Run a search, as `python -m metalsci.run` does with these overrides, and return its result.

    The run has a folder of its own, which `hydra.run.dir=FOLDER` names. If it is interrupted, the command line can
    resume it. Keys of model providers are taken out of the environment for good.

    model: who answers, instead of the config's. observers: further followers of the run. quiet: print nothing.

    Example:
        >>> summary = run(["task=saxpy", "budget.iterations=1", "tracker=none"])
        >>> summary.iterations
        1

    Raises the errors of `metalsci.experiment.search_run.run_experiment`.
    """
    cfg = compose_config("config", [*overrides, "hydra.mode=RUN"], hydra=True)
    HydraConfig.instance().set_config(cfg)  # ${hydra:…} in settings
    folder = Path(cfg.hydra.run.dir)
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(list(overrides)), folder / ".hydra" / "overrides.yaml")
    with open_dict(cfg):
        del cfg["hydra"]
    return run_experiment(cfg, folder, None, model=model, observers=observers, quiet=quiet)


def _named(sources: Sequence[str] | Mapping[str, str]) -> Mapping[str, str]:
    if isinstance(sources, Mapping):
        return sources
    return {str(number): source for number, source in enumerate(sources)}


def _compare_one(evaluator: Evaluator, baseline: str, name: str, source: str) -> Compared:
    try:
        duels = confirm(evaluator, baseline, source)
    except CompileError as error:
        return Compared(name, (), error.diagnostics, 0.0)
    return Compared(name, duels, (), speedup_of(duels))


def _plain_device() -> SoftwareDevice:
    try:
        return SoftwareDevice(threads=1)
    except ArchitectureError as error:
        raise ConfigError(str(error)) from error


def _compiled(device: SoftwareDevice, source: str, math_mode: MathMode) -> Checked:
    try:
        return Checked(tuple(device.compile(source, math_mode).warnings))
    except CompileError as error:
        return Checked(error.diagnostics)


@contextmanager
def _evaluator(cfg: DictConfig, labels: Sequence[str] | None) -> Iterator[Evaluator]:
    problem, repeats, device = make(cfg, "task"), make(cfg, "repeats"), make(cfg, "device")
    try:
        sizes = _chosen(problem, labels)
        with Evaluator(problem.task, sizes, device, int(cfg.inputs.seed), repeats, Stopwatch()) as evaluator:
            yield evaluator
    finally:
        device.close()


def _chosen(problem: Problem, labels: Sequence[str] | None) -> Sequence[Size]:
    if labels is None:
        return problem.sizes
    known = {size.label: size for size in problem.sizes}
    for label in labels:
        if label not in known:
            raise ConfigError(f"task {problem.task.name} has no size {label!r}; its sizes: {', '.join(known)}")
    return [known[label] for label in labels]


def _evaluate_config(task: str, settings: Sequence[str]) -> DictConfig:
    cfg = compose_config("evaluate", [f"task={task}", *settings])
    if cfg.inputs.seed is None:
        cfg.inputs.seed = fresh_seed()
    return cfg


def compose_config(name: str, overrides: Sequence[str], *, hydra: bool = False) -> DictConfig:
    """Compose a config as its command does. Raises ConfigError."""
    from metalsci.cli.config_errors import explain

    register()
    try:
        with initialize_config_dir(str(data("conf")), **base()):
            return compose(name, overrides=list(overrides), return_hydra_config=hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error
