"""A search's run as W&B is told of it, without a search: `python wandb_run.py FOLDER MODE VERDICT [PATIENCE]`.

It begins, logs two candidates and says so; a line on its standard input ends it: it tells the result and closes.
PYTHONPATH names tests/helpers.
"""

import sys
from pathlib import Path

from run_folders import result, write_run

from metalsci.evaluation.results import Evaluation, Outcome
from metalsci.search.archive import Archive, Entry
from metalsci.tracking import wandb as tracker
from metalsci.tracking.observers import Observers
from metalsci.tracking.protocol import RunInfo
from metalsci.tracking.wandb import WandbTracker
from metalsci.tracking.wandb_mode import WandbMode


def follow(folder: Path, mode: str, verdict: str) -> None:
    write_run(folder, verdict=verdict)
    for name in ("00_seed.metal", "01_candidate.metal", "best.metal"):
        (folder / name).write_text(f"// {name}", encoding="utf-8")
    following = Observers([WandbTracker(mode=WandbMode(mode))], _say)
    following.start(RunInfo("lbm-rewrite-0", "lbm", "rewrite", None, folder, {"task": {"name": "lbm"}}))
    archive = Archive(Entry(0, "seed", Evaluation(Outcome.SCORED, score=0.5), seconds={"total": 1.0}))
    following.entry(archive)
    archive.add(Entry(1, "other", Evaluation(Outcome.SCORED, score=0.4), seconds={"total": 1.0}))
    following.entry(archive)
    _say("under way")
    sys.stdin.readline()
    following.finish(result("lbm", "rewrite", 0, 0.4, 3, 3, verdict), [folder / "best.metal"])
    following.close(failed=False)
    _say("closed")


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 4:
        tracker._START = float(sys.argv[4])
    follow(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
