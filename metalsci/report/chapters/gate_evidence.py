"""The gate's findings, run by run: the figures, the evidence in a sentence, and the findings."""

from collections.abc import Sequence

from metalsci.evaluation.paired import Contender
from metalsci.report.chapters.grouping import TONES
from metalsci.report.charts import Chapter
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import figure, times
from metalsci.report.tabular import Cell, number, table, text


def gate_evidence(runs: Sequence[ReportedRun]) -> Chapter:
    judged = [run for run in runs if run.gate]
    if not judged:
        return Chapter("gate", "The gate's evidence", notes=["The gate has judged none of these runs."])
    head = ["run", "task", "model", "verdict", "evidence", "size", "judgement", "held out", "quartiles", "Φ"]
    head += ["seed kernel, ms", "winner, ms"]
    rows = [[text(run.name), text(run.task), text(run.model), *_evidence(run)] for run in judged]
    tables = [table("gate", "Verdicts and what they rest on", head, rows)]
    findings = [
        [text(run.name), text(f.kind), number(f.line or None), text(f.text)]
        for run in judged
        for f in (run.gate.findings if run.gate else ())
    ]
    if findings:
        columns = ["run", "kind", "line", "finding"]
        tables.append(table("findings", "What the sanitizer found at the gate", columns, findings))
    duels = [
        [
            text(run.name),
            text(run.task),
            text(duel.label),
            *_ms(duel.seed),
            *_ms(duel.challenger),
            number(duel.speedup, times(duel.speedup)),
            text(_range(duel.quartiles)),
        ]
        for run in judged
        for duel in run.duels
    ]
    if duels:
        columns = ["run", "task", "size", "seed kernel, ms", "winner, ms", "speedup", "quartiles"]
        tables.append(table("duels", "Seed kernel and winner side by side, at each size", columns, duels))
    about = (
        "The size that the search never saw, its probes, and small problems of sizes that nobody scored; judged once."
    )
    return Chapter("gate", "The gate's evidence", about, tables)


def _evidence(run: ReportedRun) -> list[Cell]:
    gate = run.gate
    assert gate is not None
    told = gate.evidence
    if gate.reason:
        told = f"{gate.evidence}; {gate.reason}"
    return [
        text(gate.verdict, TONES.get(str(gate.verdict), "")),
        text(told),
        text(gate.size),
        number(gate.judgement),
        number(run.told_heldout, times(run.told_heldout)),
        text(_range(gate.quartiles)),
        number(gate.phi, figure(gate.phi) if gate.phi is not None else ""),
        *_ms(gate.seed),
        *_ms(gate.incumbent),
    ]


def _ms(side: Contender) -> list[Cell]:
    if side.timing is None:
        return [text("")]
    return [number(1e3 * side.timing.median, figure(1e3 * side.timing.median))]


def _range(quartiles: tuple[float, float] | None) -> str:
    if quartiles:
        return f"{quartiles[0]:.2f}–{quartiles[1]:.2f}"
    return ""
