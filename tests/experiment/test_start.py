"""`start=PATH` to the end of a run: a start that nothing beats is the winner, compared with the seed kernel."""

from pathlib import Path

import pytest

import metalsci
from metalsci.experiment.seal import contradictions
from metalsci.files.locations import data
from metalsci.models.protocol import Prompt, Response

SEED = (data("tasks") / "heat2d" / "seed.metal").read_text()
START = SEED.replace("const uint c = j * NX + i;", "const int c = int(j * NX + i);")


class Silent:
    name = "silent"

    def propose(self, prompt: Prompt) -> Response:
        return Response("I have no idea.")


@pytest.mark.parametrize("start", [True, False])
def test_a_winner_that_no_model_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str], start: bool) -> None:
    (tmp_path / "start.metal").write_text(START)
    run = tmp_path / "run"
    settings = ["experiment=smoke", "tracker=none", "sanitizer=false", "device=virtual", "device.threads=1"]
    settings += [f"start={tmp_path / 'start.metal'}"] * start
    summary = metalsci.run([*settings, f"hydra.run.dir={run}"], model=Silent())
    assert summary.best_iteration == 0
    assert (run / "best.metal").read_text() == (START if start else SEED)
    assert bool(summary.duels) is start
    assert list(contradictions(run)) == []
    assert ("who gave the start" in (run / "best.py").read_text()) is start
    assert capsys.readouterr().out.count("iter  outcome") == 1
