"""One experiment, from a composed config to a result: search, confirm, gate, export, log."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from metalsci.devices.protocol import Correctable, Described, Device, Machine, Predicting, Preparing
from metalsci.evaluation.evaluator import Evaluator
from metalsci.evaluation.paired import Duel, confirm
from metalsci.evaluation.pairing import Pairing
from metalsci.evaluation.sanitizer_policy import Sanitized
from metalsci.evaluation.stopwatch import Stopwatch
from metalsci.experiment.best_module import best_py, facts
from metalsci.experiment.ceiling_evidence import evidence
from metalsci.experiment.kernel_tools import KernelTools
from metalsci.experiment.one_at_a_time import LockedPromotion, locked
from metalsci.experiment.run_identity import fingerprint, start_source
from metalsci.experiment.run_memory import RunMemory
from metalsci.experiment.run_parts import Parts, build, math_mode_of
from metalsci.experiment.run_summary import RunNames, summarize, versions
from metalsci.experiment.scoring import forecaster_of, how_it_wins, promotion_by
from metalsci.experiment.seal import seal
from metalsci.files.locations import shown
from metalsci.files.whole_files import read_json
from metalsci.gate.verdicts import GateResult
from metalsci.models.http.keys import key_ring
from metalsci.models.protocol import LanguageModel, Model, UsesTools
from metalsci.models.replay import Replay
from metalsci.msl.language.parse import Unit
from metalsci.search.account import Account
from metalsci.search.archive import Entry
from metalsci.search.code_twins import CodeTwins
from metalsci.search.conversation import Conversation
from metalsci.search.distilling import Distiller
from metalsci.search.flights import AsRecorded
from metalsci.search.journal import Journal, JournalError, Recording, read_recording
from metalsci.search.loop import Finished, Search, Watcher
from metalsci.search.proposal import Evaluate
from metalsci.search.proposer import Proposer
from metalsci.search.replayed_evaluations import DecidedAsRecorded, as_recorded
from metalsci.search.run_folder import RunFolder
from metalsci.search.spoken_words import Steering
from metalsci.search.status_files import StatusFiles
from metalsci.task.input_seeds import fresh_seed
from metalsci.tracking.console import ConsoleView, make_console
from metalsci.tracking.observers import Observers
from metalsci.tracking.protocol import Observer, RunInfo
from metalsci.tracking.summary import Summary

_BUSY = 0.75  # of the processors: from this load on, timings are those of a shared machine


def run_experiment(
    cfg: DictConfig,
    folder: Path,
    sweep: str | None,
    accepted: Callable[[], None] = lambda: None,
    *,
    model: Model | LanguageModel | None = None,
    observers: Sequence[Observer] = (),
    quiet: bool = False,
) -> Summary:
    """Run the experiment in `folder`, continuing after the end of its journal.

    `sweep` names the group of a sweep's runs.

    accepted: called once the settings are usable and the folder is this run's; before, nothing in it has changed.
    model: instead of the config's. observers: besides the config's. quiet: print nothing.

    Raises ConfigError for unusable settings, JournalError, SeedKernelError, GateError, ModelError and BudgetError as
    documented there, and OSError if the folder cannot be written. However it ends, model, device and tracker are
    closed.
    """
    key_ring().withhold()  # before the first child process starts
    watch = Stopwatch()
    parts = build(cfg)
    parts = replace(parts, model=model or parts.model, observers=[*observers, *parts.observers])
    with ExitStack() as stack:
        stack.callback(parts.device.close)
        if parts.sanitizer:
            stack.callback(parts.sanitizer.close)
        stack.enter_context(_alone_in(folder))
        view = ConsoleView(parts.budget, make_console(stderr=cfg.json, quiet=quiet))
        following = Observers([view, *parts.observers], lambda sentence: view.say(sentence, "dim"))
        stack.push(lambda kind, *_: following.close(failed=kind is not None))
        recording = _recording(parts.model)
        start = start_source(cfg.start)
        same = fingerprint(cfg, parts.problem, start)
        machine = partial(_machine, parts.device, recording)
        memory = RunMemory(parts.memory, parts.problem.task.name, parts.device.name, Path(cfg.paths.outputs), recording)
        journal = Journal(folder / "journal.jsonl", same, _inputs_seed(cfg, recording), machine, memory.begin)
        accepted()
        cfg = cfg.copy()
        cfg.inputs.seed = journal.inputs_seed
        if isinstance(parts.model, AbstractContextManager):
            stack.enter_context(parts.model)  # a run that stops here because it has no key has a journal to resume
        run = _Run(cfg, parts, RunFolder(folder), journal, recording, following, watch, start, memory)
        return run.to_the_end(sweep)


def _machine(device: Device, recording: Recording | None) -> Machine:
    """Return the description of the device for models: the recorded one, if a recorded run is repeated."""
    if recording:
        return recording.machine
    if isinstance(device, Described):
        return device.machine
    return Machine()


def _recording(model: Model | LanguageModel) -> Recording | None:
    """Return the recording that an exact replay repeats. Raises JournalError."""
    if isinstance(model, Replay) and model.strict:
        return read_recording(model.journal)
    return None


def _inputs_seed(cfg: DictConfig, recording: Recording | None) -> int:
    """Choose the input seed: configured, else recorded, else drawn from the operating system."""
    if cfg.inputs.seed is not None:
        return int(cfg.inputs.seed)
    if recording:
        return recording.inputs_seed
    return fresh_seed()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock the folder: two processes must not write one journal. Raises JournalError if another is at work."""
    lock = FileLock(folder / "run.lock", timeout=0.5)  # who only looks whether a run is at work holds it for a moment
    try:
        lock.acquire()
    except Timeout:
        raise JournalError(f"another process is at work in {folder}: wait for it, or choose another folder") from None
    try:
        yield
    finally:
        lock.release()


class _Run:
    """The steps of one run, over parts that are already built."""

    def __init__(
        self,
        cfg: DictConfig,
        parts: Parts,
        folder: RunFolder,
        journal: Journal,
        recording: Recording | None,
        observers: Observers,
        watch: Stopwatch,
        start: str | None,
        memory: RunMemory,
    ) -> None:
        self.cfg = cfg
        self.parts = parts
        self.folder = folder
        self.journal = journal
        self.recording = recording
        self.observers = observers
        self.watch = watch
        self.start = start
        self.memory = memory
        self.distiller: Distiller | None = None

    def to_the_end(self, sweep: str | None) -> Summary:
        problem, device, seed = self.parts.problem, self.parts.device, self.journal.inputs_seed
        self._begin(sweep)
        twins, forecasts = CodeTwins(), forecaster_of(self.cfg, device)
        settings = (problem.task, problem.sizes, device, seed, self.parts.repeats, self.watch)
        with Evaluator(*settings, twin=twins.told, forecaster=forecasts) as evaluator:
            finished = self._search(evaluator, twins)
            if self.distiller is not None:
                learned = self.distiller.all_lessons(finished.archive)
                self.memory.end(self.journal.lessons, learned, self.folder.path)
            best = finished.archive.incumbent
            seed_kernel, incumbent = problem.task.seed_kernel, best.source or problem.task.seed_kernel
            duels: tuple[Duel, ...] = ()
            if best is not finished.archive.seed:  # unbeaten, it is 1.00× itself, whatever the clock says
                self.observers.step("confirming: seed kernel and incumbent side by side")
                duels = confirm(evaluator, seed_kernel, incumbent)
        gate = self._gate(seed_kernel, incumbent)
        names = RunNames(problem.task.name, self.parts.model.name, self.cfg.seed, seed)
        summary = summarize(names, device, self.watch, finished, duels, gate)
        summary = replace(summary, corrected=self._corrected(finished, duels, gate))
        files = self._export(best, incumbent, summary)
        self.observers.finish(summary, files)
        seal(self.folder.path)
        return summary

    def _begin(self, sweep: str | None) -> None:
        task, model = self.parts.problem.task.name, self.parts.model.name
        resolved = OmegaConf.to_container(self.cfg, resolve=True, enum_to_str=True)
        assert isinstance(resolved, dict)
        config = {str(k): v for k, v in resolved.items()}
        self.folder.text("config.yaml", OmegaConf.to_yaml(self.cfg, resolve=True))
        name = f"{task}-{model}-{self.cfg.seed}"
        self.observers.step("measuring the ceilings of this machine")
        with self.watch.phase("ceilings"):
            ceilings = self.parts.device.ceilings
        facts: dict[str, object] = {
            "device": self.parts.device.name,
            "ceilings": asdict(ceilings),
            "versions": versions(),
            "load": os.getloadavg()[0],
            "measured": not isinstance(self.parts.device, Predicting),
        }
        self.folder.json("begun.json", {"task": task, "model": model, "seed": self.cfg.seed, **facts})
        head = [
            f"task {task} · model {model} · seed {self.cfg.seed} · device {self.parts.device.name}",
            f"ceilings: {ceilings.bandwidth:.1f} GB/s, {ceilings.fp32:.0f} GFLOP/s ({ceilings.source})",
            f"folder {shown(self.folder.path)}",
            *_busy(),
            *([f"the ceilings are unsettled: {ceilings.unsettled}"] if ceilings.unsettled else []),
        ]
        if self.recording:
            head.append("answers and evaluations as recorded")
        with self.watch.phase("tracking"):
            tags, notes = list(self.cfg.tags), self.cfg.notes
            info = RunInfo(name, task, model, sweep, self.folder.path, config, head, facts, tags, notes)
            self.observers.start(info)

    def _search(self, evaluator: Evaluator, twins: CodeTwins) -> Finished:
        problem, sanitizer = self.parts.problem, self.parts.sanitizer
        evaluate: Evaluate = Sanitized(evaluator, sanitizer).evaluate if sanitizer else evaluator.evaluate
        seed_forecast = cache(lambda: evaluator.forecast(problem.task.seed_kernel))
        rule = self.parts.promotion.begin(Pairing(evaluator), self.parts.budget.iterations)
        promotion = promotion_by(self.cfg.score, self.parts.device, rule, seed_forecast)
        if self.recording:
            evaluate, promotion = as_recorded(self.recording, evaluate), DecidedAsRecorded(self.recording, promotion)
        watchers: tuple[Watcher, ...] = (twins, StatusFiles(self.folder.path), self.observers)
        if isinstance(self.parts.model, UsesTools):
            lock = threading.RLock()
            tools = KernelTools(evaluator, evaluate, sanitizer, lock)
            self.parts.model.equip(tools)
            watchers = (tools, *watchers)
            evaluate, promotion = locked(evaluate, lock), LockedPromotion(promotion, lock)
        wins = how_it_wins(self.cfg.score, self.parts.device, self.cfg.chip)
        task = replace(problem.task.view(problem.sizes), machine=self.journal.machine, how_it_wins=wins)
        model, budget = self.parts.model, self.parts.budget
        account = Account(lambda: self.watch.total)
        conversation = Conversation(model, budget, account, self.journal, self.folder, self.watch)
        self.distiller = self.memory.distiller(model, conversation.aside)
        self.folder.candidate(0, task.seed_kernel)
        if self.start is not None:
            self.folder.text("00_start.metal", self.start)
        return Search(
            task=task,
            propose=Proposer(task, conversation, self.folder, self.parts.prompt, self._prepare),
            evaluate=evaluate,
            strategy=self.parts.strategy,
            budget=budget,
            journal=self.journal,
            promotion=promotion,
            learner=model,
            start=self.start,
            account=account,
            lessons=self.journal.lessons,
            distiller=self.distiller,
            flights=AsRecorded(self.recording.schedule) if self.recording else self.parts.search.flights(),
            watchers=watchers,
            steering=Steering(self.folder.path),
            record=self.folder.result,
        ).run()

    def _prepare(self, unit: Unit) -> None:
        """Compile a candidate while another one is timed, if several answers are under way."""
        device, signatures = self.parts.device, self.parts.problem.task.signatures
        if self.parts.search.in_flight > 1 and isinstance(device, Preparing):
            device.prepare(unit, signatures)

    def _gate(self, seed_kernel: str, incumbent: str) -> GateResult:
        """Judge the incumbent once and write the result once: a resumed run reads it.

        A second judgement, of another kernel, must be requested and is marked.
        """
        path = self.folder.path / "gate.json"
        gate, problem, device = self.parts.gate, self.parts.problem, self.parts.device
        found = read_json(path, GateResult)
        if found:
            digests = gate.digests(problem.task, problem.heldout, device, seed_kernel, incumbent)
            if dict(found.digests) == digests:
                return found
            if not gate.again:
                return gate.another_kernel(found)
        self.observers.step("held-out gate")
        result = gate.judge(
            task=problem.task,
            size=problem.heldout,
            sizes=problem.sizes,
            device=device,
            inputs_seed=self.journal.inputs_seed,
            seed_kernel=seed_kernel,
            incumbent=incumbent,
            watch=self.watch,
            sanitizer=self.parts.sanitizer,
        )
        if found:
            result = replace(result, judgement=found.judgement + 1)
        self.folder.json(path.name, result)
        return result

    def _corrected(self, finished: Finished, duels: tuple[Duel, ...], gate: GateResult) -> str:
        """Correct the machine's ceilings for later runs if this run's results refute them; say so."""
        device, seed = self.parts.device, finished.archive.seed.evaluation
        if self.recording or not isinstance(device, Correctable):
            return ""
        found = evidence(self.parts.problem.task.name, seed, duels, gate)
        with self.watch.phase("ceilings"):
            return device.correct_ceilings(found)

    def _export(self, best: Entry, incumbent: str, summary: Summary) -> list[Path]:
        module = best_py(self.parts.problem, incumbent, facts(summary, self.folder.path), math_mode_of(self.cfg))
        return [
            self.folder.path / "00_seed.metal",
            self.folder.text("best.metal", incumbent),
            self.folder.text("best.py", module),
            self.folder.path / "gate.json",
            self.folder.json("summary.json", summary),
        ]


def _busy() -> list[str]:
    """Yield a sentence about other work on this machine."""
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load < _BUSY * processors:
        return []
    return [f"the machine is busy (load {load:.1f} on {processors} processors): comparisons will take more pairs"]
