"""The origin of the figures: devices, ceilings, versions, and the settings in which the runs differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metalsci.devices.ceilings import Ceilings
from metalsci.report.charts import Chapter
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import figure
from metalsci.report.tabular import Cell, number, table, text

_MOST_VALUES = 6  # of one setting that are listed
_PLACES = ("paths.", "run", "json")  # settings that say where, not what


def environments(runs: Sequence[ReportedRun]) -> Chapter:
    groups: dict[tuple[str, ...], list[ReportedRun]] = {}
    for run in runs:
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        groups.setdefault((run.device, _origin(run.ceilings), versions), []).append(run)
    rows, levels = [], []
    for (device, _, versions), members in groups.items():
        ceilings = next((run.ceilings for run in members if run.ceilings), None)
        rows.append(
            [
                text(device),
                text(_origin(ceilings)),
                text(versions),
                number(len(members)),
                *_rates(ceilings),
            ]
        )
        levels += [[text(device), *cells] for cells in _levels(ceilings)]
    head = ["device", "ceilings", "versions", "runs", "GB/s", "GFLOP/s", "load"]
    tables = [table("environment", "Devices, ceilings and versions", head, rows, 4)]
    if levels:
        tables.append(table("levels", "Bandwidth by footprint", ["device", "MiB", "GB/s"], levels, 2))
    differing = [[text(name), text(values)] for name, values in differences(runs)]
    if differing:
        tables.append(table("settings", "Settings in which these runs differ", ["setting", "values"], differing))
    return Chapter("environment", "Environment", tables=tables)


def _origin(ceilings: Ceilings | None) -> str:
    if ceilings is None:
        return ""
    return f"{ceilings.source}; unsettled: {ceilings.unsettled}".removesuffix("; unsettled: ")


def _rates(ceilings: Ceilings | None) -> list[Cell]:
    if ceilings is None:
        return [text("")] * 3
    return [number(rate, figure(rate)) for rate in (ceilings.bandwidth, ceilings.fp32, ceilings.load)]


def _levels(ceilings: Ceilings | None) -> Iterator[list[Cell]]:
    if ceilings is not None:
        for level in ceilings.levels:
            mebibytes = level.footprint / 2**20
            yield [number(mebibytes, figure(mebibytes)), number(level.bandwidth, figure(level.bandwidth))]


def differences(runs: Sequence[ReportedRun]) -> Iterator[tuple[str, str]]:
    """List settings that are not the same in all runs, with their values."""
    values: dict[str, dict[str, None]] = {}
    configs = [dict(flat(run.config)) for run in runs if run.config]
    for name in dict.fromkeys(name for config in configs for name in config):
        if not name.startswith(_PLACES):
            values[name] = dict.fromkeys(config.get(name, "–") for config in configs)
    for name, found in values.items():
        if len(found) > 1:
            shown = list(found)[:_MOST_VALUES]
            more = ""
            if len(found) > len(shown):
                more = f" and {len(found) - len(shown)} more"
            yield name, ", ".join(value if len(value) < 80 else f"{value[:79]}…" for value in shown) + more


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """List settings by their dotted names, as text."""
    for name, value in config.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, default=str)
