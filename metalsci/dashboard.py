"""Build a W&B workspace over all runs of a project: `python -m metalsci.dashboard [project=metalsci] [entity=TEAM]`.

Speedups by task, model and strategy, convergence, verdicts, kinds of failure, costs. Without a login it writes the same
as JSON and says how to upload it. Needs pip install 'metalsci[dashboard]'.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from metalsci.cli.exit_codes import EXIT_FAILED, EXIT_USAGE


def main(arguments: Sequence[str] | None = None) -> None:
    """Build it, and exit with 2 if the library is not installed, with 1 if W&B or the disk does not take it."""
    parser = argparse.ArgumentParser(prog="python -m metalsci.dashboard", description=__doc__)
    parser.add_argument("settings", nargs="*", metavar="key=value", help="project=NAME, entity=TEAM, output=FILE.json")
    told = parser.parse_args(arguments)
    settings = dict(each.partition("=")[::2] for each in told.settings)
    unknown = settings.keys() - {"project", "entity", "output"}
    if unknown:
        parser.error(f"{sorted(unknown)[0]} is no setting; there are project, entity and output")
    from metalsci.files.extras import ExtraMissingError
    from metalsci.tracking.wandb_workspace import as_json, logged_in, save, workspace

    project = settings.get("project") or os.environ.get("WANDB_PROJECT") or "metalsci"
    output = Path(settings.get("output") or "metalsci-dashboard.json")
    entity = settings.get("entity") or os.environ.get("WANDB_ENTITY")
    try:
        login = None if "output" in settings else logged_in()
        made = workspace(entity or login or "entity", project)
        if login:
            sys.stdout.write(f"dashboard: {save(made)}\n")
            return
        output.write_text(as_json(made), encoding="utf-8")
    except ExtraMissingError as error:
        _refuse(str(error), EXIT_USAGE)
    except Exception as error:  # whatever a server answers
        _refuse(f"the dashboard was not made: {error}", EXIT_FAILED)
    sys.stdout.write(
        f"no login at W&B, so the dashboard is in {output}; to upload it: wandb login, then "
        f"python -m metalsci.dashboard project={project}\n"
        if "output" not in settings
        else f"dashboard: {output}\n"
    )


def _refuse(sentence: str, code: int) -> None:
    sys.stderr.write(f"metalsci: {sentence}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
