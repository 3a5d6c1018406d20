"""A kernel's work on an Apple GPU, predicted without one: `python -m metalsci.profile task=fft3d kernel=mine.metal`.

    task=NAME kernel=PATH [versus=PATH] [size=1]           a task's kernels; without `kernel` the seed kernel
    source=PATH kernel=NAME threads=4096,1 threadgroup=64 0=float[4096] 1=float[4096] 2=uint:4096

A task's size is its label or its number, by default the largest. Arguments of any other `.metal` file are given by
buffer index: `type[count]` is a buffer of random numbers, `type:value` a value. `chip="M1 Max"` is another GPU than an
M1 Pro; `--json` prints data; `--html FILE` writes a page with the annotated source. Times are predicted:
docs/virtual_gpu.md.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hydra.errors import HydraException
from rich.console import Console

from metalsci.cli.arguments import UsageError
from metalsci.cli.config_errors import explain
from metalsci.cli.consoles import accept_any_console
from metalsci.cli.exit_codes import EXIT_FAILED
from metalsci.cli.profile_source import Profiled, profile_file, profile_task
from metalsci.cli.profile_view import page, show, show_both
from metalsci.cpu_metal import ArchitectureError
from metalsci.cpu_metal.errors import DispatchError, PipelineError
from metalsci.devices.errors import DeviceError, KernelFailure
from metalsci.devices.virtual.gpu_facts import facts_of
from metalsci.experiment.instantiation import ConfigError
from metalsci.files.locations import ensure_cache
from metalsci.msl.diagnostics import CompileError, render
from metalsci.task.loader import TaskError

_EXPECTED = (
    ArchitectureError,
    HydraException,
    ConfigError,
    UsageError,
    TaskError,
    DeviceError,
    DispatchError,
    PipelineError,
    OSError,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile a kernel. Exits with 1 if it does not compile or cannot be counted, with 2 if the arguments are wrong."""
    about, _, rest = (__doc__ or "").partition("\n\n")
    accept_any_console()
    parser = argparse.ArgumentParser(
        prog="python -m metalsci.profile",
        description=about,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("settings", nargs="+", metavar="key=value")
    parser.add_argument("--json", action="store_true", help="print counts and predictions as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the annotated source")
    told = parser.parse_args(arguments)
    ensure_cache()
    try:
        found = _profiled(_settings(told.settings))
    except CompileError as error:
        parser.exit(EXIT_FAILED, render(error.diagnostics) + "\n")
    except (DispatchError, KernelFailure) as error:
        parser.exit(EXIT_FAILED, f"{error}\n")
    except _EXPECTED as error:
        parser.error(explain(error))
    if told.html:
        told.html.write_text(page(found), encoding="utf-8")
    if told.json:
        sys.stdout.write(json.dumps([asdict(each.prediction) for each in found], indent=1) + "\n")
        return
    console = Console(highlight=False, soft_wrap=True)
    for each in found:
        show(each, console)
    if len(found) == 2:
        show_both(found[0], found[1], console)


def _settings(given: Sequence[str]) -> dict[str, str]:
    """Split the settings. Raises UsageError for an argument that is no `key=value`."""
    wrong = [each for each in given if "=" not in each]
    if wrong:
        raise UsageError(f"'{wrong[0]}' is not of the form key=value; --help has examples")
    return dict(each.split("=", 1) for each in given)


def _profiled(settings: dict[str, str]) -> list[Profiled]:
    gpu = facts_of(settings.pop("chip", "M1 Pro"))
    if "source" in settings:
        return [profile_file(settings, gpu)]
    if "task" not in settings:
        raise UsageError("give task=NAME, or source=PATH of a .metal file")
    kernels = [settings.get("kernel"), *([settings["versus"]] if "versus" in settings else [])]
    return [profile_task(settings["task"], kernel, settings.get("size"), gpu) for kernel in kernels]


if __name__ == "__main__":
    main()
