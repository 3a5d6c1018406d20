"""The tools that a run lends to a model that works with tools: check, evaluate, profile.

They see what the search sees, the in-distribution sizes, on the run's own inputs and device; the held-out size is not
among what they are made of. One candidate is timed at a time, those of the search included.
"""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing

from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.cpu.cpu_sanitizer import Sanitizer
from metalsci.devices.errors import CANDIDATE_FAULTS
from metalsci.devices.virtual.advice import advice, bottleneck
from metalsci.devices.virtual.gpu_facts import facts_of
from metalsci.devices.virtual.prediction import predict
from metalsci.evaluation.evaluator import Evaluator
from metalsci.evaluation.sanitizer_policy import complaint, condemned, inspect
from metalsci.models.protocol import ToolAnswer
from metalsci.msl.diagnostics import CompileError, render
from metalsci.search.archive import Archive
from metalsci.search.prompting.feedback import describe
from metalsci.search.proposal import Evaluate

_LONGEST = 1_000_000  # characters of a kernel
_PROFILED_ON = "M1 Pro"
_PATIENCE = 120.0  # seconds of one profile


class KernelTools:
    """Tools over a run's evaluator. evaluate: as the search judges.

    lock: held while a kernel runs; the search holds it too.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        evaluate: Evaluate,
        sanitizer: Sanitizer | None,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._evaluator = evaluator
        self._evaluate = evaluate
        self._sanitizer = sanitizer
        self._lock = lock or threading.RLock()
        self._archive: Archive | None = None

    def step(self, text: str) -> None:
        """Do nothing: tools watch a search for its entries."""

    def entry(self, archive: Archive) -> None:
        """Take note of the kernels that others are compared with."""
        self._archive = archive

    def call(self, tool: str, arguments: Mapping[str, str]) -> ToolAnswer:
        """Use a tool. Whatever is wrong with kernel or arguments is an answer."""
        source = arguments.get("source", "")
        if not source.strip() or len(source) > _LONGEST:
            return ToolAnswer(f"give a kernel's source, of at most {_LONGEST:,} characters", ok=False)
        with self._lock:
            match tool:
                case "check":
                    return self._check(source)
                case "evaluate":
                    return self._judge(source)
                case "profile":
                    return self._profile(source, arguments.get("size", ""))
        return ToolAnswer(f"there is no tool {tool!r}: check, evaluate, profile", ok=False)

    def _check(self, source: str) -> ToolAnswer:
        try:
            module = self._evaluator.compile(source)
        except CompileError as error:
            return ToolAnswer(render(error.diagnostics, source, "caret"), ok=False)
        told = [render([warning], source, "caret") for warning in module.warnings] + list(module.remarks)
        module.close()
        if self._sanitizer is None:
            return ToolAnswer("\n".join(["it compiles; no sanitizer here", *told]))
        found = inspect(self._sanitizer, self._evaluator.bench(0), source)
        told += [str(finding) for finding in found.all]
        if condemned(found):
            return ToolAnswer("\n".join([*told, complaint(found)]), ok=False)
        return ToolAnswer("\n".join(["sound: it compiles, and nothing undefined was found", *told]))

    def _judge(self, source: str) -> ToolAnswer:
        evaluation = self._evaluate(source, _silent)
        archive = self._archive
        if archive is None:
            return ToolAnswer(describe(evaluation, source, 0.0), ok=evaluation.outcome.correct)
        text = describe(evaluation, source, archive.seed.score, seed=archive.seed.evaluation.forecast)
        if evaluation.outcome.correct:
            text += (
                f"\nThe best so far, {archive.name(archive.incumbent)}, had a score of {archive.incumbent.score:.4f}."
            )
        return ToolAnswer(text, ok=evaluation.outcome.correct)

    def _profile(self, source: str, size: str) -> ToolAnswer:
        benches = self._evaluator.benches
        labels = [bench.size.label for bench in benches]
        wanted = {
            **{str(number): bench for number, bench in enumerate(benches, 1)},
            **dict(zip(labels, benches, strict=True)),
        }
        bench = wanted.get(size or labels[-1])
        if bench is None:
            return ToolAnswer(f"there is no size {size!r}: {', '.join(labels)}", ok=False)
        try:
            with closing(CpuDevice(time_limit=_PATIENCE)) as device:
                module = device.compile(source, self._evaluator.task.signatures)
                profile = device.stage(bench.program).bind(module).profile()
        except CompileError as error:
            return ToolAnswer(render(error.diagnostics, source, "caret"), ok=False)
        except CANDIDATE_FAULTS as error:
            return ToolAnswer(str(error), ok=False)
        prediction = predict(profile, facts_of(_PROFILED_ON))
        told = [
            f"{bench.size.label}: predicted {1e3 * prediction.seconds:.3f} ms on {prediction.gpu}",
            f"bottleneck: {bottleneck(prediction)}",
        ]
        for dispatch in prediction.dispatches:
            kernel = dispatch.profile.kernel
            told.append(
                f"{kernel}: predicted {1e3 * dispatch.seconds:.3f} ms, {dispatch.profile.dispatches} dispatches"
            )
            told += [f"{kernel}: {sentence}" for sentence in advice(dispatch)]
        return ToolAnswer("\n".join(told))


def _silent(_: str) -> None:
    pass
