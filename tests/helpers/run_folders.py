"""Folders of runs as a search writes them, made without one: for tests of what reads them."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from metalsci.devices.ceilings import Ceilings
from metalsci.devices.virtual.forecast import Forecast, PredictedSize
from metalsci.evaluation.paired import Contender, Duel
from metalsci.evaluation.promotion.protocol import Decision
from metalsci.evaluation.results import Evaluation, Outcome, Roofline, SizeResult, Timing
from metalsci.gate.verdicts import GateResult, Verdict
from metalsci.models.protocol import Response, Usage
from metalsci.models.record import Answered
from metalsci.msl.diagnostics import Diagnostic, Severity
from metalsci.msl.language.spelling import spelling
from metalsci.search.archive import Entry
from metalsci.search.budget import Spent
from metalsci.search.journal import Asked, Journal
from metalsci.search.request import Request
from metalsci.tracking.summary import Summary

SEED = "kernel void f() {\n    slow();\n}\n"


def sized(fraction: float, label: str = "N=8") -> SizeResult:
    timing = Timing((1e-3 / fraction,) * 3)
    return SizeResult(label, Outcome.SCORED, timing=timing, roofline=Roofline(10 * fraction, 10.0, "GB/s", 1.0, 4096))


def foreseen(seconds: float, **shares: float) -> Forecast:
    """Make a forecast of one kernel. shares: of its time, by term."""
    figures = {
        "lanes": 0.5,
        "registers": 12.0,
        **{f"share/{name.replace('_', ' ')}": of for name, of in shares.items()},
    }
    advice = (f"f: {max(shares, key=lambda name: shares[name])} comes first",)
    return Forecast("M1 Pro", (PredictedSize("N=8", seconds, seconds),), "most is traffic", "", advice, (), figures)


def write_run(
    folder: Path,
    *,
    task: str = "lbm",
    model: str = "rewrite",
    seed: int = 0,
    scores: Sequence[float | None] = (0.2, None, 0.4),
    idea: str = "Faster.",
    done: bool = True,
    verdict: str = "tied",
    padding: int = 0,
    strategy: str = "one_plus_one",
) -> Path:
    """Write a run's folder.

    scores: of the candidates, None for one that does not compile; each is made from the best before it.
    padding: further lines of each source.
    """
    folder.mkdir(parents=True)
    journal = Journal(folder / "journal.jsonl", "made", 0)
    base = SEED.replace("    slow();\n", "    slow();\n" + "    float more = x[i] * 2.0f + y[i];\n" * padding)
    forecast = foreseen(4e-3, traffic=0.75, issue=0.25)
    first = Evaluation(Outcome.SCORED, sizes=(sized(0.1),), score=0.1, forecast=forecast)
    journal.judge(Entry(0, base, first, seconds={"total": 1.0}, spelling=spelling(base)), None)
    best, incumbent = 0.1, 0
    for number, score in enumerate(scores, start=1):
        request = Request((incumbent,), id=number)
        journal.ask(Asked(1, (request,)))
        source = base.replace("slow", f"fast{number}")
        response = Response(f"{idea}\n\n```metal\n{source}```\n", usage=Usage(100, 0, 50), cost=0.01)
        journal.answer(Answered(number, 0.5, response))
        seconds = {"model": 0.5, "kernels": 0.1, "total": 1.0}
        if score is None:
            told = Diagnostic(Severity.ERROR, 2, 5, f"use of undeclared identifier 'fast{number}'")
            evaluation, decision = Evaluation(Outcome.COMPILE_ERROR, told.message, (told,)), None
        else:
            forecast = foreseen(1e-3, traffic=0.5, bank_turns=0.5)
            evaluation = Evaluation(Outcome.SCORED, sizes=(sized(score),), score=score, forecast=forecast)
            decision = Decision(score > best)
        entry = Entry(number, source, evaluation, request, response.reply, seconds, decision, spelling(source))
        journal.judge(entry, response.text)
        if score is not None and score > best:
            best, incumbent = score, number
    config = {"task": {"name": task}, "model": {"name": model}, "seed": seed, "budget": {"iterations": len(scores)}}
    config |= {"strategy": {"_target_": f"metalsci.search.strategies.{strategy}.Strategy"}}
    (folder / "config.yaml").write_text(json.dumps(config))
    if done:
        summary = result(task, model, seed, best, incumbent, len(scores), verdict)
        (folder / "summary.json").write_bytes(msgspec.json.encode(summary))
        (folder / "gate.json").write_bytes(msgspec.json.encode(summary.gate))
    return folder


def result(task: str, model: str, seed: int, best: float, incumbent: int, iterations: int, verdict: str) -> Summary:
    side = Contender(Outcome.SCORED, timing=Timing((1e-3, 2e-3)), roofline=Roofline(1.0, 10.0, "GB/s"))
    heldout = None if verdict == "wrong" else 9 * best
    gate = GateResult(Verdict(verdict), "N=4", side, side, heldout, (0.9, 1.1), 0.1, evidence="told in a sentence")
    return Summary(
        task=task,
        model=model,
        device="a device",
        seed=seed,
        inputs_seed=0,
        ended_by="iterations",
        spent=Spent(iterations, 5.0, 150 * iterations, 0.01 * iterations),
        iterations=iterations,
        outcomes={},
        best_iteration=incumbent,
        seed_score=0.1,
        best_score=best,
        self_speedup=10 * best,
        duels=(Duel("N=8", side, side, 10 * best, (9 * best, 11 * best)),),
        gate=gate,
        ceilings=Ceilings(10.0, 100.0, "measured"),
        seconds={"total": 5.0},
        framework_ms_per_iteration=1.0,
        versions={"metalsci": "1"},
    )
