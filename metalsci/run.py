"""The entry point: `python -m metalsci.run task=lbm`.

It composes the config with Hydra, runs the experiment, and turns every failure into a message: fact, cause, next
command.
"""

import metalsci.cli.quiet_start  # noqa: F401  (first: what follows takes most of a second)

# isort: split

import gc
import logging
import logging.config
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from metalsci.cli.arguments import (
    UsageError,
    expand_resume,
    flags_first,
    json_as_setting,
    multirun_first,
    refuse_null,
    several_trackers,
    take_packages,
)
from metalsci.cli.command_record import record_run, recorded
from metalsci.cli.consoles import accept_any_console
from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_USAGE
from metalsci.cli.help import help_text
from metalsci.cli.signals import Terminated, listen
from metalsci.experiment.hydra_versions import entry_options
from metalsci.experiment.instantiation import packages
from metalsci.experiment.objective import objective
from metalsci.experiment.schemas import register
from metalsci.files.locations import data, ensure_cache, remove_empty, shown
from metalsci.files.whole_files import read_json

log = logging.getLogger(__name__)

GROUPS = (
    *("task", "model", "prompt", "strategy", "promotion", "device", "budget", "gate", "tracker", "paths"),
    "experiment",
)


def _job(cfg: DictConfig) -> float | None:
    """Run one experiment. Return its objective, for a sweeper; None if a job of a sweep has no result.

    Optuna's sweeper counts None as a failed trial and goes on; at NaN it ends with a traceback.
    """
    # Only a command that runs something imports what running takes: --help and --cfg stay quick.
    from metalsci.cli.failures import EXPECTED, advice
    from metalsci.experiment.search_run import run_experiment

    hydra_cfg = HydraConfig.get()
    folder = Path(hydra_cfg.runtime.output_dir)
    is_sweep = hydra_cfg.mode is RunMode.MULTIRUN
    if is_sweep:
        sweep = Path(hydra_cfg.sweep.dir).as_posix()
    else:
        sweep = None
    record = partial(_begin, folder, cfg, hydra_cfg)
    is_accepted: list[bool] = []

    def accept() -> None:
        if not is_accepted:
            record()
            is_accepted.append(True)

    try:
        check_settings(cfg)
        if cfg.dry_run:
            _estimate(cfg, folder)
            return None
        if sweep is not None:
            finished = _finished(folder, hydra_cfg)
            if finished:
                return objective(finished, cfg.optimized_metric)
            accept()  # so that the table knows of a job even if it fails
        run_experiment(cfg, folder, sweep, accept)
    except (UsageError, *EXPECTED) as error:
        if is_accepted:
            complain(f"{error}{advice(error, shown(folder))}")
            log.error("%s", error)
        else:
            complain(str(error))
            remove_empty(folder, Path(cfg.paths.outputs))
        if sweep is None:
            sys.exit(EXIT_FAILED if is_accepted else EXIT_USAGE)
        # the rest of a sweep goes on; its table counts the runs without a result, and fails at the end
        return None
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, Terminated):
            how = "terminated"
        else:
            how = "interrupted"
        if is_accepted:
            log.error(how)
            complain(f"{how}; {_ways_on(folder if sweep is None else Path(sweep), is_sweep)}")
        raise
    except Exception as error:
        log.exception("a fault of metalsci itself")
        if sweep is None:
            raise
        complain(f"a fault of metalsci itself, in {shown(folder)}: {type(error).__name__}: {error}")
        return None  # an exception would cost the other jobs their table
    summary = read_json(folder / "summary.json", dict[str, Any])
    if cfg.json and summary and not is_sweep:
        sys.stdout.write((folder / "summary.json").read_text(encoding="utf-8").rstrip() + "\n")
    if summary:
        return objective(summary, cfg.optimized_metric)
    return None


def _estimate(cfg: DictConfig, folder: Path) -> None:
    """Print what a run may cost, without running it."""
    from metalsci.experiment.cost_estimate import estimate_cost

    estimated = estimate_cost(cfg)
    remove_empty(folder, Path(cfg.paths.outputs))
    if cfg.json:
        import msgspec

        sys.stdout.write(msgspec.json.format(msgspec.json.encode(estimated), indent=2).decode() + "\n")
    else:
        sys.stdout.write("\n".join(estimated.sentences()) + "\n")


def _begin(folder: Path, cfg: DictConfig, hydra_cfg: HydraConf) -> None:
    """Claim the folder for this run: from here on it has a log, and can be resumed."""
    folder.mkdir(parents=True, exist_ok=True)
    record_run(folder, cfg, hydra_cfg, sys.argv[1:])
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"format": "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"}},
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": str(folder / "metalsci.log"),
                    "formatter": "plain",
                    "encoding": "utf-8",
                }
            },
            "root": {"level": "DEBUG" if hydra_cfg.verbose is True else "INFO", "handlers": ["file"]},
        }
    )
    if not isinstance(hydra_cfg.verbose, bool):  # hydra.verbose=[NAME,NAME]: these loggers only
        if isinstance(hydra_cfg.verbose, str):
            names = [hydra_cfg.verbose]
        else:
            names = hydra_cfg.verbose
        for name in names:
            logging.getLogger(name).setLevel(logging.DEBUG)


def _finished(folder: Path, hydra_cfg: HydraConf) -> dict[str, Any] | None:
    """Return the summary of an ended job of a sweep that goes on. Raises UsageError for one of another sweep."""
    before = recorded(folder)
    wanted = [*hydra_cfg.overrides.task]
    if before is not None and not set(wanted) <= set(before):
        raise UsageError(
            f"{shown(folder)} holds a run with other settings; choose another folder with hydra.sweep.dir=FOLDER"
        )
    return read_json(folder / "summary.json", dict[str, Any])


def _ways_on(folder: Path, is_sweep: bool) -> str:
    """Return the commands that resume after an interrupt: the run, or the sweep and each of its unfinished runs."""
    resume = "python -m metalsci.run resume="
    if not is_sweep:
        return f"to resume: {resume}{shown(folder)}"
    from metalsci.cli.sweep_table import unfinished

    jobs = "".join(f"\n  {resume}{shown(job)}" for job in unfinished(folder))
    return f"to resume the sweep: {resume}{shown(folder)}\nor one of its runs:{jobs}"


def main() -> None:
    command("config", _job, lambda arguments: expand_resume(multirun_first(arguments)))


def command(config_name: str, job: Callable[[DictConfig], object], prepare: Callable[[list[str]], list[str]]) -> None:
    """Run a Hydra job on the command line as `prepare` makes it. A failure becomes a message and an exit code."""
    listen()
    accept_any_console()
    register()
    logging.raiseExceptions = False  # a full disk has its message; that the log cannot have it too needs no traceback
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # exceptions reach the code below instead of Hydra's own report
    try:
        given = json_as_setting(take_packages(refuse_null(sys.argv[1:], GROUPS)))
        sys.argv[1:] = flags_first(prepare(several_trackers(given)))
        if "--version" in sys.argv:
            from importlib.metadata import version

            sys.stdout.write(f"metalsci {version('metalsci')}\n")
        elif {"-h", "--help"}.isdisjoint(sys.argv):
            options = entry_options(packages())
            hydra.main(config_path=str(data("conf")), config_name=config_name, **options)(job)()
        else:
            gc.disable()  # a fifth of the time to the help, of a process that ends with it
            sys.stdout.write(help_text(config_name, sys.argv[1:]))
            sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        sys.exit(EXIT_TERMINATED if isinstance(interrupt, Terminated) else EXIT_INTERRUPTED)
    except (HydraException, OmegaConfBaseException, UsageError) as error:
        from metalsci.cli.config_errors import explain

        complain(explain(error))
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        complain(
            f"cannot write the run folder: {error}\nchoose another with hydra.run.dir=FOLDER or paths.outputs=FOLDER"
        )
        sys.exit(EXIT_USAGE)


def check_settings(cfg: DictConfig) -> None:
    """Raise UsageError if a setting was added that nothing reads; print substitutes that will be used."""
    from metalsci.cli.config_errors import refuse_unread

    refuse_unread(cfg)
    lost = ensure_cache()
    if lost:
        complain(lost)
    threads, cores = cfg.device.get("threads"), os.cpu_count() or 1
    if threads is not None and threads > cores:
        complain(f"device.threads={threads}, and this machine has {cores} cores: threads will wait for one another")


def complain(text: str) -> None:
    sys.stderr.write(f"metalsci: {text}\n")


if __name__ == "__main__":
    main()
