"""The figures that W&B is told of a run, as plain data. One name means one thing.

- of an iteration, by the search's own scores: `score`, `best_score`, `speedup`, `best_speedup`; for each size
  `speedup/SIZE`, `ms/SIZE` with quartiles `ms_q1/SIZE` and `ms_q3/SIZE`, `achieved/SIZE`, `fraction/SIZE`; `outcome`,
  `idea`, `message`, `diagnostics`, `findings` as text; `likeness` to the earlier candidate that shares most
  of its structure, `likeness_to`, whose iteration that is; `seconds/PHASE`; `tokens/KIND`, `dollars`, and both added up
  as `tokens_so_far`, `dollars_so_far`; `predicted_ms/SIZE` and `predicted_speedup` of a GPU that is not there
- of a run, measured side by side when the search has ended: `confirmed/…`; of the gate: `gate/…`; `spent/…`;
  `outcomes/KIND`: how many candidates ended so
"""

from collections.abc import Mapping, Sequence

from metalsci.devices.virtual.forecast import predicted_gain
from metalsci.evaluation.paired import Contender
from metalsci.evaluation.results import SizeResult
from metalsci.gate.verdicts import GateResult
from metalsci.models.protocol import Reply
from metalsci.msl.diagnostics import render
from metalsci.search.archive import Archive, Entry
from metalsci.tracking.summary import Summary

LONGEST_TEXT = 4000  # characters of a metric, or of a cell
_LONGEST_TAG = 64  # W&B refuses longer ones
# What W&B's summary keeps of a history, which says whether more or less of it is better. (This W&B has no `goal`; the
# incumbent's own figures end at their best, and those of the end are written once.)
GOALS = {
    "score": "max,last",
    "speedup": "max,last",
    "ms/*": "min,last",
    "fraction/*": "max,last",
    "speedup/*": "max,last",
}
# A part of a run's config: task, model, strategy and device by their names, whatever the settings of each are called.
NAMED = "named"
CANDIDATE_COLUMNS = (
    *("iteration", "parents", "model", "idea", "outcome", "score", "speedup", "incumbent"),
    *("source", "diagnostics", "findings", "message"),
)


def iteration_figures(archive: Archive, entry: Entry, spent: tuple[int, float]) -> dict[str, object]:
    """Collect the figures of an iteration. spent: tokens and dollars up to this iteration."""
    best = archive.incumbent
    metrics: dict[str, object] = {
        "iteration": entry.iteration,
        "outcome": str(entry.evaluation.outcome),
        "score": entry.score,
        "best_score": best.score,
        "speedup": archive.self_speedup(entry) or 0.0,
        "best_speedup": archive.self_speedup(best) or 0.0,
        "promoted": entry.promoted,
        "tokens_so_far": spent[0],
        "dollars_so_far": spent[1],
    }
    told = {
        "idea": (entry.reply or Reply()).headline,
        "message": entry.evaluation.message,
        "diagnostics": render(entry.evaluation.diagnostics),
        "findings": "\n".join(map(str, entry.evaluation.findings)),
    }
    metrics |= {name: text[:LONGEST_TEXT] for name, text in told.items() if text}
    if entry.likeness is not None:
        metrics |= {"likeness": entry.likeness.share, "likeness_to": entry.likeness.iteration}
    seed = {size.label: size for size in archive.seed.evaluation.sizes}
    for size in entry.evaluation.sizes:
        metrics |= _size(size, seed.get(size.label))
    metrics |= _predicted(archive, entry)
    metrics |= {f"seconds/{phase}": seconds for phase, seconds in entry.seconds.items()}
    if entry.reply is not None:
        usage = entry.reply.usage
        metrics |= {f"tokens/{kind}": getattr(usage, kind) for kind in ("input", "cached", "output", "reasoning")}
        if entry.reply.cost is not None:
            metrics["dollars"] = entry.reply.cost
    return metrics


def final_figures(summary: Summary) -> dict[str, object]:
    """Collect the figures of a run that has ended, those of its gate included."""
    told: dict[str, object] = {
        "confirmed/seed_score": summary.seed_score,
        "confirmed/best_score": summary.best_score,
        "confirmed/self_speedup": summary.self_speedup,
        "best_iteration": summary.best_iteration,
        "ended_by": summary.ended_by,
        "spent/tokens": summary.spent.tokens,
        "spent/dollars": summary.spent.dollars,
        "spent/seconds": summary.seconds.get("total", 0.0),
    }
    told["measured"] = summary.measured
    told |= {outcome_figure(outcome): count for outcome, count in summary.outcomes.items()}
    told |= gate_figures(summary.gate)
    if summary.predicted is not None:
        told |= {"predicted/gpu": summary.predicted.gpu, "predicted/self_speedup": summary.predicted.speedup}
    for duel in summary.duels:
        told[f"confirmed/speedup/{duel.label}"] = duel.speedup
        if duel.quartiles:
            told |= {f"confirmed/q1/{duel.label}": duel.quartiles[0], f"confirmed/q3/{duel.label}": duel.quartiles[1]}
    return told


def outcome_figure(outcome: str) -> str:
    """Name the figure that counts the candidates of a run which ended so."""
    return f"outcomes/{outcome.replace(' ', '_')}"


def gate_figures(gate: GateResult) -> dict[str, object]:
    """Collect the gate's figures and its evidence."""
    told: dict[str, object] = {
        "gate/verdict": str(gate.verdict),
        "gate/size": gate.size,
        "gate/heldout_speedup": gate.heldout_speedup,
        "gate/phi": gate.phi,
        "gate/evidence": gate.evidence,
        "gate/reason": gate.reason,
        "gate/judgement": gate.judgement,
        "gate/findings": "\n".join(map(str, gate.findings))[:LONGEST_TEXT],
    }
    if gate.transfer is not None:
        told["gate/predicted_speedup"] = gate.transfer.speedup
    if gate.quartiles:
        told |= {"gate/q1": gate.quartiles[0], "gate/q3": gate.quartiles[1]}
    for name, side in (("seed", gate.seed), ("incumbent", gate.incumbent)):
        told |= {f"gate/{name}/{key}": value for key, value in _side(side).items()}
    return told


def candidate_rows(archive: Archive) -> list[list[object]]:
    """Make a row a candidate, in the order of CANDIDATE_COLUMNS; long texts are cut."""
    return [
        [
            entry.iteration,
            ", ".join(map(str, entry.parents)),
            (entry.reply or Reply()).model,
            (entry.reply or Reply()).headline,
            str(entry.evaluation.outcome),
            entry.score,
            archive.self_speedup(entry),
            entry.promoted,
            (entry.source or "")[:LONGEST_TEXT],
            render(entry.evaluation.diagnostics)[:LONGEST_TEXT],
            "\n".join(map(str, entry.evaluation.findings))[:LONGEST_TEXT],
            entry.evaluation.message[:LONGEST_TEXT],
        ]
        for entry in archive.entries
    ]


def tags_of(facts: Mapping[str, str], own: Sequence[str]) -> list[str]:
    """Make `task:lbm` and the like, and the user's own, none of them twice."""
    tags = [f"{name}:{value}" for name, value in facts.items() if value] + list(own)
    return list(dict.fromkeys(tag[:_LONGEST_TAG] for tag in tags if tag))


def _predicted(archive: Archive, entry: Entry) -> dict[str, object]:
    """Collect what is foreseen of a GPU that is not there."""
    forecast = entry.evaluation.forecast
    if forecast is None:
        return {}
    told: dict[str, object] = {f"predicted_ms/{size.label}": 1e3 * size.seconds for size in forecast.sizes}
    gain = predicted_gain(forecast, archive.seed.evaluation.forecast)
    if gain is not None:
        told["predicted_speedup"] = gain.speedup
    return told


def _size(size: SizeResult, seed: SizeResult | None) -> dict[str, object]:
    if size.timing is None or size.roofline is None:
        return {}
    low, high = size.timing.quartiles
    told: dict[str, object] = {
        f"ms/{size.label}": 1e3 * size.timing.median,
        f"ms_q1/{size.label}": 1e3 * low,
        f"ms_q3/{size.label}": 1e3 * high,
        f"achieved/{size.label}": size.roofline.achieved,
        f"fraction/{size.label}": size.roofline.fraction,
    }
    if seed is not None and seed.timing is not None:
        base = seed.timing.median
        told[f"speedup/{size.label}"] = base / size.timing.median
        told |= {f"speedup_q1/{size.label}": base / high, f"speedup_q3/{size.label}": base / low}
    return told


def _side(side: Contender) -> dict[str, object]:
    told: dict[str, object] = {"outcome": str(side.outcome)}
    if side.timing is not None:
        told["ms"] = 1e3 * side.timing.median
    if side.roofline is not None:
        told |= {"achieved": side.roofline.achieved, "fraction": side.roofline.fraction}
    return told
