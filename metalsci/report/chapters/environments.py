"""The origin of the figures: devices, ceilings, versions, and the settings in which the runs differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metalsci.devices.ceilings import Ceilings
from metalsci.report.charts import Chapter
from metalsci.report.reported_run import ReportedRun
from metalsci.report.scales import figure
from metalsci.report.tabular import Cell, DataTable, number, table, text

_MOST_VALUES = 6  # of one setting that are listed
_PLACES = ("paths.", "run", "json")  # settings that say where, not what


def environments(runs: Sequence[ReportedRun]) -> Chapter:
    groups: dict[tuple[str, ...], list[ReportedRun]] = {}
    for run in runs:
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        groups.setdefault((run.device, _origin(run.ceilings), versions), []).append(run)
    rows, measured = [], []
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
        if ceilings is not None and ceilings.levels:
            measured.append((device, ceilings))
    head = ["device", "ceilings", "versions", "runs", "GB/s", "GFLOP/s", "load"]
    tables = [table("environment", "Devices, ceilings and versions", head, rows)]
    if measured:
        tables.append(_levels(measured))
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


def _levels(measured: Sequence[tuple[str, Ceilings]]) -> DataTable:
    """Give a row each device and measurement, a column each footprint."""
    footprints = sorted({level.footprint for _, ceilings in measured for level in ceilings.levels})
    rows = []
    for device, ceilings in measured:
        known = {level.footprint: level.bandwidth for level in ceilings.levels}
        rates = [known.get(footprint) for footprint in footprints]
        rows.append([text(device), *(text("") if rate is None else number(rate, figure(rate)) for rate in rates)])
    head = ["device", *(f"{figure(footprint / 2**20)} MiB" for footprint in footprints)]
    return table("levels", "GB/s by footprint", head, rows)


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
