"""Judge kernels outside any search: `python -m metalsci.evaluate task=fft3d kernel=mine.metal gate=true`.

Several, `kernel=[a.metal,b.metal]`, are judged on the same inputs, each in turn with the seed kernel. Without `kernel`
it is the task's seed kernel; with `gate=true` the held-out size is tried too. `-m 'task=glob(*)'` makes one table of
all tasks. `--json` prints the result as JSON. Exits with 1 if a kernel is wrong anywhere.
"""

import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from metalsci.cli.arguments import UsageError, multirun_first
from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_USAGE
from metalsci.files.locations import remove_empty
from metalsci.files.whole_files import write_json
from metalsci.run import check_settings, command, complain

log = logging.getLogger(__name__)


def _job(cfg: DictConfig) -> None:
    # Only a command that runs something imports what running takes: --help stays quick.
    from metalsci.cli.evaluation_table import show
    from metalsci.cli.failures import EXPECTED
    from metalsci.experiment.instantiation import ConfigError
    from metalsci.experiment.single_kernel import judge_all
    from metalsci.task.loader import TaskError
    from metalsci.tracking.console import make_console

    hydra_cfg = HydraConfig.get()
    folder = Path(hydra_cfg.runtime.output_dir)
    alone = hydra_cfg.mode is not RunMode.MULTIRUN
    if not alone:
        (folder / ".hydra").mkdir(parents=True, exist_ok=True)  # the table counts the jobs, those without a result too
    try:
        check_settings(cfg)
        judgements = judge_all(cfg)
        result = judgements[0] if len(judgements) == 1 else judgements
        write_json(folder / "evaluation.json", result)
    except (UsageError, *EXPECTED) as error:
        complain(str(error))
        if alone:
            remove_empty(folder, Path(cfg.paths.outputs))
            sys.exit(EXIT_USAGE if isinstance(error, UsageError | ConfigError | TaskError) else EXIT_FAILED)
        return
    if not alone:
        for judgement in judgements:
            complain(f"{judgement.task}: {'right' if judgement.correct else 'wrong'}, {judgement.seconds:.1f} s")
        return
    if cfg.json:
        sys.stdout.write((folder / "evaluation.json").read_text(encoding="utf-8").rstrip() + "\n")
    else:
        show(judgements, make_console())
    if not all(judgement.correct for judgement in judgements):
        sys.exit(EXIT_FAILED)


def gate_as_heldout(arguments: Sequence[str]) -> list[str]:
    """Spell `gate=true` as `heldout=true`: for Hydra `gate` is a config group, which takes names of options only."""
    return [re.sub(r"^gate=(true|false)$", r"heldout=\1", argument, flags=re.IGNORECASE) for argument in arguments]


def main() -> None:
    command("evaluate", _job, lambda arguments: multirun_first(gate_as_heldout(arguments)))


if __name__ == "__main__":
    main()
