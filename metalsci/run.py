"""The entry point: `python -m metalsci.run task=lbm`. Composes the config with Hydra, runs the experiment, and turns
whatever goes wrong into a message that says what, where and what to do."""

import logging
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from metalsci.cli.arguments import UsageError, expand_resume, multirun_first, refuse_null, take_packages
from metalsci.cli.help import help_text
from metalsci.experiment.schemas import register
from metalsci.files.locations import data, ensure_cache, shown
from metalsci.files.whole_files import read_json

log = logging.getLogger(__name__)

GROUPS = (
    *("task", "model", "prompt", "strategy", "promotion", "device", "budget", "gate", "tracker", "paths"),
    "experiment",
)
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


@hydra.main(version_base="1.3", config_path=str(data("conf")), config_name="config")
def _job(cfg: DictConfig) -> None:
    # Only a command that runs something imports what running takes: --help and --cfg stay quick.
    from metalsci.cli.failures import EXPECTED, advice
    from metalsci.experiment.search_run import run_experiment

    check_settings(cfg)
    if lost := ensure_cache():
        complain(lost)
    hydra_cfg = HydraConfig.get()
    folder = Path(hydra_cfg.runtime.output_dir)
    sweep = Path(hydra_cfg.sweep.dir).as_posix() if hydra_cfg.mode is RunMode.MULTIRUN else None
    if sweep is not None and read_json(folder / "summary.json", dict) is not None:
        return  # of a sweep that goes on
    try:
        run_experiment(cfg, folder, sweep)
    except EXPECTED as error:
        log.error("%s", error)
        complain(f"{error}{advice(error, shown(folder))}")
        if sweep is None:
            sys.exit(EXIT_FAILED)
        # the rest of a sweep goes on; its table counts the runs without a result, and fails at the end
    except KeyboardInterrupt:
        log.error("interrupted")
        complain(_ways_on(folder if sweep is None else Path(sweep), sweep is not None))
        raise
    except Exception:
        log.exception("a fault of metalsci itself")
        raise


def _ways_on(folder: Path, is_sweep: bool) -> str:
    """What to type after Ctrl-C: for a run, or for a sweep and each of its runs that has begun and not ended."""
    resume = "python -m metalsci.run resume="
    if not is_sweep:
        return f"interrupted; go on with: {resume}{shown(folder)}"
    from metalsci.tracking.sweep import unfinished

    jobs = "".join(f"\n  {resume}{shown(job)}" for job in unfinished(folder))
    return f"interrupted; go on with the sweep: {resume}{shown(folder)}\nor with one of its runs:{jobs}"


def main() -> None:
    command("config", _job, lambda arguments: expand_resume(multirun_first(arguments)))


def command(config_name: str, job: Callable[[], None], prepare: Callable[[list[str]], list[str]]) -> None:
    """Run a Hydra job on the command line as `prepare` makes it; what goes wrong becomes a message and an exit code."""
    register()
    logging.raiseExceptions = False  # a full disk has its message; that the log cannot have it too needs no traceback
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # exceptions reach the code below instead of Hydra's own report
    try:
        sys.argv[1:] = prepare(take_packages(refuse_null(sys.argv[1:], GROUPS)))
        if "--version" in sys.argv:
            sys.stdout.write(f"metalsci {version('metalsci')}\n")
        elif {"-h", "--help"}.isdisjoint(sys.argv):
            job()
        else:
            sys.stdout.write(help_text(config_name, sys.argv[1:]))
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except (HydraException, OmegaConfBaseException, UsageError) as error:
        from metalsci.cli.config_errors import explain

        complain(explain(error))
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        complain(
            f"cannot write the run folder: {error}\nchoose another with hydra.run.dir=FOLDER or paths.outputs=FOLDER"
        )
        sys.exit(EXIT_USAGE)


def check_settings(cfg: DictConfig) -> None:
    """Exits where something was added to a config that nothing reads."""
    from metalsci.cli.config_errors import refuse_unread

    try:
        refuse_unread(cfg)
    except UsageError as error:
        complain(str(error))
        sys.exit(EXIT_USAGE)


def complain(text: str) -> None:
    sys.stderr.write(f"metalsci: {text}\n")


if __name__ == "__main__":
    main()
