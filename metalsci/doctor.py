"""`python -m metalsci.doctor`: what this machine has for metalsci, and how to get the parts that it lacks.

With a model, as in `python -m metalsci.doctor model=claude`, it also makes one tiny call, which costs as much as a few
tokens. Any override of a run may follow; the device is examined with the run's settings.
"""

import argparse
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from hydra.errors import HydraException
from omegaconf import DictConfig
from rich.console import Console
from rich.text import Text

from metalsci.cli.arguments import UsageError, take_packages
from metalsci.cli.composing import ConfigChoice
from metalsci.cli.config_errors import explain, refuse_unread
from metalsci.cli.consoles import accept_any_console
from metalsci.cli.exit_codes import EXIT_FAILED
from metalsci.cpu_metal.execute import isolation
from metalsci.devices import ceilings
from metalsci.devices.auto import has_metal
from metalsci.devices.cpu.cpu_device import CpuDevice
from metalsci.devices.errors import DeviceError
from metalsci.devices.program import trace
from metalsci.devices.protocol import Device
from metalsci.experiment.instantiation import ConfigError, make
from metalsci.experiment.schemas import register
from metalsci.files.locations import cache, ensure_cache
from metalsci.models.http.keys import env_file, key_ring
from metalsci.msl.diagnostics import CompileError, render
from metalsci.msl.language.parse import parse

_OF_THE_DEVICE = ("ceilings", "kernel")
_LEAST_DISK = 2e9  # bytes: compiled kernels, a sweep's folders, what W&B stages
_TINY = """#include <metal_stdlib>
using namespace metal;
kernel void tiny(device const float *x, device float *y, uint i [[thread_position_in_grid]]) { y[i] = 2.0f * x[i]; }
"""


@dataclass(frozen=True)
class Examined:
    """One line: a part of the machine and its state. `advice` says what to do, and is empty if all is well."""

    what: str
    found: str
    advice: str = ""


def examine(cfg: DictConfig, device: Device, ask_model: bool, lost: str) -> Iterator[Examined]:
    """Yield findings as they come.

    An exception from one part of the machine is a finding, and does not end the examination.

    lost: the reason why the configured cache is not used, empty if it is.
    """
    with closing(device):
        looks: dict[str, Callable[[], Examined]] = {
            "python": _python,
            "MLX": _mlx,
            "compiler": _compiler,
            "isolation": _isolation,
            "device": lambda: Examined("device", device.name),
            **({"instructions": partial(_instructions, device)} if isinstance(device, CpuDevice) else {}),
            "ceilings": partial(_ceilings, device),
            "kernel": partial(_kernel, device),
            "keys": _keys,
            "W&B": _wandb,
            "disk": partial(_disk, lost),
        }
        if ask_model:
            looks["model"] = partial(_model, cfg)
        usable = True
        for what, look in looks.items():
            if what in _OF_THE_DEVICE and not usable:
                continue
            try:
                yield look()
            except DeviceError as error:
                usable = False
                yield Examined(what, "not usable", str(error))
            except Exception as error:  # any fault of this machine, in its own words
                yield Examined(what, "failed", f"{type(error).__name__}: {error}")


def _python() -> Examined:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fits = (3, 11) <= sys.version_info < (3, 14)
    return Examined("python", found, "" if fits else "use Python 3.11, 3.12 or 3.13")


def _mlx() -> Examined:
    if has_metal():
        return Examined("MLX", f"{version('mlx')}, with Metal")
    if sys.platform == "darwin":
        return Examined("MLX", f"{version('mlx')}, without Metal", "use a native arm64 Python on Apple silicon")
    return Examined("MLX", f"{version('mlx')}, without Metal: kernels run on the software device")


def _compiler() -> Examined:
    return Examined("compiler", f"Clang of ziglang {version('ziglang')}")


def _isolation() -> Examined:
    """Examine the isolation of the software device.

    It is weaker if the OS kernel lacks features, which is only reported.
    """
    state = isolation.state()
    present = [
        *(["seccomp: no network, no other process"] if state.seccomp else []),
        *([f"landlock {state.landlock}: no files but a scratch folder"] if state.landlock else []),
    ]
    return Examined("isolation", "; ".join((*present, *state.lacking)))


def _instructions(device: CpuDevice) -> Examined:
    """Examine the processor: the target of kernels, as far as it bears on their speed."""
    return Examined("instructions", device.instructions)


def _ceilings(device: Device) -> Examined:
    found = device.ceilings
    levels = ", ".join(map(_level, found.levels))
    text = f"{found.bandwidth:.1f} GB/s, {found.fp32:.0f} GFLOP/s ({found.source})"
    if levels:
        text += f"; spread {100 * found.spread:.1f} % over {found.runs} runs at load {found.load:.1f}; GB/s: {levels}"
    advice = "run `python -m metalsci.doctor --measure-ceilings` when the machine is quieter"
    return Examined("ceilings", text, f"unsettled: {found.unsettled}; {advice}" if found.unsettled else "")


def _level(level: ceilings.Level) -> str:
    proved = f" (shown by {level.proved})" if level.proved else ""
    return f"{level.bandwidth:.0f} at {level.footprint / 2**20:.3g} MiB{proved}"


def _kernel(device: Device) -> Examined:
    """Compile, run and check one tiny kernel on the device that a run would use."""
    signatures = parse(_TINY).kernels
    x = np.arange(256, dtype=np.float32)
    grid = {"threads": (x.size, 1, 1), "threadgroup": (64, 1, 1), "outputs": [(x.shape, x.dtype)]}
    try:
        module = device.compile(_TINY, signatures)
    except CompileError as failure:
        return Examined("kernel", "does not compile", render(failure.diagnostics))
    stage = device.stage(trace(lambda arrays, kernels: kernels.tiny(arrays["x"], **grid), {"x": x}, signatures))
    execution = stage.bind(module)
    seconds = min(execution.run().seconds for _ in range(10))
    right = bool((stage.outputs()[0] == 2 * x).all())
    module.close()
    stage.close()
    return Examined("kernel", f"right, {1e6 * seconds:.0f} µs" if right else "wrong", "" if right else "report this")


def _keys() -> Examined:
    """List the names of the keys that are set; never their values."""
    present = key_ring().present()
    none = f"none in the environment or {env_file()}: model=rewrite needs none"
    return Examined("keys", ", ".join(present) or none)


def _wandb() -> Examined:
    import wandb

    login = wandb.login(prompt=False)
    return Examined("W&B", "logged in" if login else "no login: runs are logged offline (`wandb login` changes that)")


def _model(cfg: DictConfig) -> Examined:
    from metalsci.models.ping import check

    return Examined("model", check(make(cfg, "model")))


def _disk(lost: str) -> Examined:
    """Examine the cache. `lost`: the reason why another one than the configured is used, if it is."""
    if lost:
        return Examined("disk", "a temporary cache", lost)
    folder = next(p for p in (cache(), *cache().parents) if p.exists())
    free = shutil.disk_usage(folder).free
    if free >= _LEAST_DISK:
        advice = ""
    else:
        advice = f"make room, or point METALSCI_CACHE away from {cache()}"
    return Examined("disk", f"{free / 1e9:.1f} GB free for {cache()}", advice)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the findings; exit with 1 if one needs action, with 2 if the arguments are wrong."""
    accept_any_console()
    parser = argparse.ArgumentParser(prog="python -m metalsci.doctor", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as of a run: model=claude device=cpu")
    parser.add_argument(
        "--measure-ceilings",
        action="store_true",
        help="measure them again: this machine has changed, or was busy at the last measurement",
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="FILE",
        help="on a Mac: time micro-kernels and examples next to their predictions, and write what device.calibration "
        "of device=virtual takes",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON on standard output")
    parser.add_argument("--version", action="version", version=f"metalsci {version('metalsci')}")
    parser.add_argument("--config-dir", "-cd", default=[], action="append", help="a folder with options of your own")
    parser.add_argument("--config-name", "-cn", default="config", help="another config than `config`")
    told = parser.parse_args(arguments)
    overrides = told.overrides
    lost = ensure_cache()  # before a device, which may read it
    try:
        cfg = _compose([*overrides, f"-cn={told.config_name}", *(f"-cd={folder}" for folder in told.config_dir)])
        device = make(cfg, "device")
    except (HydraException, ConfigError, UsageError) as error:
        parser.error(explain(error))
    if told.calibrate:
        _calibrate(device, told.calibrate, parser)
        return
    if told.measure_ceilings:
        ceilings.forget()
    console = Console(highlight=False, soft_wrap=True, quiet=told.json)
    healthy = True
    found: list[Examined] = []
    ask_model = any(override.startswith("model=") for override in overrides)
    for finding in examine(cfg, device, ask_model, lost):
        found.append(finding)
        if finding.advice:
            mark, style = ("to do", "bold red")
        else:
            mark, style = ("ok", "green")
        line = (
            Text(f"{mark:>5}  ", style=style)
            .append(f"{finding.what:<13}", style="bold")
            .append(finding.found, style="")
        )
        console.print(line.append(f"\n{'':20}{finding.advice}" if finding.advice else "", style="red"))
        healthy &= not finding.advice
    if told.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    sys.exit(0 if healthy else EXIT_FAILED)


def _calibrate(device: Device, file: Path, parser: argparse.ArgumentParser) -> None:
    """Exit with 1 if there is no GPU to be timed, or none that the model knows."""
    from metalsci.cli.calibrating import calibrate_here
    from metalsci.devices.apple.apple_device import AppleDevice

    with closing(device):
        if not isinstance(device, AppleDevice):
            parser.exit(EXIT_FAILED, f"--calibrate times an Apple GPU, and this is {device.name}: run it on a Mac\n")
        try:
            calibrate_here(device, file, Console(highlight=False, soft_wrap=True))
        except (DeviceError, OSError) as error:
            parser.exit(EXIT_FAILED, f"{error}\n")


def _compose(arguments: Sequence[str]) -> DictConfig:
    register()
    cfg = ConfigChoice.of(take_packages(arguments), "config").compose()
    refuse_unread(cfg)
    return cfg


if __name__ == "__main__":
    main()
